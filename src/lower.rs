//! Lowers canonical wasm to the image, and compresses the image to its embedded form.
//!
//! Both are pure functions: equal input, equal bytes. One file per pass: `module` reads the wasm,
//! `translate` turns a body into operations over registers, `live` removes what nobody reads,
//! `split` moves out what did not run in samples (`heat`),
//! `alloc` gives registers slots, `emit` writes instructions, `write` and `chunk` lay out the bytes.

mod alloc;
mod chunk;
mod emit;
mod heat;
mod ir;
mod live;
mod module;
mod parts;
mod show;
mod split;
mod translate;
mod write;

use crate::artifact::Artifact;
use crate::base::error::{Class, Error, Result};
use crate::runtime::image::{op, Insn, CODE_INSNS_MAX, DATA_BYTES_MAX, VERSION};
use ir::Body;
use module::Module;
use parts::{Consts, Func};
use std::borrow::Cow;

pub use chunk::{compress, decode, store};
pub use heat::{write as write_heat, Heat, SECTION as HEAT_SECTION};
pub use module::host_call;
pub use show::{disassemble, stats, Stats};
pub(crate) use translate::RECIPE as TRANSLATION;

/// The artifact with images of this version: one that another version of precast has packed is lowered again.
pub fn renewed(artifact: &Artifact) -> Result<Cow<'_, Artifact>> {
    if artifact.manifest.image == VERSION {
        return Ok(Cow::Borrowed(artifact));
    }
    let modules = std::iter::once(&artifact.wasm).chain(artifact.sets.iter().map(|set| &set.wasm));
    let images = modules.map(|wasm| compress(&lower(wasm)?)).collect::<Result<Vec<_>>>()?;
    artifact.clone().with_images(VERSION, images).map(Cow::Owned)
}

/// Canonical wasm to raw image; a pure function.
pub fn lower(wasm: &[u8]) -> Result<Vec<u8>> {
    lower_with(wasm, &host_call)
}

/// Lowers a module whose imports `resolve` numbers.
pub fn lower_with(wasm: &[u8], resolve: module::Resolve) -> Result<Vec<u8>> {
    let module = Module::read(wasm, resolve)?;
    let heat = heat::read(module.heat)?;
    Lowering::new(module, Ran::Known(&heat)).run().map(|(image, _)| image)
}

/// Lowers as if nothing but the first block of every function ran in samples: what that moves
/// about must not change what the module does.
pub fn lower_cold(wasm: &[u8], resolve: module::Resolve) -> Result<Vec<u8>> {
    let module = Module::read(wasm, resolve)?;
    Lowering::new(module, Ran::First).run().map(|(image, _)| image)
}

/// Lowers with a global for each block of each function, which the block sets: the image, and for
/// each function the index of its first such global, followed by their end.
pub fn lower_counting(wasm: &[u8]) -> Result<(Vec<u8>, Vec<u32>)> {
    Lowering::new(Module::read(wasm, &host_call)?, Ran::Count).run()
}

/// What is known of the blocks that ran in samples.
enum Ran<'h> {
    Known(&'h Heat),
    First,
    Count,
}

struct Lowering<'a> {
    module: Module<'a>,
    ran: Ran<'a>,
    consts: Consts,
    /// The module's functions, then the cold parts of some.
    funcs: Vec<Func>,
    parts: Vec<Func>,
}

impl<'a> Lowering<'a> {
    fn new(module: Module<'a>, ran: Ran<'a>) -> Lowering<'a> {
        Lowering { module, ran, consts: Consts::default(), funcs: Vec::new(), parts: Vec::new() }
    }

    fn run(mut self) -> Result<(Vec<u8>, Vec<u32>)> {
        let mut counters = vec![self.module.globals.len() as u32];
        for func_idx in 0..self.module.funcs.len() as u32 {
            let func = self
                .func(func_idx)
                .map_err(|e| e.context(format!("failed to lower function {func_idx}")))?;
            self.funcs.push(func);
            counters.push(self.module.globals.len() as u32);
        }
        self.funcs.append(&mut self.parts);
        let n_insns: usize = self.funcs.iter().map(|func| func.insns.len()).sum();
        let data_bytes: usize = self.module.datas.iter().map(|data| data.1.len()).sum();
        if n_insns > CODE_INSNS_MAX as usize || data_bytes > DATA_BYTES_MAX as usize {
            return Err(Error::new(Class::Package, "the module is too large"));
        }
        Ok((write::image(&self.module, &self.funcs, &self.consts.values), counters))
    }

    fn func(&mut self, func_idx: u32) -> Result<Func> {
        let module = &self.module;
        let ty = module.func_type(func_idx);
        let (n_params, n_results) = (ty.params().len() as u32, ty.results().len() as u32);
        let type_id = module.type_ids[module.funcs[func_idx as usize] as usize];
        if let Some(number) = module.host_call(func_idx) {
            // Reached only through a table or as an export: a direct call is an instruction.
            let call =
                Insn { op: op::CALL_HOST, x: 0, a: 0, b: number as u16, c: (number >> 16) as u16 };
            let insns = vec![call, Insn { op: op::RET, x: 0, a: 0, b: 0, c: 0 }];
            let n_slots = n_params.max(n_results).max(1);
            return Ok(Func { insns, n_slots, n_params, n_results, type_id });
        }
        let body = &module.bodies[func_idx as usize - module.imports.len()];
        let mut body = translate::translate(module, func_idx, body)?;
        live::remove_dead(&mut body);
        live::zero_locals(&mut body);
        let cold;
        let heat = match self.ran {
            Ran::Known(heat) => heat.get(&func_idx).map_or(&[][..], Vec::as_slice),
            Ran::First => {
                cold = heat::first_only(&body);
                &cold
            }
            Ran::Count => {
                let n = heat::count(&mut body, self.module.globals.len() as u32);
                self.module.globals.extend(std::iter::repeat_n(0, n));
                &[]
            }
        };
        let first_part = self.module.funcs.len() + self.parts.len();
        let (body, parts) =
            split::split(body, heat, first_part as u32, matches!(self.ran, Ran::First));
        for part in &parts {
            let part = self.finish(part, type_id)?;
            self.parts.push(part);
        }
        self.finish(&body, type_id)
    }

    /// Slots and instructions.
    fn finish(&mut self, body: &Body, type_id: u32) -> Result<Func> {
        let slots = alloc::allocate(body)?;
        let code = emit::emit(body, &slots, &mut self.consts)?;
        Ok(Func {
            insns: code.insns,
            n_slots: code.n_slots,
            n_params: body.n_params,
            n_results: body.n_results,
            type_id,
        })
    }
}
