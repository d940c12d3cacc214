//! Liveness: which registers somebody will still read, block by block.

use super::ir::{Body, Inst, Reg, LABEL, NO_LABEL};
use crate::runtime::image::op;

/// A set of registers.
#[derive(Clone, Default)]
pub struct Set(Vec<u64>);

impl Set {
    pub fn new(n: u32) -> Set {
        Set(vec![0; n as usize / 64 + 1])
    }

    pub fn insert(&mut self, reg: Reg) {
        self.0[reg as usize / 64] |= 1 << (reg % 64);
    }

    pub fn remove(&mut self, reg: Reg) {
        self.0[reg as usize / 64] &= !(1 << (reg % 64));
    }

    pub fn contains(&self, reg: Reg) -> bool {
        self.0[reg as usize / 64] >> (reg % 64) & 1 != 0
    }

    pub fn is_unallocated(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest number that is not in the set.
    pub fn first_missing(&self) -> u32 {
        let at = self.0.iter().position(|&word| word != u64::MAX).unwrap_or(self.0.len());
        at as u32 * 64 + self.0.get(at).map_or(0, |word| word.trailing_ones())
    }

    pub fn union(&mut self, other: &Set) -> bool {
        let mut changed = false;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            changed |= *theirs & !*mine != 0;
            *mine |= *theirs;
        }
        changed
    }

    pub fn each(&self, mut f: impl FnMut(Reg)) {
        for (at, &word) in self.0.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                f(at as u32 * 64 + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
    }
}

/// A straight piece of code, and the blocks that may follow it.
pub struct Block {
    pub from: usize,
    pub to: usize,
    pub next: Vec<usize>,
    /// Live after the block's last instruction.
    pub live_out: Set,
}

/// Walks backwards over one instruction.
pub fn step(inst: &Inst, live: &mut Set) {
    inst.each_def(|reg| live.remove(reg));
    inst.each_use(|reg| live.insert(reg));
}

/// Cuts the body into blocks and says what is live after each.
pub fn blocks(body: &Body) -> Vec<Block> {
    let insts = &body.insts;
    let mut blocks: Vec<Block> = Vec::new();
    let mut place = vec![usize::MAX; body.n_labels as usize];
    let mut from = 0;
    for (at, inst) in insts.iter().enumerate() {
        if inst.op == LABEL && at > from {
            blocks.push(Block { from, to: at, next: Vec::new(), live_out: Set::new(body.n_regs) });
            from = at;
        }
        if inst.op == LABEL {
            place[inst.label as usize] = blocks.len();
        }
        if inst.ends_block() || at + 1 == insts.len() {
            blocks.push(Block {
                from,
                to: at + 1,
                next: Vec::new(),
                live_out: Set::new(body.n_regs),
            });
            from = at + 1;
        }
    }
    for at in 0..blocks.len() {
        let last = &insts[blocks[at].to - 1];
        let mut next: Vec<usize> = last.labels.iter().map(|&label| place[label as usize]).collect();
        if last.op != LABEL && last.label != NO_LABEL {
            next.push(place[last.label as usize]);
        }
        if last.falls_through() && at + 1 < blocks.len() {
            next.push(at + 1);
        }
        next.sort_unstable();
        next.dedup();
        blocks[at].next = next;
    }
    solve(body, &mut blocks);
    blocks
}

fn solve(body: &Body, blocks: &mut [Block]) {
    // What each block reads before it writes, and what it writes.
    let mut live_in: Vec<Set> = Vec::new();
    let mut kills: Vec<Set> = Vec::new();
    for block in blocks.iter() {
        let mut live = Set::new(body.n_regs);
        let mut kill = Set::new(body.n_regs);
        for inst in body.insts[block.from..block.to].iter().rev() {
            step(inst, &mut live);
            inst.each_def(|reg| kill.insert(reg));
        }
        live_in.push(live);
        kills.push(kill);
    }
    let mut changed = true;
    while changed {
        changed = false;
        for at in (0..blocks.len()).rev() {
            let mut out = std::mem::replace(&mut blocks[at].live_out, Set::new(0));
            let mut grew = false;
            for &next in &blocks[at].next {
                grew |= out.union(&live_in[next]);
            }
            if grew {
                changed = true;
                let mut through = out.clone();
                for (word, kill) in through.0.iter_mut().zip(&kills[at].0) {
                    *word &= !kill;
                }
                live_in[at].union(&through);
            }
            blocks[at].live_out = out;
        }
    }
}

/// Removes what computes values that nobody reads.
pub fn remove_dead(body: &mut Body) {
    loop {
        let blocks = blocks(body);
        let mut keep = vec![true; body.insts.len()];
        let mut removed = false;
        for block in &blocks {
            let mut live = block.live_out.clone();
            for at in (block.from..block.to).rev() {
                let inst = &body.insts[at];
                let idle = inst.op == op::MOV && inst.def == inst.uses[0];
                if inst.op != LABEL && (idle || inst.is_pure() && !live.contains(inst.def)) {
                    keep[at] = false;
                    removed = true;
                    continue;
                }
                step(inst, &mut live);
            }
        }
        if !removed {
            return;
        }
        let mut at = 0;
        body.insts.retain(|_| {
            at += 1;
            keep[at - 1]
        });
    }
}

/// Sets the locals to zero that may be read before they are written.
pub fn zero_locals(body: &mut Body) {
    let blocks = blocks(body);
    let Some(first) = blocks.first() else { return };
    let mut live = first.live_out.clone();
    for inst in body.insts[first.from..first.to].iter().rev() {
        step(inst, &mut live);
    }
    // A loop may begin the function, so the zeroing must stay before its label.
    let mut zeros = Vec::new();
    for local in body.n_params..body.n_locals {
        if live.contains(local) {
            let mut inst = Inst::new(op::CONST);
            inst.def = local;
            zeros.push(inst);
        }
    }
    body.insts.splice(0..0, zeros);
}
