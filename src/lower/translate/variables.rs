//! Locals, globals and what chooses between values. Reading a local costs nothing unless it changes while it is on
//! the stack.

use super::stack::{Translator, Val};
use crate::lower::ir::{Inst, Reg};
use crate::runtime::image::op;
use wasmparser::Operator;

impl Translator<'_> {
    /// Translates what reads or writes a variable, or moves a value. False if it is none.
    pub(super) fn variables(&mut self, operator: &Operator) -> bool {
        use Operator as O;
        match operator {
            O::Drop => {
                self.pop();
            }
            O::Select | O::TypedSelect { .. } => self.select(),
            O::LocalGet { local_index } => self.push(*local_index),
            O::LocalSet { local_index } => {
                let val = self.pop();
                self.set_local(*local_index, val);
            }
            O::LocalTee { local_index } => {
                let val = self.pop();
                self.set_local(*local_index, val);
                self.stack.push(if let Val::Const(_) = val { val } else { Val::Reg(*local_index) });
            }
            O::GlobalGet { global_index } => self.emit(op::GLOBAL_GET, &[], *global_index as i64),
            O::GlobalSet { global_index } => {
                self.set_global(*global_index);
            }
            _ => return false,
        }
        true
    }

    /// Gives stacked reads of `local` (of any local, if none) their own registers: it is about to change.
    pub(super) fn save_locals(&mut self, local: Option<Reg>) {
        for at in 0..self.stack.len() {
            if let Val::Reg(reg) = self.stack[at] {
                if reg < self.n_locals && local.is_none_or(|local| local == reg) {
                    let saved = self.reg();
                    self.copy(saved, Val::Reg(reg));
                    self.stack[at] = Val::Reg(saved);
                }
            }
        }
    }

    fn set_local(&mut self, local: Reg, val: Val) {
        if let Val::Reg(reg) = val {
            if reg >= self.n_locals && self.select_into(local, reg) {
                return;
            }
            let pending =
                self.stack.iter().any(|val| matches!(val, Val::Reg(reg) if *reg == local));
            let last = self.insts.last_mut();
            if let Some(last) =
                last.filter(|last| last.def == reg && reg >= self.n_locals && !pending)
            {
                // The value has no other reader: it can be computed where it is wanted. An
                // operation that reads its own destination (`SELECT`) keeps it.
                if !last.uses.contains(&reg) {
                    last.def = local;
                    return;
                }
            }
        }
        self.save_locals(Some(local));
        self.copy(local, val);
    }

    /// `local = select(...)` right after the selection: the local takes part in it.
    fn select_into(&mut self, local: Reg, reg: Reg) -> bool {
        let n = self.insts.len();
        if n < 2 || self.stack.iter().any(|val| matches!(val, Val::Reg(reg) if *reg == local)) {
            return false;
        }
        let (copy, select) = (&self.insts[n - 2], &self.insts[n - 1]);
        let selects = select.op == op::SELECT || select.op == op::SELECT_NOT;
        if !selects || select.def != reg || copy.def != reg {
            return false;
        }
        let [cond, other, _] = select.uses;
        let (copy_op, keep) = (copy.op, copy.uses[0]);
        if cond == local {
            return false;
        }
        if other == local {
            // The local is what the copy would overwrite: select the other way round.
            let select = &mut self.insts[n - 1];
            select.op = op::SELECT + op::SELECT_NOT - select.op;
            select.def = local;
            if copy_op == op::MOV {
                select.uses = [cond, keep, local];
                self.insts.remove(n - 2);
            } else {
                select.uses = [cond, reg, local];
            }
        } else {
            self.insts[n - 2].def = local;
            let select = &mut self.insts[n - 1];
            select.uses[2] = local;
            select.def = local;
        }
        true
    }

    fn set_global(&mut self, global_idx: u32) {
        let reg = self.pop_reg();
        let n = self.insts.len();
        let global = u8::try_from(global_idx).ok();
        if let (Some(global), Some(last)) = (global, self.insts.last()) {
            if last.op == op::I32_ADD_I && last.def == reg {
                let (base, imm) = (last.uses[0], last.imm);
                let reads = |inst: &Inst| {
                    inst.op == op::GLOBAL_GET && inst.def == base && inst.imm == global_idx as i64
                };
                if n >= 2 && base >= self.n_locals && reads(&self.insts[n - 2]) {
                    // The stack pointer moves down, and a local keeps it.
                    self.insts.truncate(n - 2);
                    let mut inst = Inst::new(op::GLOBAL_ADD);
                    inst.def = reg;
                    (inst.x, inst.imm) = (global, imm);
                    self.push_inst(inst);
                    return;
                }
                if reg >= self.n_locals {
                    self.insts.truncate(n - 1);
                    let mut inst = Inst::new(op::GLOBAL_TO);
                    inst.uses[0] = base;
                    (inst.x, inst.imm) = (global, imm);
                    self.push_inst(inst);
                    return;
                }
            }
        }
        let mut inst = Inst::new(op::GLOBAL_SET);
        inst.uses[0] = reg;
        inst.imm = global_idx as i64;
        self.push_inst(inst);
    }

    fn select(&mut self) {
        let mut cond = self.pop();
        let no = self.pop();
        let yes = self.pop();
        let mut not = false;
        if let Val::Reg(reg) = cond {
            if let Some(last) =
                self.insts.last().filter(|last| last.def == reg && reg >= self.n_locals)
            {
                if last.op == op::I32_EQ_I && last.imm == 0 {
                    cond = Val::Reg(last.uses[0]);
                    self.insts.pop();
                    not = true;
                }
            }
        }
        let cond = self.materialise(cond);
        // The kept operand is copied, which is free if nobody else wants it.
        let is_temp = |val: &Val| matches!(val, Val::Reg(reg) if *reg >= self.n_locals);
        let (keep, other, not) = if !is_temp(&yes)
            && !matches!(no, Val::Reg(reg) if reg < self.n_locals)
            && is_temp(&no)
        {
            (no, yes, !not)
        } else {
            (yes, no, not)
        };
        let other = self.materialise(other);
        let def = self.reg();
        self.copy(def, keep);
        let mut inst = Inst::new(if not { op::SELECT_NOT } else { op::SELECT });
        inst.def = def;
        inst.uses = [cond, other, def];
        self.push_inst(inst);
        self.push(def);
    }
}
