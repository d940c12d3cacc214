//! Lowers canonical wasm to the image, and compresses the image to its embedded form.
//!
//! Both are pure functions: equal input, equal bytes. One file per pass: `module` reads the wasm,
//! `translate` turns a body into operations over registers, `live` removes what nobody reads,
//! `alloc` gives registers slots, `emit` writes instructions, `write` and `chunk` lay out the bytes.

mod alloc;
mod chunk;
mod emit;
mod ir;
mod live;
mod module;
mod show;
mod translate;
mod write;

use std::collections::HashMap;

use crate::error::{Class, Error, Result};
use crate::runtime::image::{op, Insn, CODE_INSNS_MAX, DATA_BYTES_MAX};
use module::Module;

pub use chunk::{compress, decode, store};
pub use module::{features, host_call};
pub use show::{disassemble, stats, Stats};
pub(crate) use translate::type_byte;

/// The pool of 64-bit constants.
#[derive(Default)]
pub struct Consts {
    values: Vec<u64>,
    by_value: HashMap<u64, u32>,
}

impl Consts {
    fn index(&mut self, value: u64) -> Result<u32> {
        if let Some(&index) = self.by_value.get(&value) {
            return Ok(index);
        }
        let index = self.values.len() as u32;
        if index > 0xff_ffff {
            return Err(Error::new(Class::Package, "the module has too many constants"));
        }
        self.values.push(value);
        self.by_value.insert(value, index);
        Ok(index)
    }
}

/// A function of the image.
struct Func {
    insns: Vec<Insn>,
    n_slots: u32,
    n_params: u32,
    n_results: u32,
    type_id: u32,
}

/// Canonical wasm to raw image; a pure function.
pub fn lower(wasm: &[u8]) -> Result<Vec<u8>> {
    lower_with(wasm, &host_call)
}

/// Lowers a module whose imports `resolve` numbers.
pub fn lower_with(wasm: &[u8], resolve: module::Resolve) -> Result<Vec<u8>> {
    let module = Module::read(wasm, resolve)?;
    let mut consts = Consts::default();
    let mut funcs = Vec::new();
    let mut n_insns = 0;
    for func_idx in 0..module.funcs.len() as u32 {
        let func = lower_func(&module, func_idx, &mut consts)
            .map_err(|e| e.context(format!("failed to lower function {func_idx}")))?;
        n_insns += func.insns.len();
        funcs.push(func);
    }
    let data_bytes: usize = module.datas.iter().map(|data| data.1.len()).sum();
    if n_insns > CODE_INSNS_MAX as usize || data_bytes > DATA_BYTES_MAX as usize {
        return Err(Error::new(Class::Package, "the module is too large"));
    }
    Ok(write::image(&module, &funcs, &consts.values))
}

fn lower_func(module: &Module, func_idx: u32, consts: &mut Consts) -> Result<Func> {
    let ty = module.func_type(func_idx);
    let (n_params, n_results) = (ty.params().len() as u32, ty.results().len() as u32);
    let type_id = module.type_ids[module.funcs[func_idx as usize] as usize];
    if let Some(number) = module.host_call(func_idx) {
        // Reached only through a table or as an export: a direct call is an instruction.
        let call =
            Insn { op: op::CALL_HOST, x: 0, a: 0, b: number as u16, c: (number >> 16) as u16 };
        let insns = vec![call, Insn { op: op::RET, x: 0, a: 0, b: 0, c: 0 }];
        return Ok(Func {
            insns,
            n_slots: n_params.max(n_results).max(1),
            n_params,
            n_results,
            type_id,
        });
    }
    let body = &module.bodies[func_idx as usize - module.imports.len()];
    let mut body = translate::translate(module, func_idx, body)?;
    live::remove_dead(&mut body);
    live::zero_locals(&mut body);
    let slots = alloc::allocate(&body)?;
    let code = emit::emit(&body, &slots, consts)?;
    Ok(Func { insns: code.insns, n_slots: code.n_slots, n_params, n_results, type_id })
}
