//! Any bytes as an image: both tiers give the same value or fault, in bounded time.
#![no_main]

#[allow(dead_code, unused_imports, clippy::all)]
#[path = "../../tests/tiers/portable.rs"]
mod portable;

use libfuzzer_sys::fuzz_target;
use precast::runtime as native;
use precast::runtime::image::{head, EMBEDDED_WORDS, MAGIC_EMBEDDED, VERSION};

/// Fuel that machine code and loop use alike; small, for the loop is slow.
const FUEL: u64 = 3000;
const CALLS: u32 = 6;

macro_rules! tier {
    ($name:ident, $runtime:ident) => {
        /// What instantiation and calls come to, and the memory after them.
        fn $name(embedded: &'static [u8]) -> (Vec<Result<Vec<u64>, String>>, Vec<u8>) {
            use $runtime::instance::{Fault, Host, Instance, Limits};
            use $runtime::memory::Memory;

            struct Sum;

            impl Host for Sum {
                fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault> {
                    let sum = args.iter().fold(u64::from(call), |a, b| a.wrapping_add(*b));
                    memory.write_u64(args.first().map_or(0, |arg| *arg as u32), sum)?;
                    if sum % 5 == 3 { Err(Fault::Denied(String::new())) } else { Ok(sum) }
                }
            }

            let limits = Limits { memory_bytes_max: 1 << 20, fuel: FUEL, depth_max: 50, ..Limits::default() };
            let mut instance = match Instance::new(embedded, limits) {
                Ok(instance) => instance,
                Err(fault) => return (vec![Err(fault.to_string())], Vec::new()),
            };
            let mut outcomes = Vec::new();
            for func in 0..CALLS {
                for args in [&[][..], &[3], &[70_000, u64::MAX], &[1, 2, 3]] {
                    let result = instance.call(func, args, &mut Sum);
                    if matches!(&result, Err(Fault::Damaged(text)) if text.contains("another type")) {
                        continue;
                    }
                    let result = result.map(|_| instance.results(func).to_vec());
                    outcomes.push(result.map_err(|fault| fault.to_string()));
                }
            }
            let len = instance.memory().bytes() as u32;
            let memory = instance.memory().read(0, len).expect("it is that long").to_vec();
            (outcomes, memory)
        }
    };
}

tier!(tier0, portable);
tier!(tier1, native);

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let embedded = if kind % 8 == 0 { bytes.to_vec() } else { contain(bytes, *kind) };
    // SAFETY: the instances are gone before the bytes are.
    let view: &'static [u8] = unsafe { std::mem::transmute(&embedded[..]) };
    let (zero, one) = (tier0(view), tier1(view));
    // Machine code is larger than the image, and has a limit of its own.
    let is_limit =
        |outcome: &Result<_, String>| matches!(outcome, Err(text) if text.contains("more code"));
    if one.0.iter().any(is_limit) {
        return;
    }
    assert_eq!(zero.0, one.0, "the tiers differ");
    assert!(zero.1 == one.1, "the memories differ");
});

/// A container with right lengths and checksums around a raw image.
fn contain(raw: &[u8], kind: u8) -> Vec<u8> {
    let word = |index: usize| {
        let bytes = raw.get(index * 4..index * 4 + 4).map(|bytes| bytes.try_into().expect("four"));
        u32::from_le_bytes(bytes.unwrap_or_default()) as usize
    };
    let head_end = word(head::HEAD_BYTES).min(raw.len());
    let data_end = (head_end + word(head::DATA_BYTES).min(raw.len())).min(raw.len());
    let cut = data_end + (raw.len() - data_end) / 16 * 8 * usize::from(kind & 1);
    let chunks = [&raw[..head_end], &raw[head_end..data_end], &raw[data_end..cut], &raw[cut..]];
    let checksum = native::kernel::checksum;
    let (mut directory, mut packed) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let mut bytes = chunk.to_vec();
        let method = u32::from(kind & 2 != 0);
        if method == 1 {
            bytes = zstd::bulk::compress(chunk, 1).expect("zstd takes all bytes");
        }
        let record = [chunk.len() as u32, bytes.len() as u32, method, checksum(&bytes)];
        directory.extend(record.iter().flat_map(|word| word.to_le_bytes()));
        packed.extend(bytes);
    }
    let len = EMBEDDED_WORDS * 4 + directory.len() + packed.len();
    let header = [MAGIC_EMBEDDED, VERSION, len as u32, 4, checksum(&directory), 0];
    header.iter().flat_map(|word| word.to_le_bytes()).chain(directory).chain(packed).collect()
}
