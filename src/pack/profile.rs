//! Canonical wasm -> which of its functions come first: those that expansions of samples call.
//!
//! A process decodes code in pieces, so what is called together lies together. The samples run
//! here, without any grant, so that the order depends on nothing but the package and this program.

mod builtin;
mod examples;
mod uses;

use crate::error::{Class, Context, Result};
use crate::lower;
use crate::manifest::Macro;
use crate::runtime::instance::Limits;
use crate::runtime::{Grants, Machine};
use proc_macro2::TokenStream;
use std::collections::BTreeMap;

use super::stage::Files;

/// What decides the order, as text; part of the cache's key.
pub const RECIPE: [&str; 4] = [
    include_str!("profile.rs"),
    include_str!("profile/builtin.rs"),
    include_str!("profile/examples.rs"),
    include_str!("profile/uses.rs"),
];

/// The most samples of a package, shared by its macros, and the least for each of them.
const SAMPLES_MAX: usize = 240;
const SAMPLES_MIN: usize = 6;
/// A sample that runs longer tells nothing about others.
const FUEL: u64 = 20_000_000;

/// One use of a macro.
#[derive(Clone)]
pub struct Sample {
    /// The macro's Rust function.
    pub function: String,
    pub input: TokenStream,
    /// What an attribute is on; its arguments are the input.
    pub item: Option<TokenStream>,
}

/// Function indexes of the canonical module, hot ones first; what no sample calls is not among
/// them. `profile` is Rust source with uses of the macros, which count more than all else.
pub fn order(wasm: &[u8], macros: &[Macro], files: &Files, profile: &[String]) -> Result<Vec<u32>> {
    // The runtime is written for statics: one copy is leaked.
    let embedded: &'static [u8] = Vec::leak(lower::store(&lower::lower(wasm)?)?);
    let wanted = profile.iter().flat_map(|text| uses::of(text, macros)).collect();
    let mut others: Vec<Sample> =
        examples::texts(files).iter().flat_map(|text| uses::of(text, macros)).collect();
    others.extend(macros.iter().flat_map(builtin::of));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut layers = Vec::new();
    for samples in [wanted, few(others, macros.len())] {
        for sample in samples {
            let (called, failed) = run(embedded, sample)?;
            if failed { &mut bad } else { &mut good }.push(called);
        }
        layers.push(std::mem::take(&mut good));
    }
    layers.push(bad);
    Ok(rank(&layers))
}

/// At most so many samples of each macro that all together are not too many.
fn few(samples: Vec<Sample>, n_macros: usize) -> Vec<Sample> {
    let max = (SAMPLES_MAX / n_macros.max(1)).max(SAMPLES_MIN);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept = samples;
    kept.retain(|sample| {
        let count = counts.entry(sample.function.clone()).or_default();
        *count += 1;
        *count <= max
    });
    kept
}

/// Expands in a new instance: the functions called, and whether the macro reported an error.
fn run(embedded: &'static [u8], sample: Sample) -> Result<(Vec<u32>, bool)> {
    static NOTHING: Grants = Grants { env: &[], read: &[] };
    let limits = Limits { fuel: FUEL, ..Limits::default() };
    let mut machine = Machine::new(embedded, &NOTHING, limits)
        .class(Class::Package, "the module does not start")?;
    machine.mute();
    let result = machine.expand(&sample.function, sample.input, sample.item);
    let failed = !result.is_ok_and(|output| !output.has_error);
    Ok((machine.called().to_vec(), failed))
}

/// Earlier layers first; in a layer what more of the samples call, in powers of two; then in the
/// order of the calls.
fn rank(layers: &[Vec<Vec<u32>>]) -> Vec<u32> {
    let mut order = Vec::new();
    for layer in layers {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        let mut first = Vec::new();
        for &func in layer.iter().flatten() {
            let count = counts.entry(func).or_default();
            *count += 1;
            if *count == 1 && !order.contains(&func) {
                first.push(func);
            }
        }
        first.sort_by_key(|func| (layer.len() / counts[func]).ilog2());
        order.extend(first);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn common_functions_come_before_rare_ones_and_failures_last() {
        let good = vec![vec![9, 1, 2], vec![9, 3, 2], vec![9, 2], vec![9, 2, 4]];
        assert_eq!(rank(&[Vec::new(), good, vec![vec![9, 8, 4]]]), [9, 2, 1, 3, 4, 8]);
    }

    #[test]
    fn a_profile_comes_before_all_else() {
        assert_eq!(rank(&[vec![vec![5]], vec![vec![1, 5], vec![1]]]), [5, 1]);
    }
}
