//! Random modules within the features that a packed module may use.

use arbitrary::Unstructured;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};

use super::Random;

/// How large a module is, and how long it runs.
struct Size {
    /// At most so many in all functions; one of these.
    instructions: [usize; 3],
    memory_bytes: u64,
    /// Loops and calls after which it traps.
    fuel: u32,
}

const LARGE: Size = Size { instructions: [60, 200, 1000], memory_bytes: 1 << 20, fuel: 1500 };
const SMALL: Size = Size { instructions: [30, 100, 300], memory_bytes: 1 << 17, fuel: 200 };

/// The module of `seed`, which ends; `None` for the seeds that give nothing to run.
pub fn module(seed: u64) -> Option<Vec<u8>> {
    let mut random = Random(seed);
    let n_bytes = random.pick(&[500, 2_000, 5_000, 20_000]);
    let bytes: Vec<u8> = (0..n_bytes).map(|_| random.next() as u8).collect();
    of(&mut random, &bytes, &LARGE)
}

/// The small module that any bytes make, by rules which `seed` decides.
pub fn of_bytes(seed: u64, bytes: &[u8]) -> Option<Vec<u8>> {
    of(&mut Random(seed), bytes, &SMALL)
}

fn of(random: &mut Random, bytes: &[u8], size: &Size) -> Option<Vec<u8>> {
    let mut module = Module::new(config(random, size), &mut Unstructured::new(bytes)).ok()?;
    module.ensure_termination(size.fuel).ok()?;
    Some(module.to_bytes())
}

fn config(random: &mut Random, size: &Size) -> Config {
    let kinds = [
        InstructionKind::Numeric,
        InstructionKind::Parametric,
        InstructionKind::Variable,
        InstructionKind::Table,
        InstructionKind::Memory,
        InstructionKind::Control,
        InstructionKind::Reference,
        InstructionKind::Aggregate,
    ];
    Config {
        allowed_instructions: InstructionKinds::new(&kinds),
        canonicalize_nans: true,
        disallow_traps: random.below(3) > 0,
        reference_types_enabled: random.below(2) == 0,
        export_everything: true,
        max_data_segments: 8,
        max_element_segments: 8,
        max_funcs: 12,
        max_globals: 8,
        max_imports: 0,
        max_instructions: random.pick(&size.instructions),
        max_memory32_bytes: size.memory_bytes,
        memory_max_size_required: true,
        max_tables: 3,
        max_table_elements: 200,
        table_max_size_required: true,
        max_values: 6,
        min_funcs: 3,
        min_memories: 1,
        compact_imports_enabled: false,
        custom_page_sizes_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}
