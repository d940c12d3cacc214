//! Gives every register a slot of the frame.
//!
//! Copies are merged where source and destination are never needed at the same time. What stays
//! alive across a call gets the lowest slots, so that the call's window, which must lie above, lies
//! low as well. All else prefers the slot where a call or return wants it.

use super::ir::{Body, Reg, NONE};
use super::live::{blocks, step, Set};
use crate::base::error::{Class, Error, Result};
use crate::runtime::image::{op, shape, FRAME_SLOTS_MAX};

pub struct Slots {
    /// Slot of every register.
    pub of: Vec<u16>,
    /// Window of every instruction that has one, by index.
    pub windows: Vec<u16>,
    /// Slots in use; the first one after them is free for `emit` to break cycles with.
    pub n: u32,
}

struct Graph {
    /// Registers that must not share a slot. Only the rows of representatives count; they may name
    /// registers which have another representative by now.
    edges: Vec<Set>,
    parent: Vec<Reg>,
    n: u32,
}

impl Graph {
    fn find(&self, mut reg: Reg) -> Reg {
        while self.parent[reg as usize] != reg {
            reg = self.parent[reg as usize];
        }
        reg
    }

    fn row(&mut self, reg: Reg) -> &mut Set {
        let row = &mut self.edges[reg as usize];
        if row.is_unallocated() {
            *row = Set::new(self.n);
        }
        row
    }

    fn add(&mut self, a: Reg, b: Reg) {
        if a != b {
            self.row(a).insert(b);
            self.row(b).insert(a);
        }
    }

    /// Lets two registers share a slot, unless they cannot.
    fn merge(&mut self, a: Reg, b: Reg, n_params: u32) {
        let (a, b) = (self.find(a), self.find(b));
        if a == b || self.row(a).contains(b) {
            return;
        }
        // A parameter's slot is given: it stays the representative, and two never merge.
        let (keep, drop) = if b < n_params { (b, a) } else { (a, b) };
        if drop < n_params {
            return;
        }
        let dropped = std::mem::take(&mut self.edges[drop as usize]);
        dropped.each(|other| {
            let other = self.find(other);
            self.row(other).insert(keep);
        });
        self.row(keep).union(&dropped);
        self.parent[drop as usize] = keep;
    }
}

/// Allocates slots for a body.
pub fn allocate(body: &Body) -> Result<Slots> {
    let n = body.n_regs;
    let mut graph = Graph { edges: vec![Set::default(); n as usize], parent: (0..n).collect(), n };
    let mut across: Vec<(usize, Vec<Reg>)> = Vec::new();
    for a in 0..body.n_params {
        for b in 0..a {
            graph.add(a, b);
        }
    }
    for block in blocks(body) {
        let mut live = block.live_out;
        for at in (block.from..block.to).rev() {
            let inst = &body.insts[at];
            let source = if inst.op == op::MOV { inst.uses[0] } else { NONE };
            inst.each_def(|def| {
                live.each(|reg| {
                    if reg != source {
                        graph.add(def, reg);
                    }
                });
                inst.each_def(|other| graph.add(def, other));
            });
            if inst.has_window() {
                inst.each_def(|reg| live.remove(reg));
                let mut regs = Vec::new();
                live.each(|reg| regs.push(reg));
                across.push((at, regs));
            }
            step(inst, &mut live);
        }
    }
    coalesce(body, &mut graph);
    color(body, &graph, &across)
}

fn coalesce(body: &Body, graph: &mut Graph) {
    let mut copies: Vec<(u8, Reg, Reg)> = Vec::new();
    for inst in &body.insts {
        if inst.op == op::MOV {
            copies.push((inst.depth, inst.def, inst.uses[0]));
        }
    }
    // Inner loops first; the sort is stable.
    copies.sort_by_key(|copy| std::cmp::Reverse(copy.0));
    for (_, def, source) in copies {
        graph.merge(def, source, body.n_params);
    }
}

struct Colors<'g> {
    graph: &'g Graph,
    of: Vec<Option<u32>>,
    n: u32,
}

impl Colors<'_> {
    /// The slots that `class` cannot have.
    fn taken(&self, class: Reg) -> Set {
        let mut taken = Set::new(self.n + 1);
        self.graph.edges[class as usize].each(|other| {
            if let Some(slot) = self.of[self.graph.find(other) as usize] {
                taken.insert(slot);
            }
        });
        taken
    }

    fn give(&mut self, class: Reg, hints: &[u32]) {
        if self.of[class as usize].is_some() {
            return;
        }
        let taken = self.taken(class);
        let slot = hints.iter().copied().find(|&slot| slot >= self.n || !taken.contains(slot));
        let slot = slot.unwrap_or_else(|| taken.first_missing());
        self.of[class as usize] = Some(slot);
        self.n = self.n.max(slot + 1);
    }
}

fn color(body: &Body, graph: &Graph, across: &[(usize, Vec<Reg>)]) -> Result<Slots> {
    let n = body.n_regs as usize;
    let mut colors = Colors { graph, of: vec![None; n], n: body.n_params.max(body.n_results) };
    for param in 0..body.n_params {
        colors.of[graph.find(param) as usize] = Some(param);
    }
    let mut crossing: Vec<Reg> =
        across.iter().flat_map(|(_, regs)| regs).map(|&reg| graph.find(reg)).collect();
    crossing.sort_unstable();
    crossing.dedup();
    for class in crossing {
        colors.give(class, &[]);
    }
    let mut windows = vec![0; body.insts.len()];
    let mut hints: Vec<Vec<u32>> = vec![Vec::new(); n];
    for (at, regs) in across {
        let slots =
            regs.iter().map(|&reg| colors.of[graph.find(reg) as usize].expect("given above"));
        let window = slots.map(|slot| slot + 1).max().unwrap_or(0);
        windows[*at] = window as u16;
        let inst = &body.insts[*at];
        for regs in [&inst.args, &inst.results] {
            for (i, &reg) in regs.iter().enumerate() {
                hints[graph.find(reg) as usize].push(window + i as u32);
            }
        }
        let size = if inst.shape() == shape::BULK {
            3
        } else {
            inst.args.len().max(inst.results.len()).max(1)
        };
        colors.n = colors.n.max(window + size as u32);
        if colors.n > FRAME_SLOTS_MAX - 8 {
            return Err(too_many());
        }
    }
    for inst in &body.insts {
        if inst.shape() == shape::END || inst.shape() == shape::END_S {
            for (i, &reg) in inst.args.iter().enumerate() {
                hints[graph.find(reg) as usize].push(i as u32);
            }
        }
    }
    for reg in 0..body.n_regs {
        let class = graph.find(reg);
        colors.give(class, &hints[class as usize]);
    }
    if colors.n > FRAME_SLOTS_MAX - 8 {
        return Err(too_many());
    }
    let of = (0..body.n_regs)
        .map(|reg| colors.of[graph.find(reg) as usize].expect("given above") as u16)
        .collect();
    Ok(Slots { of, windows, n: colors.n })
}

fn too_many() -> Error {
    Error::new(Class::Package, "it needs more than 32767 slots")
}
