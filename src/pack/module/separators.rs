//! Paths of source files in a module have the separators of the machine that compiled it. Windows' become `/`,
//! so that a module has the same bytes wherever it is packed.

use std::borrow::Cow;
use wasmparser::{Parser, Payload};

/// What ends the paths that the compiler writes.
const END: &[u8] = b".rs";

/// The module with `/` in the paths in its data. What cannot be read stays, and is told of by who parses it.
pub fn with_slashes(wasm: &[u8]) -> Cow<'_, [u8]> {
    let mut changed = Cow::Borrowed(wasm);
    for payload in Parser::new(0).parse_all(wasm) {
        if let Ok(Payload::DataSection(section)) = payload {
            let range = section.range();
            // The bytes are in memory, so their number is a `usize`.
            for at in separators(wasm, range.start as usize..range.end as usize) {
                changed.to_mut()[at] = b'/';
            }
        }
    }
    changed
}

/// Where the backslashes of `/first\second\file.rs` are.
fn separators(bytes: &[u8], range: std::ops::Range<usize>) -> Vec<usize> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+~".contains(&byte);
    let (mut found, mut at) = (Vec::new(), range.start);
    while at < range.end {
        if bytes[at] != b'/' {
            at += 1;
            continue;
        }
        let start = at + 1;
        let is_path = |byte: &u8| is_name(*byte) || *byte == b'\\';
        let n = bytes[start..range.end].iter().take_while(|byte| is_path(byte)).count();
        let text = &bytes[start..start + n];
        // What follows in the data may begin with letters.
        let ends = text.windows(END.len()).rposition(|part| part == END);
        if let Some(end) = ends.filter(|_| !text.starts_with(b"\\")) {
            found.extend((start..start + end).filter(|at| bytes[*at] == b'\\'));
        }
        at = start + n;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::with_slashes;

    #[test]
    fn paths_alone_change() {
        let data = r"/a-1.0.0\src\lib.rsthe next\one/b\c.txt\d/e\f.rs/\\g.rs C:\h.rs";
        let wat = format!("(module (memory 1) (data (i32.const 0) {data:?}))");
        let wasm = wat::parse_str(wat).unwrap();
        let changed = String::from_utf8_lossy(&with_slashes(&wasm)).into_owned();
        let expected = r"/a-1.0.0/src/lib.rsthe next\one/b\c.txt\d/e/f.rs/\\g.rs C:\h.rs";
        assert!(changed.contains(expected), "{changed}");
        let plain = wat::parse_str("(module)").unwrap();
        assert_eq!(&*with_slashes(&plain), plain);
    }
}
