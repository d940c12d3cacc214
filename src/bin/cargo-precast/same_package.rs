//! `--proc-macro`: macros in the package that uses them.

use crate::console::{self, Console};
use crate::workspace::Workspace;
use precast::base::error::{Class, Context, Error, Result};
use precast::project::same_package::run::Run;
use precast::project::same_package::{packed, rust_project, Target};
use precast::project::Request;
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

const PACK: &str = "run `cargo precast pack --proc-macro` and commit what it writes";

/// `cargo precast COMMAND --proc-macro`. Cargo's exit code.
pub(crate) fn alone(
    request: &Request,
    command: &str,
    arguments: &[OsString],
    console: &Console,
) -> Result<ExitCode> {
    let run = Run::new(request, command, arguments, true)?;
    for package in run.lacking()? {
        let of_package = run.chosen().chain(["-p", package, "--quiet"].map(OsString::from));
        let code = crate::build::run("check", &of_package.collect::<Vec<_>>(), console)?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    let code = each(&run, console)?;
    if command == "check" && code == ExitCode::SUCCESS {
        tell_stale(&run, arguments, console)?;
    }
    Ok(code)
}

/// The same after cargo has finished the package's other targets.
pub(crate) fn also(
    request: &Request,
    command: &str,
    arguments: &[OsString],
    console: &Console,
) -> Result<ExitCode> {
    each(&Run::new(request, command, arguments, false)?, console)
}

fn each(run: &Run, console: &Console) -> Result<ExitCode> {
    for (target, cargo) in run.commands()? {
        let is_documentation = cargo.get_args().next().is_some_and(|word| word == "doc");
        let code = console::pass(cargo)?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
        if is_documentation {
            let page = run.put_documentation(target)?;
            console.summary(&format!("documentation of the macros: {}", page.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where nobody looks, what is stale is an error.
fn tell_stale(run: &Run, arguments: &[OsString], console: &Console) -> Result<()> {
    let said = run.stale()?;
    let is_strict = std::env::var_os("CI").is_some()
        || arguments.iter().any(|word| word == "--locked" || word == "--frozen");
    if is_strict && !said.is_empty() {
        return Err(Error::new(Class::Verify, said.join("; ")).help(PACK));
    }
    said.iter().for_each(|text| console.note(&format!("{text}; {PACK}")));
    Ok(())
}

/// `cargo precast metadata --rust-project`, with cargo's choice of features.
pub(crate) fn rust_project(workspace: &Workspace, console: &Console) -> Result<()> {
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let arguments = workspace.arguments();
    let mut request = Request::of("check", &arguments, &directory);
    request.toolchain = crate::arguments::toolchain();
    console.step("building the macros");
    let file = rust_project::write(&request, &arguments)?;
    console.result(&json!({ "file": file }), || format!("wrote {}\n", file.display()));
    Ok(())
}

/// `cargo precast pack --proc-macro [DIR]…`
pub(crate) fn pack(directories: &[String], is_offline: bool, console: &Console) -> Result<()> {
    let here = [".".to_owned()];
    let directories = if directories.is_empty() { &here[..] } else { directories };
    let mut values = Vec::new();
    let mut lines = String::new();
    for directory in directories {
        let directory = Path::new(directory).canonicalize();
        let directory = directory
            .map_err(|error| Error::new(Class::Usage, format!("no such directory: {error}")))?;
        let target = Target::required(&directory)?;
        console.step(&format!("packing the macros of {}", target.package));
        // The package that is packed stands in a temporary place, which nobody need know.
        let step = |text: &str| match text.starts_with("looking for") {
            true => {}
            false => console.step(text),
        };
        let packed = packed::pack(&target, is_offline, &step)?;
        let place = target.packed();
        let verb = if packed.is_new { "Packed" } else { "Unchanged" };
        console.done(verb, &place.display().to_string());
        lines += &crate::pack::macros(&packed.outcome.manifest);
        for note in packed::advice(&target)? {
            console.note(&note);
        }
        values.push(json!({
            "package": target.package,
            "directory": place,
            "is_new": packed.is_new,
            "bytes": packed.bytes,
            "image_bytes": packed.outcome.image_bytes,
        }));
    }
    console.result(&values, || lines);
    Ok(())
}
