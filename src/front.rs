//! The compiler's own command line, with precompiled macros: what `precast-rustc` is.
//!
//! Build systems that call rustc themselves name an artifact, a module or a shim where they would name
//! a macro's library. Its shim is compiled once per compiler and content and kept; then the compiler runs
//! with that library. All else is the compiler's: its output, its exit code, its signals.

mod arguments;
mod compiler;
mod dep_info;
mod linked;
mod report;
mod shim;

use crate::base::error::{Context, Result};
use crate::base::scratch;
use crate::cache::Cache;
use arguments::Arguments;
use compiler::Compiler;
use shim::Library;
use std::ffi::OsString;

const HELP: &str = "
Options of precast-rustc:
        --wasm-proc-macro NAME=PATH
                        Use the precompiled macros in PATH as the crate NAME: a .precast artifact, a
                        .wasm module for precast's ABI, or a shim's folder. Several times for several.
        --extern NAME=PATH.precast, --extern NAME=PATH.wasm
                        The same
    The compiler that runs is `rustc`, or what PRECAST_REAL_RUSTC names.
";

/// Runs the compiler for these words, the program's own name left out: the exit code.
pub fn run(words: Vec<OsString>) -> i32 {
    let arguments = Arguments::read(words);
    let is_json = arguments.is_json;
    // A compiler does not leave temporary files to who interrupts it.
    let _ = ctrlc::set_handler(|| {
        if !compiler::pass_on() {
            scratch::remove_all_and_exit(130);
        }
    });
    match compile(arguments) {
        Ok(code) => code,
        Err(error) => {
            report::error(&error, is_json);
            1
        }
    }
}

fn compile(arguments: Arguments) -> Result<i32> {
    let compiler = Compiler::find(&arguments)?;
    if arguments.asks_for_help {
        let code = compiler.run(&arguments.given)?;
        print!("{HELP}");
        return Ok(code);
    }
    if arguments.is_question {
        return compiler.become_it(&arguments.words(|_| None));
    }
    arguments.check()?;
    if arguments.macros.is_empty() {
        return compiler.become_it(&with_places(arguments.given.clone(), &arguments));
    }
    let cache = Cache::open(None)?;
    let host = compiler.host(&arguments, &cache)?;
    let mut libraries: Vec<Library> = Vec::new();
    for wanted in &arguments.macros {
        let library = shim::library(wanted, &compiler, &host, &cache);
        libraries.push(library.context(format!("{}={}", wanted.name, wanted.path.display()))?);
    }
    let words = arguments.words(|at| Some(libraries[at].file.as_os_str()));
    let mut words = with_places(words, &arguments);
    for library in &libraries {
        words.push("-L".into());
        let mut place = OsString::from("dependency=");
        place.push(library.file.parent().expect("it lies in the cache"));
        words.push(place);
    }
    let inputs = libraries.iter().flat_map(|library| &library.inputs).cloned().collect();
    dep_info::run(&compiler, &arguments, words, inputs)
}

/// Adds where the libraries are of macros that were used in what is linked to.
fn with_places(mut words: Vec<OsString>, arguments: &Arguments) -> Vec<OsString> {
    for place in linked::places(arguments) {
        let mut value = OsString::from("dependency=");
        value.push(place);
        words.extend(["-L".into(), value]);
    }
    words
}
