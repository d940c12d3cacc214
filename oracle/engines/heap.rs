//! Modules that differ in their allocator, in our engine.

use crate::ours::jit;
use crate::record::{record, Step, Use};
use crate::replay::{run, Guest};
use crate::{cpu_ms, read, rows, uses, WARM_UP};
use precast::artifact::Artifact;
use serde_json::{json, Value};

const EXPANSIONS: usize = 10_000;
/// How often the long expansion runs.
const LONG_RUNS: usize = 40;

/// What one module takes: samples, and bytes of its memory.
struct Side {
    steady: Vec<f64>,
    long: Vec<f64>,
    bytes_first: u64,
    bytes_last: u64,
    bytes_long: u64,
}

pub fn compare(source: &str, long: &str, artifacts: &[&str]) -> Value {
    let named = artifacts.iter().map(|text| text.split_once('=').expect("NAME=ARTIFACT"));
    let (names, sides): (Vec<&str>, Vec<Side>) =
        named.map(|(name, path)| (name, side(read(path), source, long))).unzip();
    let kb = |bytes: fn(&Side) -> u64| {
        rows(&names, sides.iter().map(|side| vec![bytes(side) as f64 / 1e3]).collect())
    };
    let (bytes_first, bytes_last, bytes_long) =
        (kb(|side| side.bytes_first), kb(|side| side.bytes_last), kb(|side| side.bytes_long));
    let ms = |samples: fn(&Side) -> &Vec<f64>| {
        rows(&names, sides.iter().map(|side| samples(side).clone()).collect())
    };
    json!({
        "steady": ms(|side| &side.steady), "long": ms(|side| &side.long), "bytes_first": bytes_first,
        "bytes_last": bytes_last, "bytes_long": bytes_long,
    })
}

fn side(artifact: &'static Artifact, source: &str, long: &str) -> Side {
    let many = uses(artifact, source);
    let (n_rounds, n_steps) = (EXPANSIONS.div_ceil(many.len()), 2 * many.len());
    let (steady, steps) = samples(artifact, &many, n_rounds);
    let (long, long_steps) = samples(artifact, &uses(artifact, long), LONG_RUNS);
    let last = |steps: &[Step]| steps.last().expect("it has the start").memory_bytes;
    Side {
        steady,
        long,
        bytes_first: last(&steps[..=n_steps]),
        bytes_last: last(steps),
        bytes_long: last(long_steps),
    }
}

/// Milliseconds of one expansion in each round, and the recorded calls.
fn samples(
    artifact: &'static Artifact,
    uses: &[Use],
    rounds: usize,
) -> (Vec<f64>, &'static [Step]) {
    let steps: &'static [Step] = Vec::leak(record(artifact, &artifact.image, uses, rounds));
    let mut guest: Box<dyn Guest> = jit::Ours::new(&artifact.image);
    run(&mut *guest, &steps[..1]);
    let rounds = steps[1..].chunks(2 * uses.len());
    let ms = |steps| cpu_ms(|| run(&mut *guest, steps)) / uses.len() as f64;
    (rounds.map(ms).collect::<Vec<_>>().split_off(WARM_UP), steps)
}
