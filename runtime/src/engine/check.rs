//! The rules of the format (docs/image.md): each is local to one instruction.

use super::super::calls::COUNTS;
use super::super::image::{bulk, math, op, shape, Insn};
use super::Engine;

impl Engine {
    /// Checks what is not a slot. `next` is the index of the following instruction.
    pub fn check_rare(
        &self,
        i: &Insn,
        shape: u8,
        next: usize,
        code: usize,
        end: usize,
        frame: u16,
    ) -> bool {
        let imm = i.b as usize | (i.c as usize) << 16;
        match shape {
            shape::BRANCH | shape::BRANCH_I | shape::JUMP => {
                let by =
                    if shape == shape::JUMP { imm as u32 as i32 as i64 } else { i.a as i16 as i64 };
                let target = next as i64 + by;
                target >= code as i64 && target < end as i64
            }
            shape::SWITCH => {
                let stop = next + (i.a as usize | (i.x as usize) << 16) + 1;
                if stop > end {
                    return false;
                }
                // SAFETY: nothing is decoded meanwhile.
                let insns: &[Insn] = unsafe { self.insns() };
                let mut at = next;
                while at < stop {
                    if insns[at].op != op::BR {
                        return false;
                    }
                    at += 1;
                }
                true
            }
            shape::END | shape::END_S | shape::SELECT | shape::SSS => true,
            shape::DK => (i.c as usize | (i.x as usize) << 16) < self.consts.len(),
            shape::GLOBAL | shape::GLOBAL_SET => imm < self.globals.len(),
            shape::CALL => imm < self.funcs.len(),
            shape::HOST => {
                imm < COUNTS.len()
                    && i.a < frame
                    && i.a as usize + COUNTS[imm].0 as usize <= frame as usize
                    && COUNTS[imm].1 <= 1
            }
            shape::INDIRECT => (i.x as usize) < self.tables.len() && (i.c as u32) < self.n_types,
            shape::PAIR => i.a + 1 < frame,
            shape::GLOBAL_ADD | shape::GLOBAL_TO => (i.x as usize) < self.globals.len(),
            shape::MATH => i.x < math::COUNT,
            shape::BULK => {
                let (b, c) = (i.b as usize, i.c as usize);
                i.a as usize + 3 <= frame as usize
                    && match i.x {
                        bulk::MEMORY_SIZE | bulk::MEMORY_GROW => true,
                        bulk::MEMORY_INIT | bulk::DATA_DROP => b < self.n_datas,
                        bulk::TABLE_COPY => b < self.tables.len() && c < self.tables.len(),
                        bulk::TABLE_INIT => b < self.tables.len() && c < self.n_elems,
                        bulk::ELEM_DROP => b < self.n_elems,
                        x => x < bulk::COUNT && b < self.tables.len(),
                    }
            }
            _ => false,
        }
    }
}
