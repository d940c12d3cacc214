//! One side of a comparison: a macro crate, built as cargo builds it by default, and a rustc that
//! expands with it.

use super::trace::Trace;
use super::workload::Subject;
use super::{package, scratch_bench};
use crate::run::{capture, cargo, clear, command, usage, write, Result, Usage};
use std::path::{Path, PathBuf};

pub struct Side {
    pub name: String,
    pub dylib: PathBuf,
    extern_name: &'static str,
}

/// What an expansion cost.
pub struct Expansion {
    /// Seconds of the pass `macro_expand_crate`.
    pub pass: f64,
    /// Seconds inside procedural macros, and how many were expanded.
    pub macros: f64,
    pub n_macros: usize,
}

impl Side {
    /// Builds the macro crate that a dependency line names.
    pub fn build(
        name: &str,
        subject: &Subject,
        dependency: &str,
        rustflags: &str,
        options: &[&str],
    ) -> Result<Side> {
        let slug: String = format!("{}-{name}", subject.name)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let folder = package(&slug, &format!("[dependencies]\n{dependency}\n"), "")?;
        let mut build = cargo();
        build.args(["build", "--quiet", "--message-format=json"]).args(options);
        let target = scratch_bench("sides").join(&slug);
        build.current_dir(&folder).arg("--target-dir").arg(target);
        let output = capture(build.env("RUSTFLAGS", rustflags))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let dylib = text.lines().rev().find_map(|line| dylib_of(line, subject.extern_name));
        let dylib = dylib.ok_or(format!("{slug}: no macro crate was built"))?;
        Ok(Side { name: name.into(), dylib, extern_name: subject.extern_name })
    }

    /// The original from the registry.
    pub fn native(subject: &Subject) -> Result<Side> {
        let dependency = format!("{} = \"={}\"", subject.name, subject.version);
        Side::build("native", subject, &dependency, "", &[])
    }

    pub fn shim(subject: &Subject, shim: &Path) -> Result<Side> {
        Side::build("shim", subject, &path(subject, shim), "", &[])
    }

    pub fn portable(subject: &Subject, shim: &Path) -> Result<Side> {
        let rustflags = "--cfg precast_portable";
        Side::build("shim, portable engine", subject, &path(subject, shim), rustflags, &[])
    }

    /// The command that expands `source`, and writes what comes out to nowhere that matters.
    fn rustc(&self, source: &Path) -> std::process::Command {
        let mut rustc = command("rustc");
        rustc.env("RUSTC_BOOTSTRAP", "1").args(["--edition=2021", "--crate-type=lib"]);
        // What cargo tells macros.
        let folder = scratch_bench("");
        rustc.env("CARGO_MANIFEST_DIR", &folder).env("CARGO_CRATE_NAME", "workload");
        rustc.env("CARGO_PKG_NAME", "workload").env("CARGO_PKG_VERSION", "0.0.0");
        rustc.env("CARGO_PKG_AUTHORS", "").env("CARGO_PKG_DESCRIPTION", "");
        rustc.arg("-Zunpretty=expanded").arg("-o").arg(scratch_bench("expanded.rs"));
        rustc.arg("--extern").arg(format!("{}={}", self.extern_name, self.dylib.display()));
        rustc.arg(source);
        rustc
    }

    pub fn expand(&self, source: &Path) -> Result<Expansion> {
        let folder = scratch_bench("trace");
        clear(&folder)?;
        let mut rustc = self.rustc(source);
        rustc.arg(format!("-Zself-profile={}", folder.display()));
        rustc.arg("-Zself-profile-events=generic-activity");
        self.check(&rustc.output().map_err(|e| format!("cannot start rustc: {e}"))?)?;
        let trace = Trace::read(&folder)?;
        let (macros, n_macros) = trace.activity("expand_proc_macro");
        Ok(Expansion { pass: trace.activity("macro_expand_crate").0, macros, n_macros })
    }

    /// Seconds and peak memory of the whole process.
    pub fn usage(&self, source: &Path) -> Result<Usage> {
        let (output, usage) = usage(&mut self.rustc(source))?;
        self.check(&output)?;
        Ok(usage)
    }

    /// The library of a macro is not there, so that what expands ends in errors of resolution, behind
    /// the pass that is measured. A macro that failed says so without a code.
    fn check(&self, output: &std::process::Output) -> Result {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let failed = |line: &&str| line.starts_with("error: ") && !is_expected(line);
        match text.lines().find(failed) {
            Some(line) => Err(format!("{}: {line}", self.name)),
            None => Ok(()),
        }
    }
}

fn is_expected(line: &str) -> bool {
    ["aborting due to", "cannot find ", "could not compile"].iter().any(|text| line.contains(text))
}

/// A dependency line for a shim's folder.
pub fn path(subject: &Subject, folder: &Path) -> String {
    format!("{} = {{ path = \"{}\" }}", subject.name, folder.display())
}

fn dylib_of(line: &str, wanted: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    let is_macro = target["kind"].as_array()?.iter().any(|kind| kind == "proc-macro");
    let file = message["filenames"].as_array()?.first()?.as_str()?;
    let name = target["name"].as_str()?.replace('-', "_");
    // watt's crate has a prefix.
    (is_macro && (name == wanted || name == format!("wa_{wanted}"))).then(|| PathBuf::from(file))
}

/// Writes the source that expands `types` items of the subject.
pub fn source(subject: &Subject, types: usize) -> Result<PathBuf> {
    let path = scratch_bench(&format!("{}-{types}.rs", subject.name));
    write(&path, &(subject.workload)(types))?;
    Ok(path)
}
