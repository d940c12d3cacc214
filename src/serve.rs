//! Servers that expand macros for editors and other programs, from artifacts: no native macro code runs.
//!
//! `analyzer` speaks the protocol of rust-analyzer's macro server, whose place it takes; `rpc` a small one of
//! our own (docs/serve.md). Both get a compiled macro library, find the artifact that it was made of (`find`),
//! and run that as the library would (`macros`).

mod analyzer;
mod find;
mod macros;
mod rpc;
mod told;
mod workers;

use std::ffi::OsString;
use std::io;

pub use analyzer::Format;
pub use workers::Pool;

/// rust-analyzer sets it for its macro server, and for nothing else.
const VARIABLE: &str = "RUST_ANALYZER_INTERNALS_DO_NOT_USE";

/// Whether rust-analyzer ran us as its macro server; then this never returns. Call it first in `main` of the
/// program that is given to rust-analyzer.
pub fn run() {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let (Some(words), true) = (words, std::env::var_os(VARIABLE).is_some()) else { return };
    let format = match words[..] {
        [] => Format::Json,
        ["--version"] => {
            println!("precast {}", env!("CARGO_PKG_VERSION"));
            std::process::exit(0);
        }
        ["--format", name] => match Format::named(name) {
            Some(format) => format,
            None => return,
        },
        _ => return,
    };
    if let Err(error) = analyzer(format) {
        eprintln!("error: precast: {error}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

/// Serves rust-analyzer over the standard streams until it closes them.
pub fn analyzer(format: Format) -> io::Result<()> {
    begin();
    analyzer::serve(format, io::stdin().lock(), io::stdout().lock())
}

/// Answers requests over the standard streams, one after another, until they are closed.
pub fn worker() -> io::Result<()> {
    begin();
    rpc::serve(io::stdin().lock(), io::stdout().lock())
}

/// Standard output is for answers, and a macro's panic is one of them.
fn begin() {
    crate::runtime::wasi::keep_output();
    std::panic::set_hook(Box::new(|_| ()));
}
