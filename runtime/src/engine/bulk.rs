//! The rare operations on memory and tables.

use super::super::image::{bulk, Insn};
use super::super::instance::{Fault, Trap};
use super::{Engine, FRAME, FUEL};

impl Engine {
    /// `from..from + len` as a checked range below `end`.
    pub fn range(from: u32, len: u32, end: usize) -> Result<(usize, usize), Fault> {
        let stop = from as u64 + len as u64;
        if stop > end as u64 {
            return Err(Fault::Trap(Trap::TableOutOfBounds));
        }
        Ok((from as usize, stop as usize))
    }

    /// Pays for what was done: what traps, or cannot grow, costs nothing.
    pub fn burn(&mut self, cost: u32) -> Result<(), Fault> {
        if self.fuel < cost as u64 {
            return Err(Fault::Limit(FUEL));
        }
        self.fuel -= cost as u64;
        Ok(())
    }

    /// Runs one instruction `BULK`: operands from its window on, the result into its first slot.
    pub fn bulk(&mut self, i: &Insn, frame: &mut [u64; FRAME]) -> Result<(), Fault> {
        let window = i.a as usize;
        let (p, q, r) = (frame[window], frame[window + 1], frame[window + 2]);
        let b = i.b as usize;
        match i.x {
            bulk::MEMORY_SIZE => frame[window] = self.memory.pages() as u64,
            bulk::MEMORY_GROW => {
                let before = self.memory.pages();
                let grown = tri!(self.memory.grow(p as u32, self.memory_max));
                frame[window] = if grown { before as u64 } else { 0xffff_ffff };
            }
            bulk::MEMORY_INIT => {
                tri!(self.memory_init(b, p as u32, q as u32, r as u32));
                tri!(self.burn(r as u32 >> 6));
            }
            bulk::DATA_DROP => self.dropped[self.n_elems + b] = 1,
            bulk::ELEM_DROP => self.dropped[b] = 1,
            _ => tri!(self.table(i, frame)),
        }
        Ok(())
    }

    pub fn memory_init(&mut self, data: usize, to: u32, from: u32, len: u32) -> Result<(), Fault> {
        let segment = self.segment(self.n_elems + data);
        if from as u64 + len as u64 > segment.len as u64 {
            return Err(Fault::Trap(Trap::MemoryOutOfBounds));
        }
        let first = segment.from as usize + from as usize;
        self.memory.write(to, &Self::bytes(&self.data)[first..first + len as usize])
    }

    pub fn table_init(
        &mut self,
        elem: usize,
        table: usize,
        to: u32,
        from: u32,
        len: u32,
    ) -> Result<(), Fault> {
        let segment = self.segment(elem);
        tri!(Self::range(from, len, segment.len as usize));
        let items = &mut self.tables[table].items;
        let (to, stop) = tri!(Self::range(to, len, items.len()));
        let mut from = segment.from as usize + from as usize;
        let mut at = to;
        while at < stop {
            items[at] = self.items[from] as u64;
            from += 1;
            at += 1;
        }
        Ok(())
    }
}
