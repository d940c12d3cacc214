//! Blocks and branches: structured control becomes labels and jumps. A comparison becomes part of the
//! branch that follows it.

use super::stack::{Control, Kind, Translator, Val};
use crate::base::error::{Context, Result};
use crate::lower::ir::{invert_branch, is_compare, Inst, Label, Reg, NONE};
use crate::runtime::image::op;
use wasmparser::{BlockType, Operator};

impl Translator<'_> {
    /// Translates a block, its end or a branch. False if it is none.
    pub(super) fn control(&mut self, operator: &Operator) -> Result<bool> {
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
            _ => return Ok(false),
        }
        Ok(true)
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

    pub(super) fn skip(&mut self, operator: &Operator, nested: u32) {
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

    pub(super) fn open(&mut self, kind: Kind, n_params: usize, n_results: usize) {
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

    pub(super) fn otherwise(&mut self) {
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

    pub(super) fn end(&mut self) {
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
    pub(super) fn target(&mut self, depth: u32) -> (Label, Vec<Reg>) {
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
        if !invert_branch(&mut branch) {
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
}
