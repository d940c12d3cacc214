//! Cargo runs us in the compiler's place, with the compiler as the first argument.
//!
//! Asked for a macro package that the store has, we compile its shim instead, with cargo's own
//! arguments, at cargo's own place. Asked for a library that only such macros need, we write empty
//! files and put the command beside them. Asked for anything else, we first compile what it uses of
//! the empty ones, then the compiler runs as if we were not there. So being wrong about who needs what
//! costs time, never correctness.

pub(super) mod ahead;
mod compile;
mod compiler;
mod context;
pub(crate) mod expansions;
pub(crate) mod invocation;
pub(crate) mod kept;
pub(crate) mod ledger;
mod library;
pub(crate) mod record;
mod refusal;
mod rustdoc;
mod shim;

use super::plan;
use super::same_package::{given, native};
pub use super::script::{is_own, LAZY as VARIABLE, ON, RUSTDOC as REAL_RUSTDOC};
use crate::base::error::{Class, Error, Result};
use crate::cache::Locked;
use compile::{compile, need_all};
use compiler::{become_compiler, inner_wrapper, said};
use context::Context;
use invocation::Invocation;
pub use ledger::VARIABLE as REPORT;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The names of compilers, and of what cargo runs in their place for the packages of a workspace.
const COMPILERS: [&str; 2] = ["rustc", "clippy-driver"];

/// Whether cargo ran us in the compiler's place; then this never returns. Call it first in `main` of
/// the program that is given to cargo.
pub fn run() {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some(program) = words.first() else { return };
    let stem = Path::new(program).file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let is_path = Path::new(program).components().count() > 1;
    if rustdoc::is_asked(&words) {
        std::process::exit(rustdoc::run(&words));
    }
    let is_compiler = COMPILERS.contains(&stem)
        || is_path && words.len() > 1 && !stem.starts_with("precast")
        || is_workspace_wrapper(program);
    if is_compiler {
        std::process::exit(wrap(&words));
    }
}

/// Cargo finds it by its name alone, as it finds a compiler.
fn is_workspace_wrapper(program: &OsStr) -> bool {
    let names = ["RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "RUSTC"];
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| value == program))
}

fn wrap(words: &[OsString]) -> i32 {
    if let Some(code) = native::compile_inside(words) {
        return code;
    }
    let inner = inner_wrapper();
    let words: Vec<OsString> = inner.iter().chain(words).cloned().collect();
    let expanded = invocation::expanded(&words);
    let is_ours = std::env::var_os(VARIABLE).is_some();
    let invocation = Invocation::of(expanded.as_deref().unwrap_or(&words));
    let Some(invocation) = invocation.filter(|_| is_ours) else {
        return become_compiler(&words);
    };
    said(provide(&invocation, &words))
}

fn provide(invocation: &Invocation, words: &[OsString]) -> Result<i32> {
    let context = Context::of(&invocation.out);
    if let Some(given) = given::to_compiler(invocation)? {
        need_all(invocation, &context)?;
        let code = run_to_end(invocation, &given.words(words), &context)?;
        if code == 0 {
            given.note(invocation)?;
        }
        return Ok(code);
    }
    let package = match invocation.is_named {
        true => package(invocation, &context),
        false => None,
    };
    let Some(package) = package else {
        need_all(invocation, &context)?;
        return run_compiler(invocation, words, &context);
    };
    if context.puts_off(invocation, &package) {
        // If that cannot be written, the compiler says why it cannot, or can.
        if library::put_off(invocation, package.clone()).is_ok() {
            return Ok(0);
        }
    }
    match compile(invocation, None, &package, &context)? {
        Some(code) => Ok(code),
        None => run_compiler(invocation, words, &context),
    }
}

/// The package whose crate cargo has compiled, as cargo says it in the environment.
fn package(invocation: &Invocation, context: &Context) -> Option<Locked> {
    let text = |name: &str| std::env::var(name).ok();
    let directory = PathBuf::from(std::env::var_os(shim::OWN_DIRECTORY)?);
    let (plan, store) = context.active.as_ref()?;
    let (source, checksum) = match plan.origin(&directory) {
        Some(origin) => origin,
        None => plan::origin_of(&directory, store),
    };
    Some(Locked {
        name: text("CARGO_PKG_NAME")?,
        version: text("CARGO_PKG_VERSION")?,
        source,
        checksum,
        directory,
        features: invocation.features.iter().cloned().collect(),
    })
}

/// Runs the compiler as if we were not there, but for what it says of shims.
fn run_compiler(invocation: &Invocation, words: &[OsString], context: &Context) -> Result<i32> {
    Ok(match listen(invocation, words, context)? {
        Some(code) => code,
        None => become_compiler(words),
    })
}

/// The same where something is left to do after it.
fn run_to_end(invocation: &Invocation, words: &[OsString], context: &Context) -> Result<i32> {
    if let Some(code) = listen(invocation, words, context)? {
        return Ok(code);
    }
    let status = std::process::Command::new(&words[0]).args(&words[1..]).status();
    let status = status.map_err(|error| {
        Error::new(Class::Toolchain, format!("cannot run {}: {error}", words[0].display()))
    })?;
    Ok(status.code().unwrap_or(1))
}

/// Runs the compiler of a crate that uses shims, and hears what it says of them. None if it uses none.
fn listen(invocation: &Invocation, words: &[OsString], context: &Context) -> Result<Option<i32>> {
    ledger::open(invocation);
    if context.active.is_some() {
        expansions::open(invocation);
    }
    let shims = refusal::shims(invocation);
    match &context.active {
        Some((plan, store)) if !shims.is_empty() => {
            refusal::listen(words, &shims, plan, store).map(Some)
        }
        _ => Ok(None),
    }
}
