//! The shim's zstd decoder against the reference encoder, and against damaged frames.

#[allow(dead_code, unused_imports, clippy::all)]
#[path = "tiers/portable.rs"]
mod portable;

use precast::runtime::kernel::inflate;

/// A small deterministic generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }
}

fn samples() -> Vec<Vec<u8>> {
    let mut random = Random(7);
    let mut samples = vec![Vec::new(), vec![0], vec![7; 300_000]];
    samples.push(include_bytes!("../runtime/src/kernel/inflate.rs").to_vec());
    samples.push(include_bytes!("../Cargo.lock").repeat(5));
    for size in [1, 2, 5, 6, 17, 255, 256, 1000, 20_000, 140_000, 400_000] {
        samples.push((0..size).map(|_| random.next() as u8).collect());
        // Few symbols, skewed: Huffman literals.
        let skewed = |r: u64| (r & 0xff).leading_zeros() as u8 ^ (r >> 20 & 1) as u8;
        samples.push((0..size).map(|_| skewed(random.next())).collect());
        // Words of a small vocabulary: long and short matches, near and far.
        let mut text = Vec::new();
        while text.len() < size {
            let word = random.next() % 50;
            text.extend((0..word % 11 + 1).map(|i| (word * 31 + i * i) as u8));
        }
        samples.push(text);
    }
    samples
}

fn frame(data: &[u8], level: i32) -> Vec<u8> {
    zstd::bulk::compress(data, level).expect("memory suffices")
}

/// Decodes with the decoder's text and with its source, which must agree, and touch nothing beside the output.
fn decode(frame: &[u8], len: usize) -> Option<Vec<u8>> {
    const BESIDE: usize = 64;
    let run = |inflate: fn(&[u8], &mut [u8]) -> bool| {
        let mut block = vec![0xaa; len + 2 * BESIDE];
        let ok = inflate(frame, &mut block[BESIDE..][..len]);
        assert!(block[..BESIDE].iter().chain(&block[BESIDE + len..]).all(|byte| *byte == 0xaa));
        ok.then(|| block[BESIDE..][..len].to_vec())
    };
    let decoded = run(inflate);
    assert!(decoded == run(portable::kernel::inflate), "text and source differ");
    decoded
}

#[test]
fn equals_the_reference() {
    for (i, data) in samples().iter().enumerate() {
        for level in [-5, 1, 3, 7, 12, 19, 22] {
            let out = decode(&frame(data, level), data.len());
            let equal = out.as_ref() == Some(data);
            assert!(equal, "sample {i} of {} bytes at level {level}", data.len());
        }
    }
}

#[test]
fn wrong_lengths_are_refused() {
    let data = include_bytes!("../Cargo.toml");
    let frame = frame(data, 19);
    assert!(decode(&frame, data.len() - 1).is_none());
    assert!(decode(&frame, data.len() + 1).is_none());
    for cut in 0..frame.len() {
        assert!(decode(&frame[..cut], data.len()).is_none(), "cut at {cut}");
    }
}

/// Damage may go unnoticed here (a checksum is the caller's business), but never does harm.
#[test]
fn damage_does_no_harm() {
    let mut random = Random(11);
    for data in samples().iter().filter(|data| data.len() < 21_000) {
        let frame = frame(data, 19);
        for _ in 0..400 {
            let mut damaged = frame.clone();
            for _ in 0..random.next() % 4 + 1 {
                let at = random.next() as usize % damaged.len();
                damaged[at] ^= (random.next() % 255 + 1) as u8;
            }
            decode(&damaged, data.len());
        }
    }
}
