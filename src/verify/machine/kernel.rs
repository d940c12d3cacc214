//! The kernel as text: what a compiler makes of `kernel/portable.rs`.
//!
//! The text is the same on every system. It has no symbol and no relocation, and calls nothing outside: labels
//! become numbers, as inline assembly wants them, constants follow the code, and whatever else would be
//! needed is refused.

use super::compiler::{compile, Compiler};
use crate::base::error::{Class, Context, Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Of the runtime's files.
pub(super) const SOURCE: &str = "kernel/portable.rs";
pub(super) const TEXT: &str = "kernel/x86_64.rs";

const FLAGS: &[&str] = &[
    "--edition=2021",
    "--crate-type=lib",
    "--crate-name=kernel",
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
    // Windows has none.
    "-Cno-redzone=yes",
];

/// The kernel without the rest of the runtime.
const CRATE: &str = r#"
#![no_std]
#![no_builtins]
extern crate core as std;

macro_rules! tier {
    ($jit:item $portable:item) => {
        $jit
    };
}
macro_rules! part {
    ($name:ident { $($with:item)* } { $($without:item)* }) => {
        $($with)*
    };
}

#[macro_use]
#[path = "SOURCES/macros.rs"]
mod macros;
#[path = "SOURCES/calls.rs"]
mod calls;
#[path = "SOURCES/image.rs"]
mod image;
mod kernel {
    #[macro_use]
    #[path = "SOURCES/kernel/layout.rs"]
    mod layout;
    #[path = "SOURCES/kernel/portable.rs"]
    pub mod code;
}

#[no_mangle]
pub unsafe extern "sysv64" fn run(what: usize, image: usize, value: usize) -> u32 {
    kernel::code::run(what, image, value)
}
"#;

/// The Rust file around the text which the compiler makes of the sources in a folder.
pub(super) fn make(sources: &Path, rustc: &Compiler, scratch: &Path) -> Result<String> {
    let crate_root = scratch.join("kernel.rs");
    let text = CRATE.replace("SOURCES", &sources.display().to_string());
    std::fs::write(&crate_root, text).at("write", &crate_root)?;
    let out = scratch.join("kernel.s");
    let mut command = rustc.command(scratch);
    command.args(FLAGS).arg(format!("--remap-path-prefix={}=", scratch.display()));
    compile(command.arg("-o").arg(&out).arg(&crate_root), SOURCE)?;
    let assembly = std::fs::read_to_string(&out).at("read", &out)?;
    Ok(render(&translate(&assembly)?, &rustc.release))
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
    order.sort_by_key(|part| !part.names("run"));
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

fn unfit(why: String) -> Error {
    Error::new(Class::Verify, format!("{SOURCE} cannot become a text: {why}"))
}

fn unread(word: &str, rest: &str) -> Error {
    unfit(format!("`{word} {rest}` is not understood"))
}

/// The bytes of a directive: `.zero N`, or a text with escapes.
fn constant(word: &str, rest: &str) -> Result<Vec<u8>> {
    if word == ".zero" {
        let n: usize = rest.trim().parse().map_err(|_| unread(word, rest))?;
        return Ok(vec![0; n]);
    }
    let text = rest.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = text.ok_or_else(|| unread(word, rest))?;
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
            bytes.push(u8::from_str_radix(octal, 8).map_err(|_| unread(word, text))?);
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
            None => return Err(unread(word, text)),
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
                return Err(unfit(format!("it needs `{word}`, and must neither panic nor call")));
            }
            None => text.push_str(word),
        }
        rest = &rest[end..];
    }
    if text.contains('@') {
        return Err(unfit(format!("it needs what is elsewhere: `{code}`")));
    }
    Ok(text)
}

/// The Rust file around the text.
fn render(lines: &[String], release: &str) -> String {
    let mut text = format!(
        "//! @generated by rustc {release} from `portable.rs`, which it is the compiled form of: see\n\
         //! `cargo xtask machine` in precast's repository. It uses no symbol and calls nothing outside, but for\n\
         //! what it is given the addresses of: the emitter, the embedding, and a `System` where that is not Linux.\n\n\
         use std::arch::asm;\n\nuse super::layout::Image;\n\nimpl Image {{\n\
         /// `portable::run`\n///\n/// # Safety\n/// As there.\n#[inline(never)]\n\
         pub unsafe fn run(what: usize, image: usize, value: usize) -> u32 {{\n    let status: u32;\n    \
         asm!(\n        r#\"\ncall 22f\njmp 33f\n.p2align 4\n22:\n"
    );
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(
        "33:\n\"#,\n        in(\"rdi\") what,\n        in(\"rsi\") image,\n        in(\"rdx\") value,\n        \
         lateout(\"eax\") status,\n        clobber_abi(\"sysv64\"),\n        options(att_syntax),\n    );\n    status\n}\n}\n",
    );
    text
}
