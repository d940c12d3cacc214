//! Random modules give the same in wasmtime and in the engine: results, traps, memory, globals.
//!
//! `PRECAST_ORACLE_MODULES` runs more of them, `PRECAST_ORACLE_FIRST` others. A module that
//! differs is written to the target folder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use oracle::ours::{embed, Ours};
use oracle::theirs::{engine, functions, Theirs, STACK_BYTES};
use oracle::{alone, generate, Outcome, Random};
use wasmtime::{Engine, Module, ValType};

const MODULES: u64 = 400;
/// As many calls per module: each function several times, in turn.
const ROUNDS: usize = 3;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[derive(Default)]
struct Tally {
    modules: AtomicU64,
    calls: AtomicU64,
    traps: AtomicU64,
    limits: AtomicU64,
}

#[test]
fn random_modules_agree_with_wasmtime() {
    let first = setting("PRECAST_ORACLE_FIRST", 1);
    let end = first + setting("PRECAST_ORACLE_MODULES", MODULES);
    let next = AtomicU64::new(first);
    let tally = Tally::default();
    let failures = Mutex::new(Vec::new());
    let engine = engine();
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            break;
        }
        let Some(wasm) = generate::module(seed) else { continue };
        let wasm = alone::rewrite(&wasm, &Default::default()).unwrap_or(wasm);
        if let Err(difference) = compare(&engine, &wasm, seed, &tally) {
            let path = format!("{}/differs-{seed}.wasm", env!("CARGO_TARGET_TMPDIR"));
            std::fs::write(&path, &wasm).expect("the target folder can be written");
            failures.lock().unwrap().push(format!("seed {seed} ({path}): {difference}"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES * 2);
            thread.spawn_scoped(scope, work).expect("a thread can be made");
        }
    });
    let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
    println!(
        "{} modules, {} calls, of which {} trap and {} end at a limit",
        count(&tally.modules),
        count(&tally.calls),
        count(&tally.traps),
        count(&tally.limits)
    );
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} modules differ:\n{}", failures.len(), failures.join("\n"));
    assert!(count(&tally.calls) > 0, "nothing ran");
}

fn compare(engine: &Engine, wasm: &[u8], seed: u64, tally: &Tally) -> Result<(), String> {
    let module = Module::new(engine, wasm).map_err(|e| format!("wasmtime: {e:?}"))?;
    let embedded = embed(wasm)?;
    tally.modules.fetch_add(1, Ordering::Relaxed);
    let (all, mut random) = (functions(&module), Random(seed));
    let is_getter = |name: &str| name.starts_with(&alone::global(""));
    let (getters, callable): (Vec<_>, Vec<_>) = all.iter().partition(|f| is_getter(&f.0));
    let Some((mut ours, mut theirs)) = instantiate(embedded, &module)? else { return Ok(()) };
    for round in 0..ROUNDS {
        for (name, params, results) in &callable {
            let args: Vec<u64> = params.iter().map(|ty| arg(&mut random, ty)).collect();
            let (mine, expected) = (ours.call(name, &args), theirs.call(name, &args));
            let shown = format!("round {round}, {name}({args:x?})");
            if !mine.agrees(&expected, results) {
                return Err(format!("{shown}: {mine:x?}, wasmtime {expected:x?}"));
            }
            tally.calls.fetch_add(1, Ordering::Relaxed);
            let trapped = matches!(mine, Outcome::Trap(_));
            tally.traps.fetch_add(trapped as u64, Ordering::Relaxed);
            let limited = matches!(mine, Outcome::Limit(_));
            tally.limits.fetch_add(limited as u64, Ordering::Relaxed);
            // How far each came before its stack ended is its own affair.
            if !limited {
                state(&mut ours, &mut theirs, &getters).map_err(|e| format!("{shown}: {e}"))?;
            }
            if trapped || limited {
                (ours, theirs) =
                    instantiate(embedded, &module)?.ok_or("it once had an instance")?;
            }
        }
    }
    Ok(())
}

/// Both instances, or none if both trap alike.
fn instantiate(embedded: &'static [u8], module: &Module) -> Result<Option<(Ours, Theirs)>, String> {
    match (Ours::new(embedded), Theirs::new(module)) {
        (Ok(ours), Ok(theirs)) => Ok(Some((ours, theirs))),
        (Err(mine), Err(expected)) if mine.agrees(&expected, &[]) => Ok(None),
        (mine, expected) => Err(format!("start: {:?}, wasmtime {:?}", mine.err(), expected.err())),
    }
}

fn state(
    ours: &mut Ours,
    theirs: &mut Theirs,
    getters: &[&(String, Vec<ValType>, Vec<ValType>)],
) -> Result<(), String> {
    let mine = ours.memory();
    let expected = theirs.memory().unwrap_or(&[]);
    if mine.len() != expected.len() {
        return Err(format!("memory of {} bytes, wasmtime {}", mine.len(), expected.len()));
    }
    if let Some(at) =
        (mine != expected).then(|| (0..mine.len()).find(|&at| mine[at] != expected[at])).flatten()
    {
        return Err(format!("memory[{at:#x}] is {:#x}, wasmtime {:#x}", mine[at], expected[at]));
    }
    for (name, _, results) in getters {
        let (mine, expected) = (ours.call(name, &[]), theirs.call(name, &[]));
        if !mine.agrees(&expected, results) {
            return Err(format!("{name}: {mine:x?}, wasmtime {expected:x?}"));
        }
    }
    Ok(())
}

fn arg(random: &mut Random, ty: &ValType) -> u64 {
    let edges: &[u64] = match ty {
        ValType::I32 => &[0, 1, 2, 31, 32, 0xffff, 0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff],
        ValType::I64 => &[0, 1, 63, 64, 0xffff_ffff, 1 << 32, 1 << 63, (1 << 63) - 1, u64::MAX],
        ValType::F32 => &[0, 0x8000_0000, 0x3f80_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 1],
        ValType::F64 => &[0, 1 << 63, 0x3ff0 << 48, 0x7ff0 << 48, 0xfff0 << 48, 0x7ff8 << 48, 1],
        _ => &[0],
    };
    let word = match random.below(3) {
        0 => random.pick(edges),
        1 => random.below(70),
        _ => random.next(),
    };
    match ty {
        ValType::I32 | ValType::F32 => word & 0xffff_ffff,
        ValType::I64 | ValType::F64 => word,
        _ => 0,
    }
}
