//! One machine for each packed crate: its state lasts over the expansions of a crate, as natively.

use super::super::{denied, failed, machine, refused, told};
use super::place::Trouble;
use crate::artifact::manifest::Macro;
use crate::artifact::Artifact;
use crate::runtime::instance::Fault;
use crate::runtime::Machine;
use proc_macro2::TokenStream;
use serde_json::Value;
use std::collections::BTreeSet;

/// How a macro is used.
pub enum Use {
    Derive(TokenStream),
    Attribute(TokenStream, TokenStream),
    Bang(TokenStream),
}

#[derive(Default)]
pub struct Machines {
    packed: Vec<(Artifact, Option<Machine>)>,
    /// What the macros wanted and may not have.
    pub notes: BTreeSet<String>,
    /// What they told, each as the compiler's JSON has it.
    pub told: Vec<Value>,
    pub n_expansions: usize,
}

impl Machines {
    /// The index of a packed crate.
    pub fn add(&mut self, artifact: Artifact) -> usize {
        self.packed.push((artifact, None));
        self.packed.len() - 1
    }

    pub fn expand(&mut self, packed: usize, item: &Macro, what: Use) -> Trouble<TokenStream> {
        let (artifact, place) = &mut self.packed[packed];
        let mut running = match place.take() {
            Some(running) => running,
            None => machine(artifact)?,
        };
        running.keep_errors();
        let (first, second) = match what {
            Use::Derive(input) | Use::Bang(input) => (input, None),
            Use::Attribute(args, item) => (args, Some(item)),
        };
        self.n_expansions += 1;
        let result = running.expand(&item.function, first.into(), second.map(Into::into));
        self.told.extend(told(&running.keep_errors()));
        let denied = denied(&running);
        let package = &artifact.manifest.package;
        let package = format!("{} {}", package.name, package.version);
        match result {
            Ok(output) => {
                if !denied.is_empty() {
                    self.notes.insert(format!("{package}: {}", refused(&denied)));
                }
                *place = Some(running);
                Ok(output.stream.into())
            }
            Err(failure) => {
                // After any other fault its memory is not to be trusted.
                if matches!(failure.fault, Fault::Panic(_)) {
                    *place = Some(running);
                }
                Err(failed(&package, item, failure, denied))
            }
        }
    }
}
