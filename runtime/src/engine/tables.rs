//! The operations on tables, which no compiler of Rust emits.

use super::super::image::{bulk, Insn, TABLE_ITEMS_MAX};
use super::super::instance::{Fault, Trap};
use super::super::kernel::Init;
use super::{Engine, FRAME};

impl Engine {
    /// `from..from + len` as a checked range below `end`.
    fn range(from: u32, len: u32, end: usize) -> Result<(usize, usize), Fault> {
        let stop = from as u64 + len as u64;
        if stop > end as u64 {
            return Err(Fault::Trap(Trap::TableOutOfBounds));
        }
        Ok((from as usize, stop as usize))
    }

    /// Runs one instruction `BULK` on tables.
    pub fn table(&mut self, i: &Insn, frame: &mut [u64; FRAME]) -> Result<(), Fault> {
        let window = i.a as usize;
        let (p, q, r) = (frame[window], frame[window + 1], frame[window + 2]);
        let (b, c) = (i.b as usize, i.c as usize);
        match i.x {
            bulk::TABLE_GET => {
                let items = &self.tables[b].items;
                let (at, _) = tri!(Self::range(p as u32, 1, items.len()));
                frame[window] = items[at];
            }
            bulk::TABLE_SET => {
                let items = &mut self.tables[b].items;
                let (at, _) = tri!(Self::range(p as u32, 1, items.len()));
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
                    tri!(self.burn(q as u32 >> 3));
                }
            }
            bulk::TABLE_FILL => {
                let items = &mut self.tables[b].items;
                let (from, stop) = tri!(Self::range(p as u32, r as u32, items.len()));
                let mut at = from;
                while at < stop {
                    items[at] = q;
                    at += 1;
                }
                tri!(self.burn(r as u32 >> 3));
            }
            bulk::TABLE_COPY => {
                let (to, _) = tri!(Self::range(p as u32, r as u32, self.tables[b].items.len()));
                let (from, stop) = tri!(Self::range(q as u32, r as u32, self.tables[c].items.len()));
                if b == c {
                    self.tables[b].items.copy_within(from..stop, to);
                } else {
                    let items = self.tables[c].items[from..stop].to_vec();
                    self.tables[b].items[to..to + items.len()].copy_from_slice(&items);
                }
                tri!(self.burn(r as u32 >> 3));
            }
            bulk::TABLE_INIT => {
                let (to, from, len) = (p as u32, q as u32, r as u32);
                let (segment, table) = (c as u32, b as u32);
                tri!(self.init(&Init { segment, table, to, from, len }));
                tri!(self.burn(r as u32 >> 3));
            }
            _ => (),
        }
        Ok(())
    }
}
