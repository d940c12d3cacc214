//! wasmtime's side.

use precast::runtime::instance::Trap;
use wasmtime::{
    Config, Engine, Extern, ExternType, Func, HeapType, Instance, Memory, Module, OptLevel, Ref,
    RegallocAlgorithm, Store, Val, ValType,
};

use super::Outcome;

pub struct Theirs {
    store: Store<()>,
    instance: Instance,
}

/// Room for wasmtime's stack; the threads that run it have more.
pub const STACK_BYTES: usize = 64 << 20;

pub fn engine() -> Engine {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::None);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    config.max_wasm_stack(STACK_BYTES);
    config.memory_init_cow(false);
    config.memory_reservation(1 << 20);
    config.memory_guard_size(0);
    Engine::new(&config).expect("the configuration is one of wasmtime's")
}

fn outcome(error: wasmtime::Error) -> Outcome {
    let Some(trap) = error.downcast_ref::<wasmtime::Trap>() else {
        return Outcome::Limit(format!("{error:?}"));
    };
    Outcome::Trap(match trap {
        wasmtime::Trap::MemoryOutOfBounds => Trap::MemoryOutOfBounds,
        wasmtime::Trap::TableOutOfBounds => Trap::TableOutOfBounds,
        wasmtime::Trap::IndirectCallToNull => Trap::UninitializedElement,
        wasmtime::Trap::BadSignature => Trap::IndirectCallTypeMismatch,
        wasmtime::Trap::IntegerOverflow => Trap::IntegerOverflow,
        wasmtime::Trap::IntegerDivisionByZero => Trap::IntegerDivideByZero,
        wasmtime::Trap::BadConversionToInteger => Trap::InvalidConversionToInteger,
        wasmtime::Trap::UnreachableCodeReached => Trap::Unreachable,
        other => return Outcome::Limit(other.to_string()),
    })
}

impl Theirs {
    pub fn new(module: &Module) -> Result<Theirs, Outcome> {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).map_err(outcome)?;
        Ok(Theirs { store, instance })
    }

    pub fn call(&mut self, name: &str, args: &[u64]) -> Outcome {
        let func = self.func(name);
        let ty = func.ty(&self.store);
        let args: Vec<Val> = ty.params().zip(args).map(|(ty, &arg)| value(&ty, arg)).collect();
        let mut results = vec![Val::I32(0); ty.results().len()];
        match func.call(&mut self.store, &args, &mut results) {
            Ok(()) => Outcome::Values(results.iter().map(word).collect()),
            Err(error) => outcome(error),
        }
    }

    pub fn func(&mut self, name: &str) -> Func {
        self.instance.get_func(&mut self.store, name).expect("the function is exported")
    }

    pub fn memory(&mut self) -> Option<&[u8]> {
        let exports: Vec<_> =
            self.instance.exports(&mut self.store).map(|e| e.into_extern()).collect();
        let is_memory = |e: Extern| -> Option<Memory> { e.into_memory() };
        let memory = exports.into_iter().find_map(is_memory)?;
        Some(memory.data(&self.store))
    }
}

/// Exported functions with their types.
pub fn functions(module: &Module) -> Vec<(String, Vec<ValType>, Vec<ValType>)> {
    let function = |export: wasmtime::ExportType<'_>| match export.ty() {
        ExternType::Func(ty) => {
            Some((export.name().to_owned(), ty.params().collect(), ty.results().collect()))
        }
        _ => None,
    };
    module.exports().filter_map(function).collect()
}

fn value(ty: &ValType, word: u64) -> Val {
    match ty {
        ValType::I32 => Val::I32(word as i32),
        ValType::I64 => Val::I64(word as i64),
        ValType::F32 => Val::F32(word as u32),
        ValType::F64 => Val::F64(word),
        ValType::Ref(ty) if matches!(ty.heap_type(), HeapType::Extern) => Val::ExternRef(None),
        _ => Val::FuncRef(None),
    }
}

fn word(val: &Val) -> u64 {
    match val {
        Val::I32(v) => *v as u32 as u64,
        Val::I64(v) => *v as u64,
        Val::F32(bits) => *bits as u64,
        Val::F64(bits) => *bits,
        other => match other.ref_() {
            Some(Ref::Func(func)) => func.is_some() as u64,
            Some(Ref::Extern(reference)) => reference.is_some() as u64,
            _ => panic!("a value that is not in our feature set"),
        },
    }
}
