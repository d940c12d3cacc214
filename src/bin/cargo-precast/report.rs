//! `cargo precast report`, and `--report` of cargo's commands.

use crate::console::Console;
use clap::Args;
use precast::base::error::{Class, Context, Error, Result};
use precast::cache::Store;
use precast::project::{self, Plan, Request};
use precast::report::{self, Measured, Report, Side};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Show what the macros of the last build with `--report` cost, and write it as a page
#[derive(Args, Debug)]
#[command(
    after_help = "Make one with:\n  cargo precast build --report            what was compiled\n  \
    cargo precast build --report --native   the whole build from nothing, with precast and without"
)]
pub(crate) struct Options {
    /// The workspace's manifest
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,

    /// Write the page here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let mut arguments: Vec<OsString> = Vec::new();
    if let Some(path) = &options.manifest_path {
        arguments.extend(["--manifest-path".into(), path.into()]);
    }
    let target = project::target_directory(&Request::of("build", &arguments, &directory))?;
    let report = Report::read(&target)?;
    let mut page = report::page(&target);
    if let Some(html) = &options.html {
        std::fs::copy(&page, html).at("write", html)?;
        page.clone_from(html);
    }
    console.result(&report, || report.table() + &format!("\nAs a page: {}\n", page.display()));
    Ok(())
}

/// A report that is to be made.
pub(crate) struct Wanted {
    target: PathBuf,
    /// Beside a build without precast.
    native: bool,
}

impl Wanted {
    /// With `--report`, and perhaps `--native`.
    pub(crate) fn of(request: &Request, [report, native]: [bool; 2]) -> Result<Option<Wanted>> {
        if native && !report {
            return Err(Error::new(Class::Usage, "`--native` is for `--report`"));
        }
        if report && request.command == "run" {
            return Err(Error::new(Class::Usage, "a program that runs has no report")
                .help("`cargo precast build --report` makes that of its build"));
        }
        match report {
            true => Ok(Some(Wanted { target: project::target_directory(request)?, native })),
            false => Ok(None),
        }
    }

    /// Lets shims note what expansions cost. What was noted of crates that are fresh stays.
    pub(crate) fn note(&self, cargo: &mut Command) {
        cargo.env(project::lazy::REPORT, report::ledger(&self.target));
    }

    /// After the build.
    pub(crate) fn write(
        &self,
        asked: (&Request, &project::Options, &[OsString]),
        plan: &Plan,
        store: &Store,
        console: &Console,
    ) -> Result<()> {
        let measured = match self.native {
            true => Some(self.measure(asked, store, console)?),
            false => None,
        };
        let report = Report::make(asked.0, plan, store, &self.target, measured)?;
        report.write(&self.target)?;
        console.news(&format!(
            "`cargo precast report` shows the report; as a page: {}",
            report::page(&self.target).display()
        ));
        Ok(())
    }

    /// Builds twice, each time from nothing in an own directory. All that is compiled is noted anew.
    fn measure(
        &self,
        (request, wanted, arguments): (&Request, &project::Options, &[OsString]),
        store: &Store,
        console: &Console,
    ) -> Result<Measured> {
        // Both would build there.
        let (_, arguments) = project::take(arguments, "--target-dir");
        let mut cargo = |side: &Side| -> Result<Command> {
            let mut cargo = match side {
                Side::Precast => {
                    console.step("building from nothing with precast");
                    let _ = std::fs::remove_dir_all(report::ledger(&self.target));
                    let mut cargo = project::prepare(request, wanted, store, &|_: &str| {})?.cargo;
                    self.note(&mut cargo);
                    cargo
                }
                Side::Native => {
                    console.step("building from nothing without precast");
                    request.cargo()
                }
            };
            console.clear();
            cargo.arg(&request.command).args(&arguments);
            Ok(cargo)
        };
        report::measure(&mut cargo, &report::folder(&self.target))
    }
}
