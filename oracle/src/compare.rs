//! Calls every function of a module in both engines and compares what is left.

use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::{Engine, Module, ValType};

use super::ours::{image, Ours};
use super::theirs::{functions, Theirs};
use super::{alone, Outcome, Random};

/// As many calls per module: each function several times, in turn.
const ROUNDS: usize = 3;

#[derive(Default)]
pub struct Tally {
    pub modules: AtomicU64,
    pub calls: AtomicU64,
    pub traps: AtomicU64,
    pub limits: AtomicU64,
}

/// `Err` says where they differ; `seed` decides the arguments.
pub fn compare(engine: &Engine, wasm: &[u8], seed: u64, tally: &Tally) -> Result<(), String> {
    let module = Module::new(engine, wasm).map_err(|e| format!("wasmtime: {e:?}"))?;
    let image = image(wasm)?;
    // SAFETY: the instances are gone before the image is.
    let embedded: &'static [u8] = unsafe { std::mem::transmute(&image[..]) };
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
