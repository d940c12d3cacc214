//! Takes out of a linked module what asks the host again (guest/src/trace.rs), where no macro asks it at all: the
//! module would import the call for nothing.

use crate::base::error::Result;
use crate::pack::module::exports::Exports;
use crate::pack::module::parts::Module;
use crate::pack::module::shrink;
use wasmparser::{BinaryReader, ExternalKind, FunctionBody, ValType};

/// Before the name of the call.
const PREFIX: &str = "precast_again_";

/// No locals, 0, `end`.
const ZERO: &[u8] = &[0x00, 0x41, 0x00, 0x0b];
const LONG_ZERO: &[u8] = &[0x00, 0x42, 0x00, 0x0b];

pub fn drop_unused(module: &mut Module, exports: &Exports) -> Result<()> {
    let reached = shrink::reached(module, exports.of_macros())?;
    let is_called = |name: &str| {
        let at = module.imports.iter().position(|import| import.name == name);
        at.is_some_and(|at| reached.contains(&(at as u32)))
    };
    let mut unused = Vec::new();
    for export in &module.exports {
        let Some(call) = export.name.strip_prefix(PREFIX) else { continue };
        if export.kind == ExternalKind::Func && !is_called(call) {
            unused.push(export.index);
        }
    }
    for function in unused {
        let ty = &module.types[module.functions[function as usize] as usize];
        let zero = if ty.results() == [ValType::I64] { LONG_ZERO } else { ZERO };
        if let Some(at) = function.checked_sub(module.n_imports()) {
            module.bodies[at as usize] = FunctionBody::new(BinaryReader::new(zero, 0));
        }
    }
    Ok(())
}
