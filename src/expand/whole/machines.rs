//! One machine for each packed crate: its state lasts over the expansions of a crate, as natively.

use super::super::{denied, failed, machine, refused, told};
use super::mixed;
use super::place::Trouble;
use crate::artifact::manifest::Macro;
use crate::artifact::Artifact;
use crate::embed;
use crate::runtime::instance::Fault;
use crate::runtime::Machine;
use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use serde_json::Value;
use std::collections::BTreeSet;

/// How a macro is used.
pub enum Use {
    Derive(TokenStream),
    Attribute(TokenStream, TokenStream),
    Bang(TokenStream),
}

/// A packed crate.
struct Packed {
    artifact: Artifact,
    machine: Option<Machine>,
    /// Words that are names where it was written, and keywords where it is used.
    names: Vec<&'static str>,
}

/// Words that have become keywords, with the edition since which they are. `dyn` means the same in all.
const KEYWORDS: [(&str, u32); 4] = [("async", 2018), ("await", 2018), ("try", 2018), ("gen", 2024)];

#[derive(Default)]
pub struct Machines {
    packed: Vec<Packed>,
    /// Of the crate that uses the macros.
    edition: u32,
    /// What the macros wanted and may not have.
    pub notes: BTreeSet<String>,
    /// What they told, each as the compiler's JSON has it.
    pub told: Vec<Value>,
    pub n_expansions: usize,
}

impl Machines {
    /// For a crate of this edition.
    pub fn of(edition: &str) -> Machines {
        Machines { edition: year(edition), ..Machines::default() }
    }

    /// The index of a packed crate.
    pub fn add(&mut self, artifact: Artifact) -> usize {
        // A module that somebody else built has no sources, and no edition.
        let edition = embed::edition(&artifact.source).map_or(self.edition, |text| year(&text));
        let is_new = |(_, since): &&(&str, u32)| (edition + 1..=self.edition).contains(since);
        let names = KEYWORDS.iter().filter(is_new).map(|(word, _)| *word).collect();
        self.packed.push(Packed { artifact, machine: None, names });
        self.packed.len() - 1
    }

    pub fn expand(&mut self, packed: usize, item: &Macro, what: Use) -> Trouble<TokenStream> {
        let Packed { artifact, machine: place, names } = &mut self.packed[packed];
        let mut running = match place.take() {
            Some(running) => running,
            None => machine(artifact)?,
        };
        running.keep_errors();
        let is_bang = matches!(what, Use::Bang(_));
        let (first, second) = match what {
            Use::Derive(input) | Use::Bang(input) => (input, None),
            Use::Attribute(args, item) => (args, Some(item)),
        };
        self.n_expansions += 1;
        let result = mixed::expand(is_bang, || {
            let result = running.expand(&item.function, first.into(), second.map(Into::into));
            result.map(|output| output.stream.into())
        });
        self.told.extend(told(&running.keep_errors()));
        let denied = denied(&running);
        let package = &artifact.manifest.package;
        let package = format!("{} {}", package.name, package.version);
        match result {
            Ok(stream) => {
                if !denied.is_empty() {
                    self.notes.insert(format!("{package}: {}", refused(&denied)));
                }
                *place = Some(running);
                Ok(raw(stream, names))
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

fn year(edition: &str) -> u32 {
    edition.parse().unwrap_or(2015)
}

/// Writes the names that a macro made so that they stay names. What it was given is the user's own.
fn raw(stream: TokenStream, names: &[&str]) -> TokenStream {
    if names.is_empty() {
        return stream;
    }
    let tree = |tree: TokenTree| match tree {
        TokenTree::Group(group) => {
            let mut new = Group::new(group.delimiter(), raw(group.stream(), names));
            new.set_span(group.span());
            TokenTree::Group(new)
        }
        TokenTree::Ident(ident) => {
            let text = ident.to_string();
            let is_made = || ident.span().source_text().as_ref() != Some(&text);
            match names.contains(&&*text) && is_made() {
                true => TokenTree::Ident(Ident::new_raw(&text, ident.span())),
                false => TokenTree::Ident(ident),
            }
        }
        other => other,
    };
    stream.into_iter().map(tree).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_of_later_editions() {
        let given: TokenStream = "async fn f() {}".parse().unwrap();
        let made = [("async", "r#async"), ("try", "r#try"), ("other", "other")];
        for (word, expected) in made {
            let word = Ident::new(word, proc_macro2::Span::call_site());
            let found = raw(quote::quote!(#given { #word }), &["async", "try"]).to_string();
            let expected = format!("async fn f () {{ }} {{ {expected} }}");
            assert_eq!(found.replace("() {}", "() { }"), expected);
        }
    }
}
