//! Canonical wasm -> which of its functions come first, those that expansions of samples call, and
//! which of their blocks run.
//!
//! A process decodes code in pieces, so what runs together lies together. The samples run
//! here, without any grant, so that the order depends on nothing but the package and this program.

mod builtin;
mod examples;
mod sample;
mod uses;

pub use uses::of as uses;

use crate::artifact::manifest::Macro;
use crate::base::error::{Class, Context, Result};
use crate::base::files::Tree;
use crate::lower::{self, Heat};
use crate::runtime::instance::Limits;
use crate::runtime::{Grants, Machine};
use sample::Sample;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic;
use std::sync::Once;

/// What decides the order, beside the translation, as text; part of the cache's key.
pub const RECIPE: [&str; 7] = [
    include_str!("../lower/heat.rs"),
    include_str!("../lower/ir.rs"),
    include_str!("../lower/live.rs"),
    include_str!("profile.rs"),
    include_str!("profile/builtin.rs"),
    include_str!("profile/examples.rs"),
    include_str!("profile/uses.rs"),
];

/// The most samples of a package, shared by its macros, and the least for each of them.
const SAMPLES_MAX: usize = 300;
const SAMPLES_MIN: usize = 6;
/// A sample that runs longer tells nothing about others.
const FUEL: u64 = 20_000_000;

/// What samples run, by function indexes of the canonical module.
#[derive(Default)]
pub struct Profile {
    /// The functions that are called, hot ones first.
    pub order: Vec<u32>,
    /// The blocks that run in samples without errors, where it is worth knowing.
    pub heat: Heat,
}

/// Runs the samples. `profile` is Rust source with uses of the macros, which count more than all
/// else.
pub fn take(wasm: &[u8], macros: &[Macro], files: &Tree, profile: &[String]) -> Result<Profile> {
    let (image, counters) = lower::lower_counting(wasm)?;
    // The runtime is written for statics: one copy is leaked.
    let embedded: &'static [u8] = Vec::leak(lower::store(&image)?);
    let mut ran = vec![0u32; *counters.last().expect("it has the end") as usize];
    let wanted = profile.iter().flat_map(|text| uses::of(text, macros)).collect();
    let mut others: Vec<Sample> =
        examples::texts(files).iter().flat_map(|text| uses::of(text, macros)).collect();
    let builtin: Vec<Vec<Sample>> = macros.iter().map(builtin::of).collect();
    // What a process does first is mostly simple: it should not need pieces beyond the first ones.
    let simple = builtin.iter().filter_map(|samples| samples.first().cloned()).collect();
    others.extend(builtin.into_iter().flatten());
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut layers = Vec::new();
    for samples in [wanted, simple, few(others, macros.len())] {
        for sample in samples {
            let (machine, failed) = run(embedded, sample)?;
            if failed { &mut bad } else { &mut good }.push(machine.called().to_vec());
            if !failed {
                let counts = machine.globals().iter().zip(&mut ran).skip(counters[0] as usize);
                counts.for_each(|(count, ran)| *ran += (*count != 0) as u32);
            }
        }
        layers.push(std::mem::take(&mut good));
    }
    layers.push(bad);
    Ok(Profile { order: rank(&layers), heat: heat(&counters, &ran) })
}

/// Of functions that more than an eighth of the samples call: the blocks that run in a quarter of
/// those at least. To move out less keeps too much, and more makes the image larger.
fn heat(counters: &[u32], ran: &[u32]) -> Heat {
    let most = ran.iter().copied().max().unwrap_or(0);
    let blocks = counters.windows(2).map(|range| &ran[range[0] as usize..range[1] as usize]);
    let is_hot = |blocks: &[u32]| blocks.first().is_some_and(|calls| calls * 8 > most);
    let ran = |blocks: &[u32]| blocks.iter().map(|n| *n > 0 && n * 4 >= blocks[0]).collect();
    let hot = (0..).zip(blocks).filter(|(_, blocks)| is_hot(blocks));
    hot.map(|(func, blocks)| (func, ran(blocks))).collect()
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

/// Expands in a new instance: that, and whether the macro reported an error.
fn run(embedded: &'static [u8], sample: Sample) -> Result<(Machine, bool)> {
    static NOTHING: Grants = Grants { env: &[], read: &[], write: &[], own: None };
    let limits = Limits { fuel: FUEL, ..Limits::default() };
    let mut machine = Machine::new(embedded, &NOTHING, limits)
        .class(Class::Package, "the module does not start")?;
    machine.mute();
    let result = silently(|| {
        machine.expand(&sample.function, sample.input.into(), sample.item.map(Into::into))
    });
    let failed = !result.is_ok_and(|output| !output.has_error);
    Ok((machine, failed))
}

/// Runs without the message that a panic prints: samples may be wrong uses of a macro, and the
/// interface's own panics are caught.
fn silently<T>(work: impl FnOnce() -> T) -> T {
    thread_local!(static SILENT: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.get() {
                before(info);
            }
        }));
    });
    SILENT.set(true);
    let result = work();
    SILENT.set(false);
    result
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
    use super::{heat, rank, Heat};

    #[test]
    fn blocks_of_frequent_functions_are_hot_where_they_run() {
        // Imports have no blocks; function 1 is called by all of 16, 2 by one, 3 by four.
        let ran = [7, 16, 4, 3, 0, 1, 1, 4, 1, 0];
        let found = heat(&[1, 1, 5, 7, 10], &ran);
        let hot = Heat::from([(1, vec![true, true, false, false]), (3, vec![true, true, false])]);
        assert_eq!(found, hot);
    }

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
