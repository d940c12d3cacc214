//! Memory and tables. An address is a register and a constant offset.

use super::stack::{fits, unsupported, Translator, Val};
use crate::base::error::Result;
use crate::lower::ir::{Inst, Reg};
use crate::runtime::image::{bulk, op};
use wasmparser::{MemArg, Operator};

impl Translator<'_> {
    /// Translates a load or a store. False if it is none.
    pub(super) fn accesses(&mut self, operator: &Operator) -> bool {
        use Operator as O;
        match operator {
            O::I32Load { memarg } | O::F32Load { memarg } | O::I64Load32U { memarg } => {
                self.load(op::LOAD32, memarg)
            }
            O::I64Load { memarg } | O::F64Load { memarg } => self.load(op::LOAD64, memarg),
            O::I32Load8U { memarg } | O::I64Load8U { memarg } => self.load(op::LOAD8, memarg),
            O::I32Load16U { memarg } | O::I64Load16U { memarg } => self.load(op::LOAD16, memarg),
            O::I32Load8S { memarg } => self.load(op::LOAD8_S32, memarg),
            O::I32Load16S { memarg } => self.load(op::LOAD16_S32, memarg),
            O::I64Load8S { memarg } => self.load(op::LOAD8_S64, memarg),
            O::I64Load16S { memarg } => self.load(op::LOAD16_S64, memarg),
            O::I64Load32S { memarg } => self.load(op::LOAD32_S64, memarg),
            O::I32Store { memarg } | O::F32Store { memarg } | O::I64Store32 { memarg } => {
                self.store(op::STORE32, memarg)
            }
            O::I64Store { memarg } | O::F64Store { memarg } => self.store(op::STORE64, memarg),
            O::I32Store8 { memarg } | O::I64Store8 { memarg } => self.store(op::STORE8, memarg),
            O::I32Store16 { memarg } | O::I64Store16 { memarg } => self.store(op::STORE16, memarg),
            _ => return false,
        }
        true
    }

    /// Translates what works on a whole memory or table, or on a reference. False if it is none.
    pub(super) fn tables(&mut self, operator: &Operator) -> Result<bool> {
        use Operator as O;
        match operator {
            O::RefNull { .. } => self.stack.push(Val::Const(0)),
            O::RefIsNull => self.eqz(true),
            O::RefFunc { function_index } => {
                self.stack.push(Val::Const(*function_index as u64 + 1))
            }
            O::TableGet { table } => self.bulk(bulk::TABLE_GET, *table, 0, 1, 1)?,
            O::TableSet { table } => self.bulk(bulk::TABLE_SET, *table, 0, 2, 0)?,
            O::TableSize { table } => self.bulk(bulk::TABLE_SIZE, *table, 0, 0, 1)?,
            O::TableGrow { table } => self.bulk(bulk::TABLE_GROW, *table, 0, 2, 1)?,
            O::TableFill { table } => self.bulk(bulk::TABLE_FILL, *table, 0, 3, 0)?,
            O::TableCopy { dst_table, src_table } => {
                self.bulk(bulk::TABLE_COPY, *dst_table, *src_table, 3, 0)?
            }
            O::TableInit { elem_index, table } => {
                self.bulk(bulk::TABLE_INIT, *table, *elem_index, 3, 0)?
            }
            O::ElemDrop { elem_index } => self.bulk(bulk::ELEM_DROP, *elem_index, 0, 0, 0)?,
            O::MemorySize { .. } => self.bulk(bulk::MEMORY_SIZE, 0, 0, 0, 1)?,
            O::MemoryGrow { .. } => self.bulk(bulk::MEMORY_GROW, 0, 0, 1, 1)?,
            O::MemoryInit { data_index, .. } => {
                self.bulk(bulk::MEMORY_INIT, *data_index, 0, 3, 0)?
            }
            O::DataDrop { data_index } => self.bulk(bulk::DATA_DROP, *data_index, 0, 0, 0)?,
            O::MemoryCopy { .. } | O::MemoryFill { .. } => {
                let copies = matches!(operator, O::MemoryCopy { .. });
                let regs = self.pop_regs(3);
                let mut inst = Inst::new(if copies { op::MEMORY_COPY } else { op::MEMORY_FILL });
                // Fields b, c, a.
                inst.uses = [regs[1], regs[2], regs[0]];
                self.push_inst(inst);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Pops an address: its register and the offset that is left for the instruction.
    fn address(&mut self, memarg: &MemArg) -> (Reg, i64) {
        let val = self.pop();
        let mut offset = memarg.offset;
        let reg = match val {
            Val::Const(value) if value + offset <= u32::MAX as u64 => {
                let total = value + offset;
                offset = 0;
                self.materialise(Val::Const(total))
            }
            val => self.materialise(val),
        };
        if offset <= 0xff_ffff {
            return (reg, offset as i64);
        }
        let mut inst = Inst::new(op::ADDRESS);
        inst.def = self.reg();
        inst.uses[0] = reg;
        inst.imm = offset as i64;
        let def = inst.def;
        self.push_inst(inst);
        (def, 0)
    }

    fn load(&mut self, op: u8, memarg: &MemArg) {
        let (reg, offset) = self.address(memarg);
        self.emit(op, &[reg], offset);
    }

    fn store(&mut self, op: u8, memarg: &MemArg) {
        let value = self.pop();
        let (reg, offset) = self.address(memarg);
        let mut inst = Inst::new(op);
        inst.uses[0] = reg;
        inst.imm = offset;
        let folded = match (value, op) {
            (Val::Const(value), op::STORE8) => Some(value as i8 as i64),
            (Val::Const(value), op::STORE16) => Some(value as i16 as i64),
            (Val::Const(value), op::STORE32) => Some(value as i32 as i64),
            (Val::Const(value), _) => Some(value as i64),
            _ => None,
        };
        match folded.filter(|&value| fits(value)) {
            Some(value) => {
                inst.op += op::STORE8_I - op::STORE8;
                // Offset and value share the field: the offset in the low 32 bits.
                inst.imm |= value << 32;
            }
            None => inst.uses[1] = self.materialise(value),
        }
        self.push_inst(inst);
    }

    fn bulk(&mut self, number: u8, b: u32, c: u32, pops: usize, pushes: usize) -> Result<()> {
        let mut inst = Inst::new(op::BULK);
        inst.x = number;
        if b > 0xffff || c > 0xffff {
            return Err(unsupported("more than 65536 segments"));
        }
        inst.imm = b as i64 | (c as i64) << 16;
        self.windowed(inst, pops, pushes);
        Ok(())
    }
}
