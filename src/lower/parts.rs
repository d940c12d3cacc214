//! The parts of lowered functions, and what functions share.

use crate::base::error::{Class, Error, Result};
use crate::runtime::image::Insn;
use std::collections::HashMap;

/// The pool of 64-bit constants.
#[derive(Default)]
pub struct Consts {
    pub values: Vec<u64>,
    by_value: HashMap<u64, u32>,
}

impl Consts {
    pub fn index(&mut self, value: u64) -> Result<u32> {
        if let Some(&index) = self.by_value.get(&value) {
            return Ok(index);
        }
        let index = self.values.len() as u32;
        if index > 0xff_ffff {
            return Err(Error::new(Class::Package, "the module has too many constants"));
        }
        self.values.push(value);
        self.by_value.insert(value, index);
        Ok(index)
    }
}

/// A function of the image.
pub struct Func {
    pub insns: Vec<Insn>,
    pub n_slots: u32,
    pub n_params: u32,
    pub n_results: u32,
    pub type_id: u32,
}
