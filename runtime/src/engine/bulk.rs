//! The rare operations on memory and tables.

use super::super::image::{bulk, Insn, TABLE_ITEMS_MAX};
use super::super::instance::{Fault, Trap};
use super::{Engine, FRAME, FUEL};

impl Engine {
    /// `from..from + len` as a checked range below `end`.
    fn range(from: u32, len: u32, end: usize) -> Result<(usize, usize), Fault> {
        let stop = from as u64 + len as u64;
        if stop > end as u64 {
            return Err(Fault::Trap(Trap::TableOutOfBounds));
        }
        Ok((from as usize, stop as usize))
    }

    /// Pays for what was done: what traps, or cannot grow, costs nothing.
    fn burn(&mut self, cost: u32) -> Result<(), Fault> {
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
        let (b, c) = (i.b as usize, i.c as usize);
        match i.x {
            bulk::MEMORY_SIZE => frame[window] = self.memory.pages() as u64,
            bulk::MEMORY_GROW => {
                let before = self.memory.pages();
                let grown = self.memory.grow(p as u32, self.memory_max)?;
                frame[window] = if grown { before as u64 } else { 0xffff_ffff };
            }
            bulk::MEMORY_INIT => {
                self.memory_init(b, p as u32, q as u32, r as u32)?;
                self.burn(r as u32 >> 6)?;
            }
            bulk::DATA_DROP => self.dropped[self.n_elems + b] = 1,
            bulk::TABLE_GET => {
                let items = &self.tables[b].items;
                let (at, _) = Self::range(p as u32, 1, items.len())?;
                frame[window] = items[at];
            }
            bulk::TABLE_SET => {
                let items = &mut self.tables[b].items;
                let (at, _) = Self::range(p as u32, 1, items.len())?;
                items[at] = q;
            }
            bulk::TABLE_SIZE => frame[window] = self.tables[b].items.len() as u64,
            bulk::TABLE_GROW => {
                let table = &mut self.tables[b];
                let before = table.items.len() as u64;
                let after = before + (q & 0xffff_ffff);
                if after > table.max as u64 || q as u32 > TABLE_ITEMS_MAX - self.n_items {
                    frame[window] = 0xffff_ffff;
                } else {
                    self.n_items += q as u32;
                    table.items.resize(after as usize, p);
                    frame[window] = before;
                    self.burn(q as u32 >> 3)?;
                }
            }
            bulk::TABLE_FILL => {
                let items = &mut self.tables[b].items;
                let (from, stop) = Self::range(p as u32, r as u32, items.len())?;
                let mut at = from;
                while at < stop {
                    items[at] = q;
                    at += 1;
                }
                self.burn(r as u32 >> 3)?;
            }
            bulk::TABLE_COPY => {
                let (to, _) = Self::range(p as u32, r as u32, self.tables[b].items.len())?;
                let (from, stop) = Self::range(q as u32, r as u32, self.tables[c].items.len())?;
                if b == c {
                    self.tables[b].items.copy_within(from..stop, to);
                } else {
                    let items = self.tables[c].items[from..stop].to_vec();
                    self.tables[b].items[to..to + items.len()].copy_from_slice(&items);
                }
                self.burn(r as u32 >> 3)?;
            }
            bulk::TABLE_INIT => {
                self.table_init(c, b, p as u32, q as u32, r as u32)?;
                self.burn(r as u32 >> 3)?;
            }
            _ => self.dropped[b] = 1,
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
        Self::range(from, len, segment.len as usize)?;
        let items = &mut self.tables[table].items;
        let (to, stop) = Self::range(to, len, items.len())?;
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
