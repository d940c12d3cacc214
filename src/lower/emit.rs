//! Writes a function's instructions: slots into fields, copies into windows, labels into offsets.

use super::alloc::Slots;
use super::ir::{invert_branch, Body, Inst, Label, LABEL};
use super::parts::Consts;
use crate::base::error::{Class, Error, Result};
use crate::runtime::image::{op, shape, Insn};

/// An instruction whose target may still be a label.
struct Item {
    insn: Insn,
    target: Option<Label>,
    /// A conditional branch whose target is too far for its field: it jumps over a `BR`.
    far: bool,
}

struct Emitter<'a> {
    slots: &'a Slots,
    consts: &'a mut Consts,
    items: Vec<Item>,
    /// Item before which each label is.
    places: Vec<usize>,
    /// Slots in use, with the one that breaks cycles.
    n_slots: u32,
}

pub struct Code {
    pub insns: Vec<Insn>,
    pub n_slots: u32,
}

pub fn emit(body: &Body, slots: &Slots, consts: &mut Consts) -> Result<Code> {
    let mut e = Emitter {
        slots,
        consts,
        items: Vec::new(),
        places: vec![usize::MAX; body.n_labels as usize],
        n_slots: slots.n,
    };
    for (at, inst) in body.insts.iter().enumerate() {
        e.inst(inst, slots.windows[at])?;
    }
    e.pair();
    e.shorten();
    let insns = e.resolve()?;
    Ok(Code { insns, n_slots: e.n_slots.max(1) })
}

fn insn(op: u8, x: u8, a: u16, b: u16, c: u16) -> Insn {
    Insn { op, x, a, b, c }
}

fn wide(op: u8, a: u16, imm: u32) -> Insn {
    insn(op, 0, a, imm as u16, (imm >> 16) as u16)
}

impl Emitter<'_> {
    fn slot(&self, reg: u32) -> u16 {
        self.slots.of[reg as usize]
    }

    fn push(&mut self, insn: Insn) {
        self.items.push(Item { insn, target: None, far: false });
    }

    /// Moves between slots as if all at once.
    fn moves(&mut self, mut moves: Vec<(u16, u16)>) {
        moves.retain(|(to, from)| to != from);
        while !moves.is_empty() {
            let free = moves.iter().position(|&(to, _)| !moves.iter().any(|&(_, from)| from == to));
            match free {
                Some(at) => {
                    let (to, from) = moves.remove(at);
                    self.push(insn(op::MOV, 0, to, from, 0));
                }
                None => {
                    // Only cycles are left: save one source.
                    let spare = self.slots.n as u16;
                    self.n_slots = self.n_slots.max(self.slots.n + 1);
                    let from = moves[0].1;
                    self.push(insn(op::MOV, 0, spare, from, 0));
                    for other in moves.iter_mut().filter(|other| other.1 == from) {
                        other.1 = spare;
                    }
                }
            }
        }
    }

    fn inst(&mut self, inst: &Inst, window: u16) -> Result<()> {
        if inst.op == LABEL {
            self.places[inst.label as usize] = self.items.len();
            return Ok(());
        }
        let slot = |reg: u32| if reg == u32::MAX { 0 } else { self.slots.of[reg as usize] };
        let (d, b, c) = (slot(inst.def), slot(inst.uses[0]), slot(inst.uses[1]));
        let imm = inst.imm;
        let (offset, high) = (imm as u16, (imm >> 16) as u8);
        match inst.shape() {
            shape::DSS => self.push(insn(inst.op, 0, d, b, c)),
            shape::DSI => self.push(insn(inst.op, 0, d, b, imm as i16 as u16)),
            shape::DS if inst.op == op::MOV && d == b => (),
            shape::DS => self.push(insn(inst.op, 0, d, b, 0)),
            shape::DI => self.push(wide(inst.op, d, imm as u32)),
            shape::DK => {
                let k = self.consts.index(imm as u64)?;
                self.push(insn(inst.op, (k >> 16) as u8, d, b, k as u16));
            }
            shape::LOAD => self.push(insn(inst.op, high, d, b, offset)),
            shape::STORE => self.push(insn(inst.op, high, offset, b, c)),
            shape::STORE_I => self.push(insn(inst.op, high, offset, b, (imm >> 32) as i16 as u16)),
            shape::MATH => self.push(insn(inst.op, inst.x, d, b, c)),
            shape::GLOBAL => self.push(wide(inst.op, d, imm as u32)),
            shape::GLOBAL_SET => self.push(wide(inst.op, b, imm as u32)),
            shape::GLOBAL_ADD => self.push(insn(inst.op, inst.x, d, 0, imm as i16 as u16)),
            shape::GLOBAL_TO => self.push(insn(inst.op, inst.x, 0, b, imm as i16 as u16)),
            shape::SELECT => self.push(insn(inst.op, 0, d, b, c)),
            shape::SSS => self.push(insn(inst.op, 0, slot(inst.uses[2]), b, c)),
            shape::BRANCH | shape::BRANCH_I => {
                let c = if inst.shape() == shape::BRANCH { c } else { imm as i16 as u16 };
                self.items.push(Item {
                    insn: insn(inst.op, 0, 0, b, c),
                    target: Some(inst.label),
                    far: false,
                });
            }
            shape::JUMP => self.items.push(Item {
                insn: wide(inst.op, 0, 0),
                target: Some(inst.label),
                far: false,
            }),
            shape::SWITCH => {
                let last = inst.labels.len() - 1;
                if last > 0xff_ffff {
                    return Err(Error::new(Class::Package, "a br_table has too many targets"));
                }
                self.push(insn(inst.op, (last >> 16) as u8, last as u16, b, 0));
                for &label in &inst.labels {
                    self.items.push(Item {
                        insn: wide(op::BR, 0, 0),
                        target: Some(label),
                        far: false,
                    });
                }
            }
            shape::END | shape::END_S => self.leave(inst),
            _ => self.windowed(inst, window),
        }
        Ok(())
    }

    fn leave(&mut self, inst: &Inst) {
        match inst.args[..] {
            [reg] if self.slot(reg) != 0 => {
                let from = self.slot(reg);
                self.push(insn(op::RET_S, 0, 0, from, 0));
            }
            [_] => self.push(insn(op::RET, 0, 0, 0, 0)),
            _ => {
                let moves = inst
                    .args
                    .iter()
                    .enumerate()
                    .map(|(i, &reg)| (i as u16, self.slot(reg)))
                    .collect();
                self.moves(moves);
                self.push(insn(inst.op, 0, 0, 0, 0));
            }
        }
    }

    fn windowed(&mut self, inst: &Inst, window: u16) {
        let mut moves: Vec<(u16, u16)> = inst
            .args
            .iter()
            .enumerate()
            .map(|(i, &reg)| (window + i as u16, self.slot(reg)))
            .collect();
        let mut index = 0;
        if inst.shape() == shape::INDIRECT {
            index = self.slot(inst.uses[0]);
            // An index that the arguments would overwrite moves behind them.
            if index >= window && index < window + moves.len() as u16 {
                let behind = window + moves.len() as u16;
                moves.push((behind, index));
                self.n_slots = self.n_slots.max(behind as u32 + 1);
                index = behind;
            }
        }
        self.moves(moves);
        let imm = inst.imm as u32;
        self.push(match inst.shape() {
            shape::INDIRECT => insn(inst.op, inst.x, window, index, imm as u16),
            shape::BULK => insn(inst.op, inst.x, window, imm as u16, (imm >> 16) as u16),
            _ => wide(inst.op, window, imm),
        });
        let results = inst
            .results
            .iter()
            .enumerate()
            .map(|(i, &reg)| (self.slot(reg), window + i as u16))
            .collect();
        self.moves(results);
    }

    /// Two copies to neighbouring slots become one instruction.
    fn pair(&mut self) {
        let mut starts = vec![false; self.items.len() + 1];
        for &place in self.places.iter().filter(|&&place| place != usize::MAX) {
            starts[place] = true;
        }
        let mut keep = vec![true; self.items.len()];
        let mut at = 0;
        while at + 1 < self.items.len() {
            let (p, q) = (self.items[at].insn, self.items[at + 1].insn);
            let both = p.op == op::MOV && q.op == op::MOV && !starts[at + 1];
            let pair = if !both || q.b == p.a {
                None
            } else if q.a == p.a + 1 {
                Some(insn(op::MOV2, 0, p.a, p.b, q.b))
            } else if p.a == q.a + 1 {
                Some(insn(op::MOV2, 0, q.a, q.b, p.b))
            } else {
                None
            };
            if let Some(pair) = pair {
                self.items[at].insn = pair;
                keep[at + 1] = false;
                at += 1;
            }
            at += 1;
        }
        self.retain(&keep);
    }

    /// Follows jumps to jumps, and drops jumps to the next instruction.
    fn shorten(&mut self) {
        for at in 0..self.items.len() {
            let mut hops = 0;
            while let Some(label) = self.items[at].target {
                let place = self.places[label as usize];
                let Some(next) =
                    self.items.get(place).filter(|next| next.insn.op == op::BR && place != at)
                else {
                    break;
                };
                // A chain may be a cycle; any of its members is as good.
                if hops == 8 || next.target == Some(label) {
                    break;
                }
                self.items[at].target = next.target;
                hops += 1;
            }
        }
        let mut keep = vec![true; self.items.len()];
        let mut entries = 0;
        for (at, (item, kept)) in self.items.iter().zip(&mut keep).enumerate() {
            if entries > 0 {
                // The targets of a BR_TABLE are counted by it.
                entries -= 1;
            } else if item.insn.op == op::BR_TABLE {
                entries = (item.insn.a as usize | (item.insn.x as usize) << 16) + 1;
            } else if item.insn.op == op::BR
                && item.target.is_some_and(|label| self.places[label as usize] == at + 1)
            {
                *kept = false;
            }
        }
        self.retain(&keep);
    }

    fn retain(&mut self, keep: &[bool]) {
        let mut new = Vec::with_capacity(keep.len() + 1);
        let mut n = 0;
        for &kept in keep {
            new.push(n);
            n += kept as usize;
        }
        new.push(n);
        for place in self.places.iter_mut().filter(|place| **place != usize::MAX) {
            *place = new[*place];
        }
        let mut at = 0;
        self.items.retain(|_| {
            at += 1;
            keep[at - 1]
        });
    }

    /// Turns labels into distances; a far conditional branch becomes two instructions.
    fn resolve(&mut self) -> Result<Vec<Insn>> {
        loop {
            let mut starts = Vec::with_capacity(self.items.len() + 1);
            let mut n = 0i64;
            for item in &self.items {
                starts.push(n);
                n += if item.far { 2 } else { 1 };
            }
            starts.push(n);
            let mut grew = false;
            let mut insns = Vec::with_capacity(n as usize);
            for at in 0..self.items.len() {
                let item = &self.items[at];
                let Some(label) = item.target else {
                    insns.push(item.insn);
                    continue;
                };
                let to = starts[self.places[label as usize]];
                if item.far {
                    let mut over = item.insn;
                    over.a = 1;
                    let branch = inverted(over);
                    match branch {
                        Some(branch) => insns.push(branch),
                        None => return Err(Error::new(Class::Package, "a branch is too far")),
                    }
                    insns.push(wide(op::BR, 0, (to - starts[at] - 2) as i32 as u32));
                } else if item.insn.op == op::BR {
                    insns.push(wide(op::BR, 0, (to - starts[at] - 1) as i32 as u32));
                } else {
                    let by = to - starts[at] - 1;
                    let mut insn = item.insn;
                    insn.a = by as i16 as u16;
                    insns.push(insn);
                    if i16::try_from(by).is_err() {
                        self.items[at].far = true;
                        grew = true;
                    }
                }
            }
            if !grew {
                return Ok(insns);
            }
        }
    }
}

/// The conditional branch with the opposite condition.
fn inverted(branch: Insn) -> Option<Insn> {
    let mut inst = Inst::new(branch.op);
    inst.uses = [branch.b as u32, branch.c as u32, 0];
    inst.imm = branch.c as i16 as i64;
    if !invert_branch(&mut inst) {
        return None;
    }
    let c =
        if inst.shape() == shape::BRANCH { inst.uses[1] as u16 } else { inst.imm as i16 as u16 };
    Some(insn(inst.op, 0, branch.a, inst.uses[0] as u16, c))
}
