//! `runtime/src/inflate/x86_64.rs`: what a compiler makes of `portable.rs` beside it, as text.
//!
//! The text has no symbol, no relocation and calls nothing outside: labels become numbers, as inline
//! assembly wants them, constants follow the code, and whatever else would be needed is refused.

use crate::run::{capture, command, read, root, scratch, write, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const SOURCE: &str = "runtime/src/inflate/portable.rs";
const TEXT: &str = "runtime/src/inflate/x86_64.rs";
const TARGET: &str = "x86_64-unknown-linux-gnu";

const FLAGS: &[&str] = &[
    "--edition=2021",
    "--crate-type=lib",
    "--crate-name=decoder",
    "--emit=asm",
    "--cap-lints=allow",
    "-Copt-level=s",
    "-Cno-vectorize-loops",
    "-Cno-vectorize-slp",
    "-Ccodegen-units=1",
    "-Cpanic=abort",
    "-Cdebug-assertions=off",
    "-Coverflow-checks=off",
    "-Cforce-unwind-tables=no",
    "-Cllvm-args=--x86-asm-syntax=intel",
];

/// Writes the text, or only compares if `check`; then a compiler of another version proves nothing,
/// which is said.
pub fn machine(check: bool) -> Result {
    let version = rustc_version()?;
    let file = root().join(TEXT);
    let present = std::fs::read_to_string(&file).unwrap_or_default();
    if check && !present.contains(&format!("by {version} ")) {
        eprintln!("{TEXT} was made by another compiler than {version}: not compared");
        return Ok(());
    }
    let text = translate(&assembly()?)?;
    let text = render(&text, &version);
    match text == present {
        // Left as it is, or cargo would build everything that has it again.
        true => Ok(()),
        false if check => {
            Err(format!("{TEXT} is not what {SOURCE} compiles to; run `cargo xtask machine`"))
        }
        false => write(&file, &text),
    }
}

fn rustc_version() -> Result<String> {
    let output = capture(command("rustc").arg("--version"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split(" (").next().unwrap_or_default().trim().to_owned())
}

/// What the compiler writes for the decoder, called as the runtime calls it.
fn assembly() -> Result<String> {
    let folder = scratch("machine");
    let crate_root = folder.join("decoder.rs");
    let code = format!(
        "#![no_std]\n#![no_builtins]\n#[path = {:?}]\nmod portable;\n#[no_mangle]\n\
         pub unsafe extern \"sysv64\" fn decode(decoder: usize, frame: usize, end: usize, out: usize, \
         out_end: usize, literals: usize) -> u32 {{\n    \
         portable::decode(decoder, frame, end, out, out_end, literals) as u32\n}}\n",
        root().join(SOURCE)
    );
    write(&crate_root, &code)?;
    let out = folder.join("decoder.s");
    let mut rustc = command("rustc");
    rustc.arg("--target").arg(TARGET).args(FLAGS);
    rustc.arg(format!("--remap-path-prefix={}=", root().display()));
    capture(rustc.arg(&crate_root).arg("-o").arg(&out))?;
    read(&out)
}

/// A line of what is kept: a label, an instruction, or a constant.
enum Line {
    Label(String),
    Code(String),
}

/// Instructions and constants of the compiler's output, entry first, with numbers for labels.
fn translate(assembly: &str) -> Result<Vec<String>> {
    let parts = split(assembly)?;
    let mut order: Vec<&Part> = parts.iter().filter(|part| part.is_code).collect();
    order.sort_by_key(|part| !part.names("decode"));
    // Constants that code refers to.
    for part in parts.iter().filter(|part| !part.is_code) {
        if order.iter().any(|user| part.is_named_in(user)) {
            order.push(part);
        }
    }
    let lines: Vec<&Line> = order.iter().flat_map(|part| &part.lines).collect();
    let mut numbers = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        if let Line::Label(name) = line {
            numbers.insert(name.clone(), (label(numbers.len()), at));
        }
    }
    let mut text = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        text.push(match line {
            Line::Label(name) => format!("{}:", numbers[name].0),
            Line::Code(code) => refer(code, at, &numbers)?,
        });
    }
    Ok(text)
}

/// The `n`th label. Those of the digits 0 and 1 alone are read as binary numbers.
fn label(n: usize) -> usize {
    (100..).filter(|n| n.to_string().bytes().any(|digit| digit > b'1')).nth(n).expect("endless")
}

/// What stands between two changes of the section.
struct Part {
    is_code: bool,
    lines: Vec<Line>,
}

impl Part {
    fn names(&self, label: &str) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Label(name) if name == label))
    }

    fn is_named_in(&self, user: &Part) -> bool {
        user.lines.iter().any(|line| match line {
            Line::Code(code) => words(code).any(|word| self.names(word)),
            Line::Label(_) => false,
        })
    }
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !is_name(c)).filter(|word| !word.is_empty())
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.$".contains(c)
}

fn split(assembly: &str) -> Result<Vec<Part>> {
    let mut parts = vec![Part { is_code: false, lines: Vec::new() }];
    for line in assembly.lines() {
        let line = line.trim();
        // Comments, but not in a text.
        let line =
            if line.contains('"') { line } else { line.split('#').next().unwrap_or_default() };
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let part = parts.last_mut().expect("there is one");
        if let Some(name) = line.strip_suffix(':') {
            part.lines.push(Line::Label(name.to_owned()));
            continue;
        }
        match word {
            "" => {}
            ".section" | ".text" => {
                let is_code = line.contains(".text");
                parts.push(Part { is_code, lines: Vec::new() });
            }
            ".ascii" | ".asciz" | ".zero" => {
                let bytes = constant(word, rest)?;
                for chunk in bytes.chunks(16) {
                    let numbers: Vec<String> = chunk.iter().map(u8::to_string).collect();
                    part.lines.push(Line::Code(format!(".byte {}", numbers.join(","))));
                }
            }
            ".long" | ".short" | ".byte" | ".quad" | ".p2align" => {
                part.lines.push(Line::Code(format!("{word} {rest}")));
            }
            // What tells the linker and the debugger of functions.
            _ if word.starts_with('.') => {}
            _ => part.lines.push(Line::Code(format!("{word} {rest}").trim().to_owned())),
        }
    }
    Ok(parts)
}

/// The bytes of a directive: `.zero N`, or a text with escapes.
fn constant(word: &str, rest: &str) -> Result<Vec<u8>> {
    if word == ".zero" {
        let n: usize = rest.trim().parse().map_err(|_| format!("`.zero {rest}`?"))?;
        return Ok(vec![0; n]);
    }
    let text = rest.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = text.ok_or_else(|| format!("`{word} {rest}`?"))?;
    let mut bytes = Vec::new();
    let mut at = text.as_bytes();
    while let [first, rest @ ..] = at {
        at = rest;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let digits = at.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            let octal = std::str::from_utf8(&at[..digits]).expect("digits");
            bytes.push(u8::from_str_radix(octal, 8).map_err(|_| format!("`\\{octal}`?"))?);
            at = &at[digits..];
            continue;
        }
        bytes.push(match at.first() {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(byte) => *byte,
            None => return Err(format!("`{word} {text}`?")),
        });
        at = &at[1..];
    }
    if word == ".asciz" {
        bytes.push(0);
    }
    Ok(bytes)
}

/// An instruction with numbers for labels, before or behind it. Whatever looks like a symbol and is no
/// label is outside.
fn refer(code: &str, at: usize, numbers: &BTreeMap<String, (usize, usize)>) -> Result<String> {
    let mut text = String::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if end == 0 {
            text.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let word = &rest[..end];
        match numbers.get(word) {
            Some((number, place)) => {
                let _ = write!(text, "{number}{}", if *place > at { 'f' } else { 'b' });
            }
            None if word.starts_with(".L") || word.starts_with('_') || word.starts_with("mem") => {
                return Err(format!("{SOURCE} needs `{word}`: it must neither panic nor call"));
            }
            None => text.push_str(word),
        }
        rest = &rest[end..];
    }
    if text.contains('@') {
        return Err(format!("{SOURCE} needs what is elsewhere: `{code}`"));
    }
    Ok(text)
}

/// The Rust file around the text.
fn render(lines: &[String], version: &str) -> String {
    let mut text = format!(
        "//! @generated by {version} from `portable.rs`, which it is the compiled form of: see\n\
         //! `cargo xtask machine` in precast's repository. It uses no symbol and calls nothing outside.\n\n\
         use std::arch::asm;\n\n\
         /// `portable::decode`\n///\n/// # Safety\n/// As there.\n#[inline(always)]\n\
         pub unsafe fn decode(\n    decoder: usize,\n    frame: usize,\n    end: usize,\n    out: usize,\n    \
         out_end: usize,\n    literals: usize,\n) -> bool {{\n    let result: u32;\n    asm!(\n        r#\"\n\
         call 22f\njmp 33f\n.p2align 4\n22:\n"
    );
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(
        "33:\n\"#,\n        in(\"rdi\") decoder,\n        in(\"rsi\") frame,\n        in(\"rdx\") end,\n        \
         in(\"rcx\") out,\n        in(\"r8\") out_end,\n        in(\"r9\") literals,\n        \
         lateout(\"eax\") result,\n        clobber_abi(\"sysv64\"),\n    );\n    result != 0\n}\n",
    );
    text
}
