//! Moves what never ran out of a function: each region of cold blocks with one entry becomes a
//! function of its own, which lies behind all others and is decoded when it is first needed.
//!
//! What ran is the profile's word (`heat`). If it is wrong the code is slower, and no less right.

use super::ir::{Body, Inst, Label, Reg, LABEL, NONE, NO_LABEL};
use super::live::{blocks, step, Block, Set};
use crate::runtime::image::op;

/// Regions of fewer operations stay where they are, for each costs a record in the head; so do those
/// of which the call would be more than one part in so many.
const INSTS_MIN: usize = 40;
const SHARE: usize = 2;

/// The body without its cold regions, then those; `first` is the function index of the first.
/// `all`: those too which are not worth it.
pub fn split(mut body: Body, heat: &[bool], first: u32, all: bool) -> (Body, Vec<Body>) {
    let blocks = blocks(&body);
    if heat.len() != blocks.len() || !heat.first().is_some_and(|&hot| hot) {
        return (body, Vec::new());
    }
    let labels = label_all(&mut body, &blocks);
    let flow = Flow::new(&body, &blocks);
    let (mut parts, mut n_regs) = (Vec::new(), body.n_regs);
    // What stands in place of a block: itself, nothing, or the call of its region.
    let mut stubs: Vec<Option<Vec<Inst>>> = vec![None; blocks.len()];
    for entry in 0..blocks.len() {
        let is_entry = !heat[entry] && flow.parent[entry].is_some_and(|parent| heat[parent]);
        let members = if is_entry { flow.dominated(entry) } else { Vec::new() };
        if members.is_empty() || members.iter().any(|&at| heat[at]) {
            continue;
        }
        let region = Region::new(&body, &blocks, &flow, &labels, entry, members);
        if !all && !region.pays() {
            continue;
        }
        let func = first + parts.len() as u32;
        parts.push(region.body());
        for &member in &region.members {
            stubs[member] = Some(Vec::new());
        }
        stubs[entry] = Some(region.call(func, &mut n_regs));
    }
    if parts.is_empty() {
        return (body, parts);
    }
    body.n_regs = n_regs;
    let mut insts = Vec::new();
    for (at, (block, stub)) in blocks.iter().zip(stubs).enumerate() {
        match stub {
            Some(stub) => insts.extend(stub),
            None => insts.extend(labelled(&body, block, labels[at])),
        }
    }
    body.insts = insts;
    (body, parts)
}

/// A label for every block, its own or a new one.
fn label_all(body: &mut Body, blocks: &[Block]) -> Vec<Label> {
    let label = |block: &Block| match &body.insts[block.from] {
        inst if inst.op == LABEL => inst.label,
        _ => {
            body.n_labels += 1;
            body.n_labels - 1
        }
    };
    blocks.iter().map(label).collect()
}

fn place(label: Label) -> Inst {
    let mut inst = Inst::new(LABEL);
    inst.label = label;
    inst
}

fn jump(label: Label) -> Inst {
    let mut inst = Inst::new(op::BR);
    inst.label = label;
    inst
}

/// The operations of a block, its label first.
fn labelled(body: &Body, block: &Block, label: Label) -> Vec<Inst> {
    let insts = body.insts[block.from..block.to].iter().filter(|inst| inst.op != LABEL);
    std::iter::once(place(label)).chain(insts.cloned()).collect()
}

/// What is live at the begin of each block, and which block is the last that every path to it
/// goes through.
struct Flow {
    live_in: Vec<Set>,
    parent: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
}

impl Flow {
    fn new(body: &Body, blocks: &[Block]) -> Flow {
        let live_in = blocks.iter().map(|block| {
            let mut live = block.live_out.clone();
            body.insts[block.from..block.to].iter().rev().for_each(|inst| step(inst, &mut live));
            live
        });
        let parent = dominators(blocks);
        let mut children = vec![Vec::new(); blocks.len()];
        for (at, parent) in parent.iter().enumerate() {
            if let Some(parent) = parent {
                children[*parent].push(at);
            }
        }
        Flow { live_in: live_in.collect(), parent, children }
    }

    /// The block and all that it dominates, in their order.
    fn dominated(&self, entry: usize) -> Vec<usize> {
        let mut members = vec![entry];
        let mut at = 0;
        while at < members.len() {
            members.extend(&self.children[members[at]]);
            at += 1;
        }
        members.sort_unstable();
        members
    }
}

/// The immediate dominator of every block that is reached, but the first.
fn dominators(blocks: &[Block]) -> Vec<Option<usize>> {
    let order = postorder(blocks);
    let mut rank = vec![usize::MAX; blocks.len()];
    for (n, &at) in order.iter().enumerate() {
        rank[at] = n;
    }
    let mut before = vec![Vec::new(); blocks.len()];
    for &at in &order {
        for &next in &blocks[at].next {
            before[next].push(at);
        }
    }
    let mut parent: Vec<Option<usize>> = vec![None; blocks.len()];
    parent[0] = Some(0);
    let mut changed = true;
    while changed {
        changed = false;
        for &at in order.iter().rev().filter(|&&at| at != 0) {
            let mut found: Option<usize> = None;
            for &other in before[at].iter().filter(|&&other| parent[other].is_some()) {
                found = Some(found.map_or(other, |one| common(one, other, &parent, &rank)));
            }
            changed |= parent[at] != found;
            parent[at] = found;
        }
    }
    parent[0] = None;
    parent
}

fn common(mut a: usize, mut b: usize, parent: &[Option<usize>], rank: &[usize]) -> usize {
    while a != b {
        let lower = if rank[a] < rank[b] { &mut a } else { &mut b };
        *lower = parent[*lower].expect("it was found to have one");
    }
    a
}

fn postorder(blocks: &[Block]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut seen = vec![false; blocks.len()];
    let mut path = vec![(0, 0)];
    seen[0] = true;
    while let Some((at, n)) = path.last_mut() {
        match blocks[*at].next.get(*n) {
            Some(&next) => {
                *n += 1;
                if !std::mem::replace(&mut seen[next], true) {
                    path.push((next, 0));
                }
            }
            None => {
                order.push(*at);
                path.pop();
            }
        }
    }
    order
}

/// Blocks that are entered only through the first of them.
struct Region<'a> {
    body: &'a Body,
    blocks: &'a [Block],
    labels: &'a [Label],
    entry: usize,
    members: Vec<usize>,
    /// What the region is given.
    params: Vec<Reg>,
    /// What it may change of what others read.
    outs: Vec<Reg>,
    /// The blocks where it goes on, each with which of `outs` are read there.
    targets: Vec<(usize, Vec<bool>)>,
    returns: bool,
}

impl<'a> Region<'a> {
    fn new(
        body: &'a Body,
        blocks: &'a [Block],
        flow: &Flow,
        labels: &'a [Label],
        entry: usize,
        members: Vec<usize>,
    ) -> Region<'a> {
        let mut params = Vec::new();
        flow.live_in[entry].each(|reg| params.push(reg));
        let mut defs = Set::new(body.n_regs);
        let (mut after, mut returns) = (Vec::new(), false);
        for &member in &members {
            let block = &blocks[member];
            for inst in &body.insts[block.from..block.to] {
                inst.each_def(|reg| defs.insert(reg));
                returns |= inst.op == op::RET || inst.op == op::RET_S;
            }
            after.extend(block.next.iter().filter(|next| members.binary_search(next).is_err()));
        }
        after.sort_unstable();
        after.dedup();
        let mut read = Set::new(body.n_regs);
        for &target in &after {
            read.union(&flow.live_in[target]);
        }
        let mut outs = Vec::new();
        defs.each(|reg| {
            if read.contains(reg) {
                outs.push(reg);
            }
        });
        let wanted = |at: usize| outs.iter().map(|&reg| flow.live_in[at].contains(reg)).collect();
        let targets = after.into_iter().map(|at| (at, wanted(at))).collect();
        Region { body, blocks, labels, entry, members, params, outs, targets, returns }
    }

    /// How many ways lead out.
    fn ways(&self) -> usize {
        self.targets.len() + self.returns as usize
    }

    fn pays(&self) -> bool {
        let insts = |&at: &usize| self.blocks[at].to - self.blocks[at].from;
        let size: usize = self.members.iter().map(insts).sum();
        let cost = self.params.len() + self.outs.len() + self.ways();
        size >= INSTS_MIN && cost * SHARE <= size
    }

    /// The results of its function: which way was taken if there are several, what it changed, and
    /// what the whole function returns.
    fn results(&self, way: Option<Reg>, outs: &[Reg], returned: &[Reg]) -> Vec<Reg> {
        let way = way.filter(|_| self.ways() > 1);
        way.iter().chain(outs).chain(returned).copied().collect()
    }

    fn n_returned(&self) -> usize {
        if self.returns {
            self.body.n_results as usize
        } else {
            0
        }
    }

    /// Its function.
    fn body(&self) -> Body {
        let n_params = self.params.len() as u32;
        let mut part = Part {
            insts: Vec::new(),
            regs: vec![NONE; self.body.n_regs as usize],
            n_regs: 0,
            way: NONE,
        };
        for &param in &self.params {
            part.reg(param);
        }
        part.way = part.fresh();
        // The first target's label is the first that the body does not use.
        let first_exit = self.body.n_labels;
        let mut exits: Vec<Label> = (0..first_exit).collect();
        for (n, (target, _)) in self.targets.iter().enumerate() {
            exits[self.labels[*target] as usize] = first_exit + n as u32;
        }
        let is_first = |&at: &usize| at == self.entry;
        let others = self.members.iter().copied().filter(|at| !is_first(at));
        let order: Vec<usize> = std::iter::once(self.entry).chain(others).collect();
        for (n, &at) in order.iter().enumerate() {
            let block = &self.blocks[at];
            for mut inst in labelled(self.body, block, self.labels[at]) {
                part.rename(&mut inst);
                if inst.op == op::RET || inst.op == op::RET_S {
                    let unused = vec![part.way; self.outs.len()];
                    self.choose(&mut part, self.targets.len());
                    inst.args = self.results(Some(part.way), &unused, &inst.args);
                    inst.op = if inst.args.len() == 1 { op::RET_S } else { op::RET };
                }
                part.insts.push(inst);
            }
            let falls = self.body.insts[block.to - 1].falls_through() && at + 1 < self.blocks.len();
            if falls && order.get(n + 1) != Some(&(at + 1)) {
                part.insts.push(jump(self.labels[at + 1]));
            }
        }
        // Branches out of the region go to its exits.
        for inst in &mut part.insts {
            let labels = inst.labels.iter_mut().chain([&mut inst.label]);
            for label in labels.filter(|label| **label != NO_LABEL) {
                *label = exits[*label as usize];
            }
        }
        for (n, (_, wanted)) in self.targets.iter().enumerate() {
            part.insts.push(place(first_exit + n as u32));
            self.choose(&mut part, n);
            let outs: Vec<Reg> = self
                .outs
                .iter()
                .zip(wanted)
                .map(|(&reg, &wanted)| if wanted { part.reg(reg) } else { part.way })
                .collect();
            let returned = vec![part.way; self.n_returned()];
            let args = self.results(Some(part.way), &outs, &returned);
            let mut inst = Inst::new(if args.len() == 1 { op::RET_S } else { op::RET });
            inst.args = args;
            part.insts.push(inst);
        }
        let n_results = self.outs.len() + self.n_returned() + (self.ways() > 1) as usize;
        Body {
            insts: part.insts,
            n_regs: part.n_regs,
            n_params,
            n_locals: n_params,
            n_results: n_results as u32,
            n_labels: first_exit + self.targets.len() as u32,
        }
    }

    /// Says which way out this is, where there are several.
    fn choose(&self, part: &mut Part, way: usize) {
        if self.ways() > 1 {
            let mut inst = Inst::new(op::CONST);
            (inst.def, inst.imm) = (part.way, way as i64);
            part.insts.push(inst);
        }
    }

    /// The call that stands in its place, and where to go on.
    fn call(&self, func: u32, n_regs: &mut u32) -> Vec<Inst> {
        let mut fresh = || {
            *n_regs += 1;
            *n_regs - 1
        };
        let way = fresh();
        let returned: Vec<Reg> = (0..self.n_returned()).map(|_| fresh()).collect();
        let mut call = Inst::new(op::CALL);
        call.depth = self.body.insts[self.blocks[self.entry].from].depth;
        call.imm = func.into();
        call.args = self.params.clone();
        call.results = self.results(Some(way), &self.outs, &returned);
        let mut insts = vec![place(self.labels[self.entry]), call];
        for (n, (target, _)) in self.targets.iter().enumerate() {
            let label = self.labels[*target];
            if n + 1 == self.ways() {
                insts.push(jump(label));
            } else {
                let mut branch = Inst::new(op::BR_I32_EQ_I);
                branch.uses[0] = way;
                branch.imm = n as i64;
                branch.label = label;
                insts.push(branch);
            }
        }
        if self.returns {
            let mut leave = Inst::new(if returned.len() == 1 { op::RET_S } else { op::RET });
            leave.args = returned;
            insts.push(leave);
        } else if self.targets.is_empty() {
            insts.push(Inst::new(op::UNREACHABLE));
        }
        insts
    }
}

/// A region's function while it is written: its registers are numbered anew.
struct Part {
    insts: Vec<Inst>,
    regs: Vec<Reg>,
    n_regs: u32,
    /// Which way out; also stands for results that nobody reads.
    way: Reg,
}

impl Part {
    fn fresh(&mut self) -> Reg {
        self.n_regs += 1;
        self.n_regs - 1
    }

    fn reg(&mut self, old: Reg) -> Reg {
        if self.regs[old as usize] == NONE {
            self.regs[old as usize] = self.fresh();
        }
        self.regs[old as usize]
    }

    fn rename(&mut self, inst: &mut Inst) {
        if inst.def != NONE {
            inst.def = self.reg(inst.def);
        }
        for reg in inst.uses.iter_mut().filter(|reg| **reg != NONE) {
            *reg = self.reg(*reg);
        }
        for reg in inst.args.iter_mut().chain(&mut inst.results) {
            *reg = self.reg(*reg);
        }
    }
}
