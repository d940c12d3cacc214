//! The command line's grammar and help.

use crate::{
    build, embed, expand, init, inspect, metadata, pack, publish, report, serve, stamp, status,
    store, switch, test_macro, vendor, verify,
};
use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use precast::base::error::Class;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::OnceLock;

const EXAMPLES: &str = "\
Examples:
  cargo precast test --workspace             cargo's command, macros precompiled, nothing changed
  cargo precast pack serde_derive            pack the newest version into this directory
  cargo precast pack serde_derive@1.0.229 thiserror-impl -o vendor
  cargo precast pack ./my-macros --features full
  cargo precast verify vendor/serde_derive-1.0.229
  cargo precast inspect serde_derive-1.0.229.precast
  echo 'struct S { a: u8 }' | cargo precast expand serde_derive-1.0.229.precast --derive Serialize

To use a shim, name its directory in the Cargo.toml of the workspace:
  [patch.crates-io]
  serde_derive = { path = \"vendor/serde_derive-1.0.229\" }";

/// Ship procedural macros precompiled: sandboxed, reproducible, without building syn.
#[derive(Debug, Parser)]
#[command(name = "cargo precast", bin_name = "cargo precast", version, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print the result, or the error, as one JSON document on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print nothing but errors and what was asked for
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Pack(pack::Options),
    Embed(embed::Options),
    Verify(verify::Options),
    Inspect(inspect::Options),
    Expand(expand::Options),
    Stamp(stamp::Options),
    /// `cargo build` with the macros precompiled
    Build(build::Options),
    /// `cargo check` with the macros precompiled
    Check(build::Options),
    /// `cargo test` with the macros precompiled
    Test(build::Options),
    /// `cargo run` with the macros precompiled
    Run(build::Options),
    /// `cargo bench` with the macros precompiled
    Bench(build::Options),
    /// `cargo clippy` with the macros precompiled
    Clippy(build::Options),
    /// `cargo doc` with the macros precompiled
    Doc(build::Options),
    Metadata(metadata::Options),
    Status(status::Options),
    /// Use precompiled macros in every cargo command of this workspace
    On(switch::Options),
    /// Build the macros of this workspace from source again
    Off(switch::Options),
    Vendor(vendor::Options),
    Store(store::Options),
    TestMacro(test_macro::Options),
    Init(init::Options),
    Publish(publish::Options),
    Report(report::Options),
    Serve(serve::Options),
    /// Any other command is cargo's own, with the macros precompiled
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

impl Command {
    /// Cargo's own commands, by their names, with their arguments.
    pub(crate) fn passed(&self) -> Option<(String, &[OsString])> {
        let (name, options) = match self {
            Command::Build(options) => ("build", options),
            Command::Check(options) => ("check", options),
            Command::Test(options) => ("test", options),
            Command::Run(options) => ("run", options),
            Command::Bench(options) => ("bench", options),
            Command::Clippy(options) => ("clippy", options),
            Command::Doc(options) => ("doc", options),
            Command::Other(words) => {
                let (name, arguments) = words.split_first()?;
                return Some((name.to_string_lossy().into_owned(), arguments));
            }
            _ => return None,
        };
        Some((name.to_owned(), &options.arguments))
    }
}

/// `+nightly` of `cargo precast +nightly build`.
static TOOLCHAIN: OnceLock<OsString> = OnceLock::new();

pub(crate) fn toolchain() -> Option<OsString> {
    TOOLCHAIN.get().cloned()
}

/// Commands whose arguments are cargo's: precast's own options stand before them.
const PASSED: [&str; 7] = ["build", "check", "test", "run", "bench", "clippy", "doc"];

/// Cargo's short names. They are none of the parser's, which would offer them for what is misspelt.
const SHORT: [(&str, &str); 5] =
    [("b", "build"), ("c", "check"), ("t", "test"), ("r", "run"), ("d", "doc")];

/// The names of all commands that the help lists.
pub(crate) fn listed() -> Vec<&'static str> {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        Arguments::command().get_subcommands().map(|found| found.get_name().to_owned()).collect()
    });
    names.iter().map(String::as_str).collect()
}

pub(crate) fn is_listed(command: &str) -> bool {
    listed().contains(&command)
}

/// Keeps what is cargo's from being read as ours.
fn shield(words: &mut Vec<OsString>) {
    if words.get(1).is_some_and(|word| word.to_string_lossy().starts_with('+')) {
        // Set once: there is one command line.
        let _ = TOOLCHAIN.set(words.remove(1));
    }
    let command = words.iter().skip(1).position(|word| !word.to_string_lossy().starts_with('-'));
    let Some(at) = command.map(|at| at + 1) else { return };
    let named = if words[at] == "help" { at + 1 } else { at };
    for (short, name) in SHORT {
        if words.get(named).is_some_and(|word| word == short) {
            words[named] = name.into();
        }
    }
    let is_passed = PASSED.iter().any(|name| words[at] == *name);
    if is_passed && words.get(at + 1).is_none_or(|word| word != "--help" && word != "-h") {
        words.insert(at + 1, "--".into());
    } else if is_passed {
        // Of this command, cargo's help would not tell.
        words.splice(at.., ["help".into(), words[at].clone()]);
    }
}

impl Arguments {
    /// The program's own arguments; where they are wrong, or ask for help, this prints and gives
    /// the exit code.
    pub(crate) fn read() -> Result<Arguments, ExitCode> {
        let mut words: Vec<OsString> = std::env::args_os().collect();
        // `cargo precast pack` starts `cargo-precast precast pack`.
        if words.get(1).is_some_and(|word| word == "precast") {
            words.remove(1);
        }
        shield(&mut words);
        let json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
        let styles = Styles::styled()
            .header(AnsiColor::Green.on_default().bold())
            .usage(AnsiColor::Green.on_default().bold())
            .literal(AnsiColor::Cyan.on_default().bold())
            .placeholder(AnsiColor::Cyan.on_default());
        let after = format!("{EXAMPLES}\n\n{}", exit_codes());
        let command = Arguments::command().styles(styles).after_long_help(after).after_help(
            "`cargo precast --help` shows examples and exit codes, `cargo precast help COMMAND` one command.",
        );
        let matches = command.try_get_matches_from(words);
        let arguments = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
        arguments.map_err(|error| report(&error, json))
    }
}

fn report(error: &clap::Error, json: bool) -> ExitCode {
    if error.use_stderr() && json {
        let text = error.render().to_string();
        let message = text.split("\n\n").next().unwrap_or_default().trim();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        crate::console::print_json(&crate::console::describe(Class::Usage, message, None));
    } else {
        // Nobody is left to hear of an error here.
        let _ = error.print();
    }
    match error.use_stderr() {
        true => ExitCode::from(Class::Usage.code()),
        false => ExitCode::SUCCESS,
    }
}

fn exit_codes() -> String {
    let line = |code: u8, text: &str| format!("\n  {code:<4} {text}");
    let classes = Class::ALL.iter().map(|(class, text)| line(class.code(), text));
    "Exit codes:".to_string() + &line(0, "done; all checks hold") + &classes.collect::<String>()
}
