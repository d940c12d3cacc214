//! Cargo's own commands with the macros precompiled: `cargo precast build`, `nextest` and any other.

use crate::console::Console;
use crate::report;
use clap::Args;
use precast::base::error::{Class, Context, Error, Result};
use precast::cache::Store;
use precast::project::same_package::{self, run::Asked};
use precast::project::{self, after, take, Choice, Options as Wanted, Request};
use serde_json::json;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Cargo's own arguments. Of these, precast takes: `--only NAMES` and `--except NAMES` choose the macro
    /// packages; `--members` packs those of the workspace, too; `--missing later|pack|source|fail` says what
    /// to do with those that no store has; `--from-source` precompiles none; `--proc-macro` chooses the macros that a
    /// package has beside its library; `--report` tells what the macros cost, with `--native` beside a build without
    /// precast
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// Cargo's exit code.
pub(crate) fn run(command: &str, arguments: &[OsString], console: &Console) -> Result<ExitCode> {
    let mut arguments = arguments.to_vec();
    if is_ours(command, &mut arguments, console)? {
        return Ok(ExitCode::SUCCESS);
    }
    check_is_known(command)?;
    // What stands behind is the program's own.
    let behind = arguments.split_off(project::n_options(command, &arguments));
    let reported = [flag(&mut arguments, "--report"), flag(&mut arguments, "--native")];
    let is_json = flag(&mut arguments, "--json");
    let (wanted, mut arguments) = options(&arguments)?;
    arguments.extend(behind);
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let mut request = Request::of(command, &arguments, &directory);
    request.toolchain = crate::arguments::toolchain();
    let asked = same_package::run::asked(command, &arguments)?;
    if asked == Asked::Alone {
        return crate::same_package::alone(&request, command, &arguments, console);
    }
    let store = Store::open(None)?;
    let report = report::Wanted::of(&request, reported)?;
    let step = |text: &str| console.step(text);
    let prepared = match project::prepare(&request, &wanted, &store, &step) {
        Ok(prepared) => prepared,
        // Cargo says it better, with its own exit code.
        Err(error)
            if error.class() == Class::Usage
                && error.to_string().starts_with(project::UNREADABLE) =>
        {
            return unprepared(&request, (command, &arguments), &error, console);
        }
        Err(error) => return Err(error),
    };
    tell(&prepared.plan, request.is_quiet, console.json() || is_json, console);
    let project::Prepared { mut cargo, plan } = prepared;
    if plan.missing == project::Missing::Fail && !plan.wanted.is_empty() {
        return Err(missing(&plan));
    }
    let again = same(&cargo);
    cargo.arg(command).args(&arguments);
    if let Some(report) = &report {
        report.note(&mut cargo);
    }
    cargo.env(same_package::native::SESSION, session());
    if wanted.from_source {
        cargo.env("PRECAST_PROC_MACRO", "source");
    }
    // What is sent to this process is meant for the program that runs: as natively, it takes its place.
    if command == "run" {
        project::finish(&plan, plan.lock().as_deref(), &store)?;
        return crate::console::replace(cargo);
    }
    let n_kept = store.n_kept();
    let code = crate::console::pass(cargo)?;
    project::finish(&plan, None, &store)?;
    if code == ExitCode::SUCCESS && after::is_after(command) {
        run_after(&plan, again, (command, &arguments), &store, console)?;
    }
    let code = match asked == Asked::Also && code == ExitCode::SUCCESS {
        true => crate::same_package::also(&request, command, &arguments, console)?,
        false => code,
    };
    if let Some(report) = report.filter(|_| code == ExitCode::SUCCESS) {
        report.write((&request, &wanted, &arguments), &plan, &store, console)?;
    }
    if store.n_kept() > n_kept {
        store.clean(precast::cache::limit(None)?)?;
    }
    Ok(code)
}

/// Whether a flag has made the command one of ours, which was run then.
fn is_ours(command: &str, arguments: &mut Vec<OsString>, console: &Console) -> Result<bool> {
    if command == "check" && flag(arguments, "--policy") {
        crate::policy::run(std::mem::take(arguments), console)?;
    } else if command == "new" && flag(arguments, "--proc-macro") {
        crate::init::new(arguments, console)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Runs cargo alone where the workspace cannot be read.
fn unprepared(
    request: &Request,
    (command, arguments): (&str, &[OsString]),
    error: &Error,
    console: &Console,
) -> Result<ExitCode> {
    let mut cargo = request.cargo();
    cargo.arg(command).args(arguments);
    let code = crate::console::pass(cargo)?;
    if code == ExitCode::SUCCESS {
        console.note(&format!("nothing was precompiled: {error}"));
    }
    Ok(code)
}

/// Says what is done with each macro.
fn tell(plan: &project::Plan, is_quiet: bool, is_json: bool, console: &Console) {
    console.clear();
    if is_json {
        let wanted = plan.wanted.iter().map(|wanted| &wanted.package.name).collect::<Vec<_>>();
        crate::console::print_json(&json!({
            "macros": plan.macros, "missing": plan.missing, "wanted": wanted, "note": plan.note,
        }));
    } else if !is_quiet {
        project::summary(&plan.macros).iter().for_each(|line| console.summary(line));
    }
    plan.note.iter().for_each(|note| console.warning(note));
}

/// A name for this run.
fn session() -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{}-{}", std::process::id(), now.as_nanos())
}

/// What macros of the build have declared for now.
fn run_after(
    plan: &project::Plan,
    cargo: Command,
    words: (&str, &[OsString]),
    store: &Store,
    console: &Console,
) -> Result<()> {
    let step = |text: &str| console.step(text);
    after::run(plan, cargo, words, store, &step, &mut |done| {
        console.clear();
        done.told.iter().for_each(|told| eprintln!("{}", told.text()));
        let root = plan.root.as_path();
        for (verb, files) in [("wrote", &done.written), ("removed", &done.removed)] {
            for file in files {
                let file = file.strip_prefix(root).unwrap_or(file).display();
                console.summary(&format!("{} {verb} {file}", done.package));
            }
        }
    })
}

/// The same command once more.
fn same(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy.current_dir(command.get_current_dir().unwrap_or_else(|| ".".as_ref()));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy
}

/// An error for what neither cargo nor its extensions call a command.
fn check_is_known(command: &str) -> Result<()> {
    if crate::arguments::is_listed(command) {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo).arg("--list").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.class(Class::Toolchain, "cannot run cargo")?;
    let names =
        text.lines().filter_map(|line| line.strip_prefix("    ")?.split_whitespace().next());
    let names: Vec<&str> = names.chain(crate::arguments::listed()).collect();
    if names.contains(&command) {
        return Ok(());
    }
    let near = names.iter().map(|name| (strsim::jaro_winkler(command, name), *name));
    let nearest = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(alike, _)| *alike > 0.8);
    let error = Error::new(Class::Usage, format!("no such command: `{command}`"));
    Err(match nearest {
        Some((_, name)) => error.help(format!("a similar name is `{name}`")),
        None => error.help("`cargo precast --help` and `cargo --list` show what there is"),
    })
}

fn missing(plan: &project::Plan) -> Error {
    let names: Vec<String> = plan
        .wanted
        .iter()
        .map(|wanted| format!("{} {}", wanted.package.name, wanted.package.version))
        .collect();
    let message = format!("no store has {}", names.join(", "));
    Error::new(Class::Package, message).help(
        "`--missing pack` packs them first, `--missing later` builds them from source this time",
    )
}

/// The option, if it is among the arguments, is taken out.
pub(crate) fn flag(arguments: &mut Vec<OsString>, name: &str) -> bool {
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    let found = arguments[..end].iter().position(|word| word == name);
    found.map(|at| arguments.remove(at)).is_some()
}

/// What is ours of the arguments.
fn options(arguments: &[OsString]) -> Result<(Wanted, Vec<OsString>)> {
    let (choice, mut left) = choice(arguments);
    let members = flag(&mut left, "--members");
    let from_source = flag(&mut left, "--from-source");
    let (missing, left) = take(&left, "--missing");
    let missing = missing.last().cloned();
    Ok((Wanted { choice, members, from_source, missing, ..Wanted::default() }, left))
}

/// `--only` and `--except` out of the arguments.
pub(crate) fn choice(arguments: &[OsString]) -> (Choice, Vec<OsString>) {
    let list = |values: Vec<String>| -> Vec<String> {
        values.iter().flat_map(|value| value.split(',')).map(str::to_owned).collect()
    };
    let (only, left) = take(arguments, "--only");
    let (except, left) = take(&left, "--except");
    (Choice { only: list(only), except: list(except) }, left)
}
