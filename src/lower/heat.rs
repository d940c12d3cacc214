//! Which blocks of which functions ran in samples: counted, written into the module, read from it.
//!
//! The custom section `precast.heat` has for each function that ran: its index, the number of its
//! blocks, both as LEB128, and a bit for each block, the first in the lowest bit. Blocks are those
//! of the lowering; a function with another number of them is lowered as if it were not named.

use std::collections::BTreeMap;
use wasmparser::BinaryReader;

use super::ir::{Body, Inst};
use super::live::blocks;
use crate::base::error::{Class, Error, Result};
use crate::runtime::image::op;

/// The section's name.
pub const SECTION: &str = "precast.heat";

/// By function index, for each block whether it ran.
pub type Heat = BTreeMap<u32, Vec<bool>>;

/// Lets each block set a global to 1, from `first` on; the number of blocks.
pub fn count(body: &mut Body, first: u32) -> usize {
    let blocks = blocks(body);
    let one = body.n_regs;
    body.n_regs += 1;
    let mut insts = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let mut of_block = body.insts[block.from..block.to].iter().cloned().peekable();
        // The label stays in front.
        insts.extend(of_block.next_if(|inst| inst.op == super::ir::LABEL));
        let mut constant = Inst::new(op::CONST);
        (constant.def, constant.imm) = (one, 1);
        let mut set = Inst::new(op::GLOBAL_SET);
        (set.uses[0], set.imm) = (one, (first + n as u32).into());
        insts.extend([constant, set]);
        insts.extend(of_block);
    }
    body.insts = insts;
    blocks.len()
}

/// Only the first block ran.
pub fn first_only(body: &Body) -> Vec<bool> {
    (0..blocks(body).len()).map(|at| at == 0).collect()
}

/// The section's bytes.
pub fn write(heat: &Heat) -> Vec<u8> {
    let mut out = Vec::new();
    for (func, blocks) in heat {
        for mut number in [*func, blocks.len() as u32] {
            while number >= 0x80 {
                out.push(number as u8 | 0x80);
                number >>= 7;
            }
            out.push(number as u8);
        }
        let bits = |blocks: &[bool]| {
            blocks.iter().enumerate().fold(0, |byte, (n, &ran)| byte | (ran as u8) << n)
        };
        out.extend(blocks.chunks(8).map(bits));
    }
    out
}

/// Reads the section's bytes.
pub fn read(bytes: &[u8]) -> Result<Heat> {
    let damaged = || Error::new(Class::Verify, format!("the section {SECTION} is damaged"));
    let mut heat = Heat::new();
    let mut reader = BinaryReader::new(bytes, 0);
    while !reader.eof() {
        let func = reader.read_var_u32().map_err(|_| damaged())?;
        let n = reader.read_var_u32().map_err(|_| damaged())? as usize;
        let bits = reader.read_bytes(n.div_ceil(8)).map_err(|_| damaged())?;
        heat.insert(func, (0..n).map(|at| bits[at / 8] >> (at % 8) & 1 != 0).collect());
    }
    Ok(heat)
}

#[cfg(test)]
mod tests {
    use super::{read, write, Heat};

    #[test]
    fn what_is_written_is_read() {
        let heat = Heat::from([
            (0, vec![true]),
            (127, vec![true; 9]),
            (300, (0..1000).map(|n| n % 3 == 0).collect()),
        ]);
        let bytes = write(&heat);
        assert_eq!(read(&bytes).unwrap(), heat);
        for len in 1..bytes.len() {
            let cut = read(&bytes[..len]);
            assert!(cut.is_err() || cut.unwrap().len() < 3, "{len}");
        }
        assert!(read(&[0xff; 8]).is_err());
    }
}
