//! Lays out the raw image: head, data, code.

use super::module::Module;
use super::parts::Func;
use crate::runtime::image::{head, MAGIC, VERSION};

#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    fn word(&mut self, word: u32) {
        self.0.extend(word.to_le_bytes());
    }

    fn words(&mut self, words: &[u32]) {
        for &word in words {
            self.word(word);
        }
    }

    fn pair(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }
}

/// The raw image of a lowered module.
pub fn image(module: &Module, funcs: &[Func], consts: &[u64]) -> Vec<u8> {
    let n_insns: usize = funcs.iter().map(|func| func.insns.len()).sum();
    let data_bytes: usize = module.datas.iter().map(|data| data.1.len()).sum();
    let mut header = [0; head::WORDS];
    header[head::MAGIC] = MAGIC;
    header[head::VERSION] = VERSION;
    header[head::DATA_BYTES] = data_bytes as u32;
    header[head::CODE_INSNS] = n_insns as u32;
    header[head::FUNCS] = funcs.len() as u32;
    header[head::TYPES] = module.n_type_ids;
    header[head::CONSTS] = consts.len() as u32;
    header[head::GLOBALS] = module.globals.len() as u32;
    header[head::TABLES] = module.tables.len() as u32;
    header[head::ELEMS] = module.elems.len() as u32;
    header[head::ITEMS] = module.elems.iter().map(|elem| elem.1.len() as u32).sum();
    header[head::DATAS] = module.datas.len() as u32;
    header[head::EXPORTS] = module.exports.len() as u32;
    header[head::MEMORY_MIN] = module.memory.0;
    header[head::MEMORY_MAX] = module.memory.1;
    header[head::START] = module.start.map_or(0, |func| func + 1);

    let mut out = Words::default();
    out.words(&header);
    for &value in consts.iter().chain(&module.globals) {
        out.pair(value);
    }
    let mut code = 0;
    for func in funcs {
        out.words(&[
            code,
            func.insns.len() as u32,
            func.n_slots | func.type_id << 16,
            func.n_params | func.n_results << 16,
        ]);
        code += func.insns.len() as u32;
    }
    for table in &module.tables {
        out.words(&[table.0, table.1]);
    }
    let mut from = 0;
    for (segment, items) in &module.elems {
        let (active, to) = segment.active.map_or((0, 0), |(table, to)| (table + 1, to));
        out.words(&[active, to, from, items.len() as u32]);
        from += items.len() as u32;
    }
    from = 0;
    for (segment, bytes) in &module.datas {
        let (active, to) = segment.active.map_or((0, 0), |(_, to)| (1, to));
        out.words(&[active, to, from, bytes.len() as u32]);
        from += bytes.len() as u32;
    }
    for (_, items) in &module.elems {
        out.words(items);
    }
    for (name, func) in &module.exports {
        out.words(&[*func, name.len() as u32]);
        out.0.extend(name.as_bytes());
        out.0.resize(out.0.len().next_multiple_of(4), 0);
    }
    let head_bytes = out.0.len() as u32;
    out.0[head::HEAD_BYTES * 4..][..4].copy_from_slice(&head_bytes.to_le_bytes());

    for (_, bytes) in &module.datas {
        out.0.extend(*bytes);
    }
    for func in funcs {
        for insn in &func.insns {
            out.0.extend([insn.op, insn.x]);
            for field in [insn.a, insn.b, insn.c] {
                out.0.extend(field.to_le_bytes());
            }
        }
    }
    out.0
}
