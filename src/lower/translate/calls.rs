//! Calls: arguments go where the callee's frame begins.

use super::stack::{unsupported, Translator};
use crate::base::error::Result;
use crate::lower::ir::Inst;
use crate::runtime::image::op;
use wasmparser::Operator;

impl Translator<'_> {
    /// Translates a call. False if it is none.
    pub(super) fn calls(&mut self, operator: &Operator) -> Result<bool> {
        use Operator as O;
        match operator {
            O::Call { function_index } => self.call(*function_index),
            O::CallIndirect { type_index, table_index } => {
                self.call_indirect(*type_index, *table_index)?
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn call(&mut self, func_idx: u32) {
        let ty = self.module.func_type(func_idx);
        let (pops, pushes) = (ty.params().len(), ty.results().len());
        let host = self.module.host_call(func_idx);
        let mut inst = Inst::new(if host.is_some() { op::CALL_HOST } else { op::CALL });
        inst.imm = host.unwrap_or(func_idx) as i64;
        self.windowed(inst, pops, pushes);
    }

    fn call_indirect(&mut self, type_index: u32, table_index: u32) -> Result<()> {
        let ty = self.module.types[type_index as usize].clone();
        let index = self.pop_reg();
        let mut inst = Inst::new(op::CALL_INDIRECT);
        inst.uses[0] = index;
        inst.imm = self.module.type_ids[type_index as usize] as i64;
        inst.x = u8::try_from(table_index).map_err(|_| unsupported("more than 256 tables"))?;
        self.windowed(inst, ty.params().len(), ty.results().len());
        Ok(())
    }
}
