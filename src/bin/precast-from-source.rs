//! A wrapper of rustc which refuses precompiled code: with `RUSTC_WRAPPER=precast-from-source`, plain
//! cargo builds the original source of every shim.
//!
//! `RUSTFLAGS='--cfg precast_from_source'` says the same, but with `--target` cargo gives those flags
//! to the target's crates alone, and macros are built for the host. This adds the cfg to every call:
//! also to the one by which cargo asks for the compiler's cfgs, and so finds the dependencies that
//! only the original has.

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

const CFG: [&str; 2] = ["--cfg", "precast_from_source"];

const USAGE: &str = "\
Refuse precompiled code: cargo starts this program in the place of rustc.

  RUSTC_WRAPPER=precast-from-source cargo build --target TRIPLE

builds the original source of every shim, whatever cargo's other arguments are.
";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(rustc) = words.next().filter(|word| !is_option(word)) else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    let arguments: Vec<OsString> = words.collect();
    let mut command = Command::new(&rustc);
    command.args(&arguments);
    if arguments.iter().any(|word| word == "-vV") {
        return version(&mut command, &rustc);
    }
    let status = command.args(CFG).status();
    end(status.map(|status| status.code()), &rustc)
}

/// What a compiler calls itself is part of what cargo names libraries by. One that refuses shims is
/// another one: else cargo would take what it has built with them.
fn version(command: &mut Command, rustc: &OsStr) -> ExitCode {
    let output = command.output();
    if let Ok(output) = &output {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            println!("precast: from source");
        }
    }
    end(output.map(|output| output.status.code()), rustc)
}

fn end(code: std::io::Result<Option<i32>>, rustc: &OsStr) -> ExitCode {
    match code {
        Ok(code) => ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: precast-from-source cannot run {}: {error}", rustc.to_string_lossy());
            ExitCode::FAILURE
        }
    }
}

fn is_option(word: &OsStr) -> bool {
    word.to_string_lossy().starts_with('-')
}
