//! The operand stack, which holds registers and constants, and the instructions that move them.

use crate::base::error::{Class, Error};
use crate::lower::ir::{Inst, Label, Reg, LABEL};
use crate::lower::module::Module;
use crate::runtime::image::op;

#[derive(Clone, Copy, Debug)]
pub enum Val {
    Reg(Reg),
    Const(u64),
}

#[derive(PartialEq)]
pub enum Kind {
    Block,
    Loop,
    If,
}

/// A structured control instruction that is open.
pub struct Control {
    pub kind: Kind,
    /// Where a branch to it goes, and the registers that take its operands.
    pub target: Label,
    pub target_regs: Vec<Reg>,
    /// Where it ends, and the registers of its results.
    pub end: Label,
    pub result_regs: Vec<Reg>,
    /// Of an `if`: where the other arm begins, and its parameters.
    pub otherwise: Label,
    pub params: Vec<Val>,
    pub height: usize,
    /// Somebody reaches the end.
    pub end_reached: bool,
}

pub struct Translator<'a> {
    pub module: &'a Module<'a>,
    pub insts: Vec<Inst>,
    pub stack: Vec<Val>,
    pub controls: Vec<Control>,
    pub n_regs: u32,
    pub n_locals: u32,
    pub n_labels: u32,
    pub n_results: usize,
    pub loops: u8,
    /// Controls opened since the code became unreachable, or none.
    pub dead: Option<u32>,
}

impl Translator<'_> {
    pub(super) fn reg(&mut self) -> Reg {
        self.n_regs += 1;
        self.n_regs - 1
    }

    pub(super) fn regs(&mut self, n: usize) -> Vec<Reg> {
        (0..n).map(|_| self.reg()).collect()
    }

    pub(super) fn label(&mut self) -> Label {
        self.n_labels += 1;
        self.n_labels - 1
    }

    pub(super) fn push_inst(&mut self, mut inst: Inst) {
        inst.depth = self.loops;
        self.insts.push(inst);
    }

    pub(super) fn place(&mut self, label: Label) {
        let mut inst = Inst::new(LABEL);
        inst.label = label;
        self.push_inst(inst);
    }

    pub(super) fn pop(&mut self) -> Val {
        self.stack.pop().expect("the module was validated")
    }

    pub(super) fn pop_reg(&mut self) -> Reg {
        let val = self.pop();
        self.materialise(val)
    }

    pub(super) fn pop_n(&mut self, n: usize) -> Vec<Val> {
        self.stack.split_off(self.stack.len() - n)
    }

    pub(super) fn pop_regs(&mut self, n: usize) -> Vec<Reg> {
        let vals = self.pop_n(n);
        vals.into_iter().map(|val| self.materialise(val)).collect()
    }

    pub(super) fn push(&mut self, reg: Reg) {
        self.stack.push(Val::Reg(reg));
    }

    pub(super) fn materialise(&mut self, val: Val) -> Reg {
        match val {
            Val::Reg(reg) => reg,
            Val::Const(value) => {
                let reg = self.reg();
                self.constant(reg, value);
                reg
            }
        }
    }

    pub(super) fn constant(&mut self, def: Reg, value: u64) {
        let op = if value <= u32::MAX as u64 {
            op::CONST
        } else if value as i64 >= i32::MIN as i64 && (value as i64) < 0 {
            op::CONST_S
        } else {
            op::CONST_K
        };
        let mut inst = Inst::new(op);
        inst.def = def;
        inst.imm = value as i64;
        self.push_inst(inst);
    }

    /// Emits `def = op(uses, imm)` and pushes it.
    pub(super) fn emit(&mut self, op: u8, uses: &[Reg], imm: i64) {
        let mut inst = Inst::new(op);
        inst.def = self.reg();
        inst.uses[..uses.len()].copy_from_slice(uses);
        inst.imm = imm;
        self.push(inst.def);
        self.push_inst(inst);
    }

    pub(super) fn copy(&mut self, def: Reg, val: Val) {
        match val {
            Val::Const(value) => self.constant(def, value),
            Val::Reg(reg) if reg == def => (),
            Val::Reg(reg) => {
                let mut inst = Inst::new(op::MOV);
                inst.def = def;
                inst.uses[0] = reg;
                self.push_inst(inst);
            }
        }
    }

    /// Copies to several registers as if at once.
    pub(super) fn copies(&mut self, defs: &[Reg], vals: &[Val]) {
        let clash = |val: &Val| matches!(val, Val::Reg(reg) if defs.contains(reg));
        let vals: Vec<Val> = if defs.len() > 1 && vals.iter().any(clash) {
            let fresh = self.regs(vals.len());
            for (&reg, &val) in fresh.iter().zip(vals) {
                self.copy(reg, val);
            }
            fresh.into_iter().map(Val::Reg).collect()
        } else {
            vals.to_vec()
        };
        for (&def, &val) in defs.iter().zip(&vals) {
            self.copy(def, val);
        }
    }

    /// `pops` operands into a window, `pushes` results out of it.
    pub(super) fn windowed(&mut self, mut inst: Inst, pops: usize, pushes: usize) {
        inst.args = self.pop_regs(pops);
        inst.results = self.regs(pushes);
        for at in 0..pushes {
            self.push(inst.results[at]);
        }
        self.push_inst(inst);
    }
}

pub fn fits(value: i64) -> bool {
    i16::try_from(value).is_ok()
}

pub fn unsupported(what: &str) -> Error {
    Error::new(Class::Package, format!("the module uses what precast does not support: {what}"))
}
