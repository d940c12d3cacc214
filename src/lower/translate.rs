//! Translates a function body: the operand stack disappears, operands are folded.
//!
//! The stack holds registers and constants. Reading a local pushes its register, so it costs
//! nothing unless the local changes while it is on the stack; a constant becomes an immediate
//! where one fits; a comparison becomes part of the branch that follows it. The files are wasm's own chapters.

mod calls;
mod control;
mod memory;
mod numeric;
mod stack;
mod variables;

use super::ir::Body;
use super::module::Module;
use crate::base::error::{Context, Result};
use stack::{unsupported, Kind, Translator};
use wasmparser::{FunctionBody, Operator};

/// This translation, as text: part of the keys of what was made by it.
pub const RECIPE: [&str; 7] = [
    include_str!("translate.rs"),
    include_str!("translate/calls.rs"),
    include_str!("translate/control.rs"),
    include_str!("translate/memory.rs"),
    include_str!("translate/numeric.rs"),
    include_str!("translate/stack.rs"),
    include_str!("translate/variables.rs"),
];

/// Translates the body of function `func_idx`.
pub fn translate(module: &Module, func_idx: u32, body: &FunctionBody) -> Result<Body> {
    let ty = module.func_type(func_idx);
    let n_params = ty.params().len() as u32;
    let n_results = ty.results().len();
    let mut n_locals = n_params;
    for local in body.get_locals_reader().context("locals")? {
        n_locals += local.context("locals")?.0;
    }
    let mut t = Translator {
        module,
        insts: Vec::new(),
        stack: Vec::new(),
        controls: Vec::new(),
        n_regs: n_locals,
        n_locals,
        n_labels: 0,
        n_results,
        loops: 0,
        dead: None,
    };
    t.open(Kind::Block, 0, n_results);
    let mut reader = body.get_operators_reader().context("code")?;
    while !reader.eof() {
        let at = reader.original_position();
        let operator = reader.read().context("code")?;
        t.operator(&operator).map_err(|e| e.context(format!("at byte {at}")))?;
    }
    Ok(Body {
        insts: t.insts,
        n_regs: t.n_regs,
        n_params,
        n_locals,
        n_results: n_results as u32,
        n_labels: t.n_labels,
    })
}

impl Translator<'_> {
    fn operator(&mut self, operator: &Operator) -> Result<()> {
        if let Some(nested) = self.dead {
            self.skip(operator, nested);
            return Ok(());
        }
        let is_known = self.variables(operator)
            || self.numeric(operator)
            || self.accesses(operator)
            || self.control(operator)?
            || self.calls(operator)?
            || self.tables(operator)?;
        match is_known {
            true => Ok(()),
            false => Err(unsupported(&format!("the operator {operator:?}"))),
        }
    }
}
