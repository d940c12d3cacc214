//! What people and programs see: results on standard output, all else on standard error.

use anstream::{eprintln, print, println};
use indicatif::{ProgressBar, ProgressStyle};
use precast::base::error::{Class, Context, Error, Result};
use serde::Serialize;
use serde_json::{json, Value};
use std::cell::Cell;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[1;32m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[1;36m";
const RESET: &str = "\x1b[0m";

pub(crate) struct Console {
    json: bool,
    quiet: bool,
    bar: ProgressBar,
    /// The one document is out.
    is_told: Cell<bool>,
}

impl Console {
    pub(crate) fn new(json: bool, quiet: bool) -> Console {
        let bar = match quiet || json || !std::io::stderr().is_terminal() {
            true => ProgressBar::hidden(),
            false => ProgressBar::new_spinner(),
        };
        let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Console { json, quiet, bar, is_told: Cell::new(false) }
    }

    /// Whether results are to be JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// The result of a command: `value` with `--json`, else `text`.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        self.bar.finish_and_clear();
        self.is_told.set(true);
        match self.json {
            true => print_json(value),
            false if std::io::stdout().is_terminal() => print!("{}", shown(&text())),
            false => print!("{}", text()),
        }
    }

    /// News about what was done, which `--quiet` and `--json` leave out.
    pub(crate) fn done(&self, verb: &str, what: &str) {
        self.bar.suspend(|| {
            if !self.quiet && !self.json {
                println!("{GREEN}{verb:>12}{RESET} {what}");
            }
        });
    }

    /// What was done for a command of cargo's, on standard error as cargo's own news.
    pub(crate) fn summary(&self, text: &str) {
        if !self.quiet && !self.json {
            eprintln!("{GREEN}{:>12}{RESET} {}", "Precast", shown(text));
        }
    }

    /// Ends the progress: cargo writes now.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Progress: a spinner on a terminal, one line for each step elsewhere.
    pub(crate) fn step(&self, text: &str) {
        if self.quiet || self.json {
            return;
        }
        if self.bar.is_hidden() {
            eprintln!("{text}");
            return;
        }
        self.bar.set_message(text.to_string());
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    /// A note that `--quiet` leaves out as well.
    pub(crate) fn news(&self, text: &str) {
        if !self.quiet {
            self.note(text);
        }
    }

    /// What did not work though the command goes on.
    pub(crate) fn warning(&self, text: &str) {
        if !self.quiet && !self.json {
            eprintln!("{YELLOW}warning{RESET}: {}", shown(text));
        }
    }

    /// What the user should know of a result; with `--json` it is in the result.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            eprintln!("{CYAN}note{RESET}: {}", shown(text));
        }
    }

    /// An error; after a result that has what is wrong in it (`verify`), only people are told.
    pub(crate) fn error(&self, error: &Error) {
        self.bar.finish_and_clear();
        if self.json && !self.is_told.get() {
            print_json(&describe(error.class(), &error.to_string(), error.help_text()));
            return;
        }
        eprintln!("{RED}error{RESET}: {}", shown(&error.to_string()));
        if let Some(help) = error.help_text() {
            eprintln!("{CYAN}help{RESET}: {}", shown(help));
        }
    }
}

/// Whether cargo runs for the user, on the user's terminal.
static PASSING: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_passing() -> bool {
    PASSING.load(Ordering::Relaxed)
}

/// Runs cargo with our standard streams; its exit code is ours.
pub(crate) fn pass(mut cargo: std::process::Command) -> Result<ExitCode> {
    PASSING.store(true, Ordering::Relaxed);
    let status = cargo.status();
    PASSING.store(false, Ordering::Relaxed);
    let status = status.class(Class::Toolchain, "cannot run cargo")?;
    let code = status.code().or_else(|| Some(128 + signal(&status)?)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Becomes cargo, which becomes the program that it runs: signals reach that.
#[cfg(unix)]
pub(crate) fn replace(mut cargo: std::process::Command) -> Result<ExitCode> {
    let error = std::os::unix::process::CommandExt::exec(&mut cargo);
    Err(error).class(Class::Toolchain, "cannot run cargo")
}

#[cfg(not(unix))]
pub(crate) fn replace(cargo: std::process::Command) -> Result<ExitCode> {
    pass(cargo)
}

#[cfg(unix)]
fn signal(status: &std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(status)
}

#[cfg(not(unix))]
fn signal(_status: &std::process::ExitStatus) -> Option<i32> {
    None
}

/// Texts may come from a macro or its package: they do not steer the terminal.
fn shown(text: &str) -> String {
    let escape = |c: char| match c.is_control() && c != '\n' && c != '\t' {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

pub(crate) fn describe(class: Class, message: &str, help: Option<&str>) -> Value {
    let mut error = json!({ "class": class.name(), "code": class.code(), "message": message });
    if let Some(help) = help {
        error["help"] = help.into();
    }
    json!({ "error": error })
}

pub(crate) fn print_json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("results have only string keys");
    println!("{text}");
}
