//! One workload of one module in several engines, and of two modules in ours, for
//! `cargo xtask bench engines` and `heap`: figures as JSON, times in CPU milliseconds.
//!
//! `engines compare SOURCE RUNS ARTIFACT`: the artifact's derives on every type of the source.
//! `engines heap SOURCE LONG NAME=ARTIFACT…`: the same, 10,000 expansions of each, and the type of `LONG`.

mod heap;
mod others;
mod ours;
mod record;
mod replay;

use others::{compiled, interpreted};
use ours::{interpreter, jit};
use precast::artifact::manifest::Kind;
use precast::artifact::{self, Artifact};
use quote::ToTokens;
use record::{Step, Use};
use replay::{run, Guest};
use serde_json::{json, Value};
use wasmtime::Strategy;

/// Rounds before the measured ones: whatever is done once is done then.
const WARM_UP: usize = 2;
/// Calls up to the end of the first expansion: the start, the buffer and the macro.
const FIRST: usize = 3;

type Make = Box<dyn Fn() -> Box<dyn Guest>>;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let found = match &args[..] {
        ["compare", source, runs, artifact] => {
            compare(source, runs.parse().expect("runs"), artifact)
        }
        ["heap", source, long, artifacts @ ..] => heap::compare(source, long, artifacts),
        _ => panic!("engines compare|heap …"),
    };
    println!("{found}");
}

fn compare(source: &str, runs: usize, artifact: &str) -> Value {
    let artifact = read(artifact);
    let uses = uses(artifact, source);
    let steps = record::record(artifact, &artifact.image, &uses, WARM_UP + runs);
    let steps: &'static [Step] = Vec::leak(steps);
    let engines = engines(artifact);
    let first = first(&engines, &steps[..FIRST], runs);
    let steady = steady(&engines, &steps[1..], 2 * uses.len(), &steps[..1]);
    let calls: usize = steps[1..][..2 * uses.len()].iter().map(|step| step.events.len()).sum();
    let names: Vec<&str> = engines.iter().map(|engine| engine.0).collect();
    json!({
        "first": rows(&names, first), "steady": rows(&names, steady), "expansions": uses.len(),
        "calls": calls,
    })
}

fn read(artifact: &str) -> &'static Artifact {
    let bytes = std::fs::read(artifact).expect("an artifact's file");
    Box::leak(Box::new(artifact::read(&bytes).expect("a sound artifact")))
}

fn rows(names: &[&str], samples: Vec<Vec<f64>>) -> Vec<Value> {
    let row = |(name, samples)| json!({ "name": name, "samples": samples });
    names.iter().zip(samples).map(row).collect()
}

fn engines(artifact: &'static Artifact) -> Vec<(&'static str, Make)> {
    let wasm: &'static [u8] = Vec::leak(others::open(&artifact.wasm));
    let wasmtime = |strategy: Strategy| -> Make {
        let mut config = wasmtime::Config::new();
        config.strategy(strategy);
        Box::new(move || compiled::Theirs::new(wasm, &config))
    };
    let mut lazy = wasmi::Config::default();
    lazy.compilation_mode(wasmi::CompilationMode::Lazy);
    vec![
        ("precast", Box::new(|| jit::Ours::new(&artifact.image))),
        ("precast, portable engine", Box::new(|| interpreter::Ours::new(&artifact.image))),
        ("wasmi", Box::new(move || interpreted::Theirs::new(wasm, &lazy))),
        ("wasmtime, Winch", wasmtime(Strategy::Winch)),
        ("wasmtime, Cranelift", wasmtime(Strategy::Cranelift)),
    ]
}

/// From the module's bytes to the end of the first expansion, engines in turn.
fn first(engines: &[(&str, Make)], steps: &'static [Step], runs: usize) -> Vec<Vec<f64>> {
    let mut samples = vec![Vec::new(); engines.len()];
    for _ in 0..runs {
        for ((_, make), samples) in engines.iter().zip(&mut samples) {
            samples.push(cpu_ms(|| run(&mut *make(), steps)));
        }
    }
    samples
}

/// For one expansion, of rounds with `n_steps` calls each, engines in turn.
fn steady(
    engines: &[(&str, Make)],
    steps: &'static [Step],
    n_steps: usize,
    start: &'static [Step],
) -> Vec<Vec<f64>> {
    let mut guests: Vec<Box<dyn Guest>> = engines.iter().map(|(_, make)| make()).collect();
    guests.iter_mut().for_each(|guest| run(&mut **guest, start));
    let mut samples = vec![Vec::new(); engines.len()];
    for (round, steps) in steps.chunks(n_steps).enumerate() {
        for (guest, samples) in guests.iter_mut().zip(&mut samples) {
            let ms = cpu_ms(|| run(&mut **guest, steps)) * 2.0 / n_steps as f64;
            if round >= WARM_UP {
                samples.push(ms);
            }
        }
    }
    samples
}

/// Every derive of the artifact on every type of the source's file.
fn uses(artifact: &Artifact, source: &str) -> Vec<Use> {
    let text = std::fs::read_to_string(source).expect("a source file");
    let file = syn::parse_file(&text).expect("Rust source");
    let types = file.items.into_iter().filter_map(|mut item| {
        match &mut item {
            syn::Item::Struct(item) => item.attrs.retain(|attr| !attr.path().is_ident("derive")),
            syn::Item::Enum(item) => item.attrs.retain(|attr| !attr.path().is_ident("derive")),
            _ => return None,
        }
        Some(item.into_token_stream())
    });
    let derives: Vec<&str> = artifact
        .manifest
        .macros
        .iter()
        .filter(|item| item.kind == Kind::Derive)
        .map(|item| item.function.as_str())
        .collect();
    let each = |input: proc_macro2::TokenStream| {
        let of = |function: &&str| Use { function: function.to_string(), input: input.clone() };
        derives.iter().map(of).collect::<Vec<_>>()
    };
    types.flat_map(each).collect()
}

/// What this thread takes.
fn cpu_ms(work: impl FnOnce()) -> f64 {
    let start = thread_seconds();
    work();
    (thread_seconds() - start) * 1e3
}

fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value of the call's type.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(code, 0, "every Linux has this clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
