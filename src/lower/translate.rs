//! Translates a function body: the operand stack disappears, operands are folded.
//!
//! The stack holds registers and constants. Reading a local pushes its register, so it costs
//! nothing unless the local changes while it is on the stack; a constant becomes an immediate
//! where one fits; a comparison becomes part of the branch that follows it.

use wasmparser::{BlockType, FunctionBody, MemArg, Operator};

use super::ir::{invert, is_compare, Body, Inst, Label, Reg, LABEL, NONE};
use super::module::Module;
use crate::base::error::{Class, Context, Error, Result};
use crate::runtime::image::{bulk, math, op};

#[derive(Clone, Copy, Debug)]
enum Val {
    Reg(Reg),
    Const(u64),
}

#[derive(PartialEq)]
enum Kind {
    Block,
    Loop,
    If,
}

/// A structured control instruction that is open.
struct Control {
    kind: Kind,
    /// Where a branch to it goes, and the registers that take its operands.
    target: Label,
    target_regs: Vec<Reg>,
    /// Where it ends, and the registers of its results.
    end: Label,
    result_regs: Vec<Reg>,
    /// Of an `if`: where the other arm begins, and its parameters.
    otherwise: Label,
    params: Vec<Val>,
    height: usize,
    /// Somebody reaches the end.
    end_reached: bool,
}

struct Translator<'a> {
    module: &'a Module<'a>,
    insts: Vec<Inst>,
    stack: Vec<Val>,
    controls: Vec<Control>,
    n_regs: u32,
    n_locals: u32,
    n_labels: u32,
    n_results: usize,
    loops: u8,
    /// Controls opened since the code became unreachable, or none.
    dead: Option<u32>,
}

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

fn fits(value: i64) -> bool {
    i16::try_from(value).is_ok()
}

/// A comparison of the wasm specification: equal, less, ...; signed where that matters.
#[derive(Clone, Copy, PartialEq)]
enum Cmp {
    Eq,
    Ne,
    LtS,
    LtU,
    GtS,
    GtU,
    LeS,
    LeU,
    GeS,
    GeU,
}

impl Translator<'_> {
    // ---- registers, labels, the stack

    fn reg(&mut self) -> Reg {
        self.n_regs += 1;
        self.n_regs - 1
    }

    fn regs(&mut self, n: usize) -> Vec<Reg> {
        (0..n).map(|_| self.reg()).collect()
    }

    fn label(&mut self) -> Label {
        self.n_labels += 1;
        self.n_labels - 1
    }

    fn push_inst(&mut self, mut inst: Inst) {
        inst.depth = self.loops;
        self.insts.push(inst);
    }

    fn place(&mut self, label: Label) {
        let mut inst = Inst::new(LABEL);
        inst.label = label;
        self.push_inst(inst);
    }

    fn pop(&mut self) -> Val {
        self.stack.pop().expect("the module was validated")
    }

    fn pop_reg(&mut self) -> Reg {
        let val = self.pop();
        self.materialise(val)
    }

    fn pop_n(&mut self, n: usize) -> Vec<Val> {
        self.stack.split_off(self.stack.len() - n)
    }

    fn pop_regs(&mut self, n: usize) -> Vec<Reg> {
        let vals = self.pop_n(n);
        vals.into_iter().map(|val| self.materialise(val)).collect()
    }

    fn push(&mut self, reg: Reg) {
        self.stack.push(Val::Reg(reg));
    }

    fn materialise(&mut self, val: Val) -> Reg {
        match val {
            Val::Reg(reg) => reg,
            Val::Const(value) => {
                let reg = self.reg();
                self.constant(reg, value);
                reg
            }
        }
    }

    fn constant(&mut self, def: Reg, value: u64) {
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
    fn emit(&mut self, op: u8, uses: &[Reg], imm: i64) {
        let mut inst = Inst::new(op);
        inst.def = self.reg();
        inst.uses[..uses.len()].copy_from_slice(uses);
        inst.imm = imm;
        self.push(inst.def);
        self.push_inst(inst);
    }

    fn copy(&mut self, def: Reg, val: Val) {
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
    fn copies(&mut self, defs: &[Reg], vals: &[Val]) {
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

    /// Gives stacked reads of `local` (of any local, if none) their own registers: it is about to change.
    fn save_locals(&mut self, local: Option<Reg>) {
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

    // ---- control

    fn open(&mut self, kind: Kind, n_params: usize, n_results: usize) {
        let params = self.pop_n(n_params);
        self.save_locals(None);
        let end = self.label();
        let result_regs = self.regs(n_results);
        let (target, target_regs) = if kind == Kind::Loop {
            let regs = self.regs(n_params);
            self.copies(&regs, &params);
            (self.label(), regs)
        } else {
            (end, result_regs.clone())
        };
        let height = self.stack.len();
        let inner = if kind == Kind::Loop {
            self.loops = self.loops.saturating_add(1);
            self.place(target);
            target_regs.iter().map(|&reg| Val::Reg(reg)).collect()
        } else {
            params.clone()
        };
        self.stack.extend(inner);
        self.controls.push(Control {
            kind,
            target,
            target_regs,
            end,
            result_regs,
            otherwise: u32::MAX,
            params,
            height,
            end_reached: false,
        });
    }

    fn open_if(&mut self, n_params: usize, n_results: usize) {
        // The condition comes first: copies made for the block must not stand between it and
        // the comparison it may be.
        let cond = self.condition();
        let params = self.pop_n(n_params);
        let params: Vec<Val> = params
            .into_iter()
            .map(|val| match val {
                Val::Reg(reg) if reg < self.n_locals => {
                    let saved = self.reg();
                    self.copy(saved, val);
                    Val::Reg(saved)
                }
                val => val,
            })
            .collect();
        self.save_locals(None);
        let otherwise = self.label();
        self.branch_unless(cond, otherwise);
        let depth_before = self.stack.len();
        self.stack.extend(params.iter().copied());
        self.open(Kind::If, n_params, n_results);
        let control = self.controls.last_mut().expect("just opened");
        control.otherwise = otherwise;
        control.params = params;
        debug_assert_eq!(control.height, depth_before);
    }

    fn become_dead(&mut self) {
        self.dead = Some(0);
    }

    fn fall_to_end(&mut self) {
        let control = self.controls.last_mut().expect("the module was validated");
        control.end_reached = true;
        let regs = control.result_regs.clone();
        let vals = self.pop_n(regs.len());
        self.copies(&regs, &vals);
    }

    fn otherwise(&mut self) {
        if self.dead.is_none() {
            self.fall_to_end();
            let end = self.controls.last().expect("the module was validated").end;
            self.jump(end);
        }
        self.dead = None;
        let control = self.controls.last_mut().expect("the module was validated");
        control.kind = Kind::Block;
        let (label, params, height) = (control.otherwise, control.params.clone(), control.height);
        self.place(label);
        self.stack.truncate(height);
        self.stack.extend(params);
    }

    fn end(&mut self) {
        if self.controls.last().is_some_and(|control| control.kind == Kind::If) {
            // An `if` without `else`: the other arm passes its parameters on.
            self.otherwise();
        }
        if self.controls.len() == 1 {
            if self.dead.is_none() {
                let vals = self.pop_n(self.n_results);
                self.leave(vals);
            }
            let control = self.controls.pop().expect("just seen");
            if control.end_reached {
                self.place(control.end);
                self.leave(control.result_regs.into_iter().map(Val::Reg).collect());
            }
            return;
        }
        if self.dead.is_none() {
            self.fall_to_end();
        }
        let control = self.controls.pop().expect("the module was validated");
        if control.kind == Kind::Loop {
            self.loops -= 1;
        }
        self.stack.truncate(control.height);
        if control.end_reached {
            self.dead = None;
            self.place(control.end);
            self.stack.extend(control.result_regs.into_iter().map(Val::Reg));
        } else {
            self.become_dead();
        }
    }

    fn leave(&mut self, vals: Vec<Val>) {
        let regs: Vec<Reg> = vals.into_iter().map(|val| self.materialise(val)).collect();
        let mut inst = Inst::new(if regs.len() == 1 { op::RET_S } else { op::RET });
        inst.args = regs;
        self.push_inst(inst);
    }

    fn jump(&mut self, label: Label) {
        let mut inst = Inst::new(op::BR);
        inst.label = label;
        self.push_inst(inst);
    }

    /// The registers a branch to `depth` fills, and its label.
    fn target(&mut self, depth: u32) -> (Label, Vec<Reg>) {
        let index = self.controls.len() - 1 - depth as usize;
        let control = &mut self.controls[index];
        if control.kind != Kind::Loop {
            control.end_reached = true;
        }
        (control.target, control.target_regs.clone())
    }

    fn is_return(&self, depth: u32) -> bool {
        depth as usize + 1 == self.controls.len()
    }

    fn br(&mut self, depth: u32) {
        if self.is_return(depth) {
            let vals = self.pop_n(self.n_results);
            self.leave(vals);
        } else {
            let (label, regs) = self.target(depth);
            let vals = self.pop_n(regs.len());
            self.copies(&regs, &vals);
            self.jump(label);
        }
        self.become_dead();
    }

    fn br_if(&mut self, depth: u32) {
        let cond = self.condition();
        let arity = self.controls[self.controls.len() - 1 - depth as usize].target_regs.len();
        if arity == 0 {
            let (label, _) = self.target(depth);
            self.branch_if(cond, label);
            return;
        }
        let skip = self.label();
        self.branch_unless(cond, skip);
        let vals = self.stack[self.stack.len() - arity..].to_vec();
        if self.is_return(depth) {
            self.leave(vals);
        } else {
            let (label, regs) = self.target(depth);
            self.copies(&regs, &vals);
            self.jump(label);
        }
        self.place(skip);
    }

    fn br_table(&mut self, depths: &[u32]) {
        let index = self.pop_reg();
        let mut inst = Inst::new(op::BR_TABLE);
        inst.uses[0] = index;
        let mut stubs: Vec<(u32, Label)> = Vec::new();
        for &depth in depths {
            let arity = self.controls[self.controls.len() - 1 - depth as usize].target_regs.len();
            let label = if arity == 0 {
                self.target(depth).0
            } else if let Some(stub) = stubs.iter().find(|stub| stub.0 == depth) {
                stub.1
            } else {
                stubs.push((depth, self.label()));
                stubs[stubs.len() - 1].1
            };
            inst.labels.push(label);
        }
        self.push_inst(inst);
        for (depth, label) in stubs {
            self.place(label);
            let (target, regs) = self.target(depth);
            let vals = self.stack[self.stack.len() - regs.len()..].to_vec();
            self.copies(&regs, &vals);
            self.jump(target);
        }
        self.become_dead();
    }

    /// Pops a condition, as the branch that is taken if it holds.
    fn condition(&mut self) -> Inst {
        let val = self.pop();
        let mut branch = Inst::new(op::BR_I32_NE_I);
        if let Val::Reg(reg) = val {
            if reg >= self.n_locals && self.insts.last().is_some_and(|last| last.def == reg) {
                let last = &self.insts[self.insts.len() - 1];
                if is_compare(last.op) {
                    branch = self.insts.pop().expect("just seen");
                    branch.def = NONE;
                    branch.op += op::BR_I32_EQ - op::I32_EQ;
                    self.fuse_test(&mut branch);
                    return branch;
                }
                if last.op == op::I32_AND_I {
                    branch = self.insts.pop().expect("just seen");
                    branch.def = NONE;
                    branch.op = op::BR_I32_TEST_I;
                    return branch;
                }
            }
        }
        branch.uses[0] = self.materialise(val);
        branch
    }

    /// `(x & k) == 0` and `!= 0` become one branch.
    fn fuse_test(&mut self, branch: &mut Inst) {
        let zero =
            (branch.op == op::BR_I32_EQ_I || branch.op == op::BR_I32_NE_I) && branch.imm == 0;
        let Some(last) = self.insts.last() else { return };
        if zero
            && last.op == op::I32_AND_I
            && last.def == branch.uses[0]
            && last.def >= self.n_locals
        {
            let and = self.insts.pop().expect("just seen");
            branch.op =
                if branch.op == op::BR_I32_EQ_I { op::BR_I32_NTEST_I } else { op::BR_I32_TEST_I };
            branch.uses = and.uses;
            branch.imm = and.imm;
        }
    }

    fn branch_if(&mut self, mut branch: Inst, label: Label) {
        branch.label = label;
        self.push_inst(branch);
    }

    fn branch_unless(&mut self, mut branch: Inst, label: Label) {
        if !super::ir::invert_branch(&mut branch) {
            // No opposite with these operands: compute it and test for zero.
            branch.op -= op::BR_I32_EQ - op::I32_EQ;
            branch.def = self.reg();
            let def = branch.def;
            self.push_inst(branch);
            branch = Inst::new(op::BR_I32_EQ_I);
            branch.uses[0] = def;
        }
        branch.label = label;
        self.push_inst(branch);
    }

    // ---- operators

    /// `rr` of two registers, or `ri` of a register and an immediate; 0 if there is none.
    fn binary(&mut self, rr: u8, ri: u8, commutes: bool, wide: bool) {
        let (mut l, mut r) = (self.stack[self.stack.len() - 2], self.stack[self.stack.len() - 1]);
        if commutes && matches!(l, Val::Const(_)) {
            (l, r) = (r, l);
        }
        if let (Val::Reg(l), Val::Const(value), true) = (l, r, ri != 0) {
            let value = if wide { value as i64 } else { value as i32 as i64 };
            if fits(value) {
                self.pop_n(2);
                self.emit(ri, &[l], value);
                return;
            }
        }
        self.pop_n(2);
        let l = self.materialise(l);
        let r = self.materialise(r);
        self.emit(rr, &[l, r], 0);
    }

    fn subtract(&mut self, rr: u8, add_i: u8, wide: bool) {
        if let Val::Const(value) = self.stack[self.stack.len() - 1] {
            let value = if wide { value as i64 } else { value as i32 as i64 };
            if fits(value.wrapping_neg()) {
                self.pop();
                let l = self.pop_reg();
                self.emit(add_i, &[l], -value);
                return;
            }
        }
        self.binary(rr, 0, false, wide);
    }

    /// Rotates and shifts take their count modulo the width, so an immediate always fits.
    fn shift(&mut self, rr: u8, ri: u8, bits: u64, reversed: bool) {
        if let Val::Const(value) = self.stack[self.stack.len() - 1] {
            self.pop();
            let l = self.pop_reg();
            let count = value & (bits - 1);
            let count = if reversed { (bits - count) & (bits - 1) } else { count };
            self.emit(ri, &[l], count as i64);
        } else {
            self.binary(rr, 0, false, false);
        }
    }

    fn unary(&mut self, op: u8) {
        let reg = self.pop_reg();
        self.emit(op, &[reg], 0);
    }

    fn compare(&mut self, cmp: Cmp, wide: bool) {
        let (mut l, mut r) = (self.stack[self.stack.len() - 2], self.stack[self.stack.len() - 1]);
        self.pop_n(2);
        let mut cmp = cmp;
        if matches!(l, Val::Const(_)) {
            (l, r) = (r, l);
            cmp = match cmp {
                Cmp::LtS => Cmp::GtS,
                Cmp::LtU => Cmp::GtU,
                Cmp::GtS => Cmp::LtS,
                Cmp::GtU => Cmp::LtU,
                Cmp::LeS => Cmp::GeS,
                Cmp::LeU => Cmp::GeU,
                Cmp::GeS => Cmp::LeS,
                Cmp::GeU => Cmp::LeU,
                cmp => cmp,
            };
        }
        let delta = if wide { op::I64_EQ - op::I32_EQ } else { 0 };
        if let (Val::Reg(reg), Val::Const(value)) = (l, r) {
            let k = if wide { value as i64 } else { value as i32 as i64 };
            let folded = match cmp {
                Cmp::Eq => Some((op::I32_EQ_I, k)),
                Cmp::Ne => Some((op::I32_NE_I, k)),
                Cmp::LtS => Some((op::I32_LT_S_I, k)),
                Cmp::LtU => Some((op::I32_LT_U_I, k)),
                Cmp::GtS => Some((op::I32_GT_S_I, k)),
                Cmp::GtU => Some((op::I32_GT_U_I, k)),
                Cmp::LeS => k.checked_add(1).map(|k| (op::I32_LT_S_I, k)),
                Cmp::GeS => k.checked_sub(1).map(|k| (op::I32_GT_S_I, k)),
                Cmp::LeU if k != -1 => k.checked_add(1).map(|k| (op::I32_LT_U_I, k)),
                Cmp::GeU if k != 0 => k.checked_sub(1).map(|k| (op::I32_GT_U_I, k)),
                _ => None,
            };
            if let Some((op, k)) = folded.filter(|folded| fits(folded.1)) {
                self.emit(op + delta, &[reg], k);
                return;
            }
        }
        let (l, r) = (self.materialise(l), self.materialise(r));
        let (op, l, r) = match cmp {
            Cmp::Eq => (op::I32_EQ, l, r),
            Cmp::Ne => (op::I32_NE, l, r),
            Cmp::LtS => (op::I32_LT_S, l, r),
            Cmp::LtU => (op::I32_LT_U, l, r),
            Cmp::GtS => (op::I32_LT_S, r, l),
            Cmp::GtU => (op::I32_LT_U, r, l),
            Cmp::LeS => (op::I32_LE_S, l, r),
            Cmp::LeU => (op::I32_LE_U, l, r),
            Cmp::GeS => (op::I32_LE_S, r, l),
            Cmp::GeU => (op::I32_LE_U, r, l),
        };
        self.emit(op + delta, &[l, r], 0);
    }

    fn eqz(&mut self, wide: bool) {
        if let (false, Some(&Val::Reg(reg))) = (wide, self.stack.last()) {
            if reg >= self.n_locals
                && self.insts.last().is_some_and(|last| last.def == reg && is_compare(last.op))
            {
                let at = self.insts.len() - 1;
                if invert(&mut self.insts[at]) {
                    return;
                }
            }
        }
        let reg = self.pop_reg();
        self.emit(if wide { op::I64_EQ_I } else { op::I32_EQ_I }, &[reg], 0);
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

    fn math(&mut self, number: u8, n: usize) {
        let regs = self.pop_regs(n);
        self.emit(op::MATH, &[regs[0], regs[n - 1]], 0);
        let at = self.insts.len() - 1;
        self.insts[at].x = number;
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

    /// `pops` operands into a window, `pushes` results out of it.
    fn windowed(&mut self, mut inst: Inst, pops: usize, pushes: usize) {
        inst.args = self.pop_regs(pops);
        inst.results = self.regs(pushes);
        for at in 0..pushes {
            self.push(inst.results[at]);
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

    fn arity(&self, ty: &BlockType) -> (usize, usize) {
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => {
                let ty = &self.module.types[*index as usize];
                (ty.params().len(), ty.results().len())
            }
        }
    }

    fn skip(&mut self, operator: &Operator, nested: u32) {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                self.dead = Some(nested + 1)
            }
            Operator::End if nested > 0 => self.dead = Some(nested - 1),
            Operator::End => self.end(),
            Operator::Else if nested == 0 => self.otherwise(),
            _ => (),
        }
    }

    fn operator(&mut self, operator: &Operator) -> Result<()> {
        if let Some(nested) = self.dead {
            self.skip(operator, nested);
            return Ok(());
        }
        use Operator as O;
        match operator {
            O::Unreachable => {
                self.push_inst(Inst::new(op::UNREACHABLE));
                self.become_dead();
            }
            O::Nop => (),
            O::Block { blockty } => {
                let (params, results) = self.arity(blockty);
                self.open(Kind::Block, params, results);
            }
            O::Loop { blockty } => {
                let (params, results) = self.arity(blockty);
                self.open(Kind::Loop, params, results);
            }
            O::If { blockty } => {
                let (params, results) = self.arity(blockty);
                self.open_if(params, results);
            }
            O::Else => self.otherwise(),
            O::End => self.end(),
            O::Br { relative_depth } => self.br(*relative_depth),
            O::BrIf { relative_depth } => self.br_if(*relative_depth),
            O::BrTable { targets } => {
                let mut depths = Vec::new();
                for depth in targets.targets() {
                    depths.push(depth.context("br_table")?);
                }
                depths.push(targets.default());
                self.br_table(&depths);
            }
            O::Return => self.br(self.controls.len() as u32 - 1),
            O::Call { function_index } => self.call(*function_index),
            O::CallIndirect { type_index, table_index } => {
                self.call_indirect(*type_index, *table_index)?
            }
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
            _ => return self.plain(operator),
        }
        Ok(())
    }

    fn plain(&mut self, operator: &Operator) -> Result<()> {
        use Operator as O;
        match operator {
            O::I32Const { value } => self.stack.push(Val::Const(*value as u32 as u64)),
            O::I64Const { value } => self.stack.push(Val::Const(*value as u64)),
            O::F32Const { value } => self.stack.push(Val::Const(value.bits() as u64)),
            O::F64Const { value } => self.stack.push(Val::Const(value.bits())),
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

            O::I32Eqz => self.eqz(false),
            O::I64Eqz => self.eqz(true),
            O::I32Eq => self.compare(Cmp::Eq, false),
            O::I32Ne => self.compare(Cmp::Ne, false),
            O::I32LtS => self.compare(Cmp::LtS, false),
            O::I32LtU => self.compare(Cmp::LtU, false),
            O::I32GtS => self.compare(Cmp::GtS, false),
            O::I32GtU => self.compare(Cmp::GtU, false),
            O::I32LeS => self.compare(Cmp::LeS, false),
            O::I32LeU => self.compare(Cmp::LeU, false),
            O::I32GeS => self.compare(Cmp::GeS, false),
            O::I32GeU => self.compare(Cmp::GeU, false),
            O::I64Eq => self.compare(Cmp::Eq, true),
            O::I64Ne => self.compare(Cmp::Ne, true),
            O::I64LtS => self.compare(Cmp::LtS, true),
            O::I64LtU => self.compare(Cmp::LtU, true),
            O::I64GtS => self.compare(Cmp::GtS, true),
            O::I64GtU => self.compare(Cmp::GtU, true),
            O::I64LeS => self.compare(Cmp::LeS, true),
            O::I64LeU => self.compare(Cmp::LeU, true),
            O::I64GeS => self.compare(Cmp::GeS, true),
            O::I64GeU => self.compare(Cmp::GeU, true),

            O::I32Clz => self.unary(op::I32_CLZ),
            O::I32Ctz => self.unary(op::I32_CTZ),
            O::I32Popcnt => self.math(math::I32_POPCNT, 1),
            O::I32Add => self.binary(op::I32_ADD, op::I32_ADD_I, true, false),
            O::I32Sub => self.subtract(op::I32_SUB, op::I32_ADD_I, false),
            O::I32Mul => self.binary(op::I32_MUL, op::I32_MUL_I, true, false),
            O::I32DivS => self.binary(op::I32_DIV_S, 0, false, false),
            O::I32DivU => self.binary(op::I32_DIV_U, 0, false, false),
            O::I32RemS => self.binary(op::I32_REM_S, 0, false, false),
            O::I32RemU => self.binary(op::I32_REM_U, 0, false, false),
            O::I32And => self.binary(op::I32_AND, op::I32_AND_I, true, false),
            O::I32Or => self.binary(op::I32_OR, op::I32_OR_I, true, false),
            O::I32Xor => self.binary(op::I32_XOR, op::I32_XOR_I, true, false),
            O::I32Shl => self.shift(op::I32_SHL, op::I32_SHL_I, 32, false),
            O::I32ShrS => self.shift(op::I32_SHR_S, op::I32_SHR_S_I, 32, false),
            O::I32ShrU => self.shift(op::I32_SHR_U, op::I32_SHR_U_I, 32, false),
            O::I32Rotl => self.shift(op::I32_ROTL, op::I32_ROTL_I, 32, false),
            O::I32Rotr => self.shift(op::I32_ROTR, op::I32_ROTL_I, 32, true),
            O::I64Clz => self.unary(op::I64_CLZ),
            O::I64Ctz => self.unary(op::I64_CTZ),
            O::I64Popcnt => self.math(math::I64_POPCNT, 1),
            O::I64Add => self.binary(op::I64_ADD, op::I64_ADD_I, true, true),
            O::I64Sub => self.subtract(op::I64_SUB, op::I64_ADD_I, true),
            O::I64Mul => self.binary(op::I64_MUL, op::I64_MUL_I, true, true),
            O::I64DivS => self.binary(op::I64_DIV_S, 0, false, true),
            O::I64DivU => self.binary(op::I64_DIV_U, 0, false, true),
            O::I64RemS => self.binary(op::I64_REM_S, 0, false, true),
            O::I64RemU => self.binary(op::I64_REM_U, 0, false, true),
            O::I64And => self.binary(op::I64_AND, op::I64_AND_I, true, true),
            O::I64Or => self.binary(op::I64_OR, op::I64_OR_I, true, true),
            O::I64Xor => self.binary(op::I64_XOR, op::I64_XOR_I, true, true),
            O::I64Shl => self.shift(op::I64_SHL, op::I64_SHL_I, 64, false),
            O::I64ShrS => self.shift(op::I64_SHR_S, op::I64_SHR_S_I, 64, false),
            O::I64ShrU => self.shift(op::I64_SHR_U, op::I64_SHR_U_I, 64, false),
            O::I64Rotl => self.shift(op::I64_ROTL, op::I64_ROTL_I, 64, false),
            O::I64Rotr => self.shift(op::I64_ROTR, op::I64_ROTL_I, 64, true),

            O::I32WrapI64 => self.unary(op::I32_WRAP),
            O::I64ExtendI32U => (),
            O::I64ExtendI32S | O::I64Extend32S => self.unary(op::I64_EXTEND32),
            O::I32Extend8S => self.unary(op::I32_EXTEND8),
            O::I32Extend16S => self.unary(op::I32_EXTEND16),
            O::I64Extend8S => self.unary(op::I64_EXTEND8),
            O::I64Extend16S => self.unary(op::I64_EXTEND16),
            O::I32ReinterpretF32
            | O::I64ReinterpretF64
            | O::F32ReinterpretI32
            | O::F64ReinterpretI64 => (),
            _ => match float(operator) {
                Some((number, n)) => self.math(number, n),
                None => return Err(unsupported(&format!("the operator {operator:?}"))),
            },
        }
        Ok(())
    }
}

/// The function of `math`, and its number of operands.
fn float(operator: &Operator) -> Option<(u8, usize)> {
    use Operator as O;
    Some(match operator {
        O::F32Eq => (math::F32_EQ, 2),
        O::F32Ne => (math::F32_NE, 2),
        O::F32Lt => (math::F32_LT, 2),
        O::F32Gt => (math::F32_GT, 2),
        O::F32Le => (math::F32_LE, 2),
        O::F32Ge => (math::F32_GE, 2),
        O::F64Eq => (math::F64_EQ, 2),
        O::F64Ne => (math::F64_NE, 2),
        O::F64Lt => (math::F64_LT, 2),
        O::F64Gt => (math::F64_GT, 2),
        O::F64Le => (math::F64_LE, 2),
        O::F64Ge => (math::F64_GE, 2),
        O::F32Abs => (math::F32_ABS, 1),
        O::F32Neg => (math::F32_NEG, 1),
        O::F32Ceil => (math::F32_CEIL, 1),
        O::F32Floor => (math::F32_FLOOR, 1),
        O::F32Trunc => (math::F32_TRUNC, 1),
        O::F32Nearest => (math::F32_NEAREST, 1),
        O::F32Sqrt => (math::F32_SQRT, 1),
        O::F32Add => (math::F32_ADD, 2),
        O::F32Sub => (math::F32_SUB, 2),
        O::F32Mul => (math::F32_MUL, 2),
        O::F32Div => (math::F32_DIV, 2),
        O::F32Min => (math::F32_MIN, 2),
        O::F32Max => (math::F32_MAX, 2),
        O::F32Copysign => (math::F32_COPYSIGN, 2),
        O::F64Abs => (math::F64_ABS, 1),
        O::F64Neg => (math::F64_NEG, 1),
        O::F64Ceil => (math::F64_CEIL, 1),
        O::F64Floor => (math::F64_FLOOR, 1),
        O::F64Trunc => (math::F64_TRUNC, 1),
        O::F64Nearest => (math::F64_NEAREST, 1),
        O::F64Sqrt => (math::F64_SQRT, 1),
        O::F64Add => (math::F64_ADD, 2),
        O::F64Sub => (math::F64_SUB, 2),
        O::F64Mul => (math::F64_MUL, 2),
        O::F64Div => (math::F64_DIV, 2),
        O::F64Min => (math::F64_MIN, 2),
        O::F64Max => (math::F64_MAX, 2),
        O::F64Copysign => (math::F64_COPYSIGN, 2),
        O::F32DemoteF64 => (math::F32_DEMOTE, 1),
        O::F64PromoteF32 => (math::F64_PROMOTE, 1),
        O::F32ConvertI32S => (math::F32_FROM_I32_S, 1),
        O::F32ConvertI32U => (math::F32_FROM_I32_U, 1),
        O::F32ConvertI64S => (math::F32_FROM_I64_S, 1),
        O::F32ConvertI64U => (math::F32_FROM_I64_U, 1),
        O::F64ConvertI32S => (math::F64_FROM_I32_S, 1),
        O::F64ConvertI32U => (math::F64_FROM_I32_U, 1),
        O::F64ConvertI64S => (math::F64_FROM_I64_S, 1),
        O::F64ConvertI64U => (math::F64_FROM_I64_U, 1),
        O::I32TruncF32S => (math::I32_FROM_F32_S, 1),
        O::I32TruncF32U => (math::I32_FROM_F32_U, 1),
        O::I32TruncF64S => (math::I32_FROM_F64_S, 1),
        O::I32TruncF64U => (math::I32_FROM_F64_U, 1),
        O::I64TruncF32S => (math::I64_FROM_F32_S, 1),
        O::I64TruncF32U => (math::I64_FROM_F32_U, 1),
        O::I64TruncF64S => (math::I64_FROM_F64_S, 1),
        O::I64TruncF64U => (math::I64_FROM_F64_U, 1),
        O::I32TruncSatF32S => (math::I32_SAT_F32_S, 1),
        O::I32TruncSatF32U => (math::I32_SAT_F32_U, 1),
        O::I32TruncSatF64S => (math::I32_SAT_F64_S, 1),
        O::I32TruncSatF64U => (math::I32_SAT_F64_U, 1),
        O::I64TruncSatF32S => (math::I64_SAT_F32_S, 1),
        O::I64TruncSatF32U => (math::I64_SAT_F32_U, 1),
        O::I64TruncSatF64S => (math::I64_SAT_F64_S, 1),
        O::I64TruncSatF64U => (math::I64_SAT_F64_U, 1),
        _ => return None,
    })
}

fn unsupported(what: &str) -> Error {
    Error::new(Class::Package, format!("the module uses what precast does not support: {what}"))
}
