//! Golden tests of a macro package: Rust files beside what their macros make of them.
//!
//! The compiler expands each file twice, with the macros compiled from source and with the packed ones: both must be
//! what stands beside the file. It is asked as `cargo expand` asks it, which a stable compiler allows with
//! `RUSTC_BOOTSTRAP`; the macros themselves are compiled without that.

mod expand;

use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::report::Report;
use crate::base::scratch::{self, Scratch};
use crate::expand as expansion;
use crate::pack::{self, Features, PackOptions};
use expand::{Compiler, Package};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where the files are, in the package's directory.
pub const FOLDER: &str = "tests/expand";

/// What stands beside `NAME.rs`: the expansion, what the user is told, and the records that are left. An empty one is
/// no file.
pub const ENDS: [&str; 3] = ["expanded.rs", "stderr", "records"];

#[derive(Clone, Debug)]
pub struct Options {
    /// The macro package.
    pub directory: PathBuf,
    pub features: Features,
    /// Writes what comes out of the macros compiled from source.
    pub bless: bool,
    /// Only files whose name has one of these in it.
    pub only: Vec<String>,
    /// Uses only what cargo has downloaded before.
    pub offline: bool,
    /// The shim that is tested; without, the package is packed.
    pub shim: Option<PathBuf>,
}

/// One file's outcome.
#[derive(Debug, Serialize)]
pub struct Tested {
    /// `tests/expand/NAME.rs`
    pub file: String,
    /// Files beside it that were written.
    pub blessed: Vec<String>,
    pub differences: Vec<Difference>,
}

/// One of [`ENDS`] that is not as it should be.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The file that says how it should be.
    pub file: String,
    /// `source`, `packed` or `both`: which macros made something else.
    pub side: &'static str,
    pub diff: String,
}

/// Runs all tests. What differs is in the result; an error is what keeps a test from running.
pub fn run(options: &Options, report: &dyn Report) -> Result<Vec<Tested>> {
    let files = files(options)?;
    let scratch = Scratch::new()?;
    report.step("compiling the macros from source");
    let (package, source) = native(options)?;
    let shim = match &options.shim {
        Some(shim) => shim.clone(),
        None => packed(options, &scratch, report)?,
    };
    let packed = compiled(options, &package, &shim, &scratch)?;
    let compiler = |library| Compiler { package: &package, library, scratch: scratch.path() };
    let (source, packed) = (compiler(source), compiler(packed));
    let mut tested = Vec::new();
    for file in files {
        report.step(&format!("{}", file.display()));
        tested.push(one(&options.directory, &file, (&source, &packed), options.bless)?);
    }
    Ok(tested)
}

fn one(
    directory: &Path,
    file: &Path,
    (source, packed): (&Compiler, &Compiler),
    bless: bool,
) -> Result<Tested> {
    let mut tested = Tested {
        file: file.display().to_string().replace('\\', "/"),
        blessed: Vec::new(),
        differences: Vec::new(),
    };
    let (native, other) = (source.expand(directory, file)?, packed.expand(directory, file)?);
    for (at, end) in ENDS.into_iter().enumerate() {
        let beside = file.with_extension(end);
        let place = directory.join(&beside);
        let name = beside.display().to_string().replace('\\', "/");
        let mut expected = std::fs::read_to_string(&place).unwrap_or_default().replace('\r', "");
        if bless && expected != native[at] {
            match native[at].is_empty() {
                true => std::fs::remove_file(&place).at("remove", &place)?,
                false => scratch::replace(&place, native[at].as_bytes())?,
            }
            expected.clone_from(&native[at]);
            tested.blessed.push(name.clone());
        }
        let mut differs = |side, found: &String| {
            let diff = expansion::diff(&expected, found);
            tested.differences.push(Difference { file: name.clone(), side, diff });
        };
        match (native[at] == expected, other[at] == expected) {
            (true, true) => {}
            (false, true) => differs("source", &native[at]),
            (true, false) => differs("packed", &other[at]),
            (false, false) if native[at] == other[at] => differs("both", &native[at]),
            (false, false) => {
                differs("source", &native[at]);
                differs("packed", &other[at]);
            }
        }
    }
    Ok(tested)
}

/// Whether a package has tests.
pub fn has_tests(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory.join(FOLDER)).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| is_test(&name.to_string_lossy()))
}

fn is_test(name: &str) -> bool {
    name.ends_with(".rs") && !name.ends_with(".expanded.rs")
}

/// The tests, by their paths in the package's directory.
fn files(options: &Options) -> Result<Vec<PathBuf>> {
    let folder = options.directory.join(FOLDER);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_wanted = options.only.is_empty() || options.only.iter().any(|o| name.contains(o));
        if is_test(&name) && is_wanted {
            files.push(Path::new(FOLDER).join(name));
        }
    }
    files.sort();
    match files.is_empty() {
        false => Ok(files),
        true => Err(Error::new(Class::Usage, format!("there is no test in {}", folder.display()))
            .help("put Rust files with uses of the macros there, and run this with `--bless`")),
    }
}

/// Compiles the macros as cargo does; the library.
fn native(options: &Options) -> Result<(Package, PathBuf)> {
    let mut command = cargo::command(&options.directory);
    command.args(["build", "--lib", "--message-format", "json"]);
    let features = &options.features;
    command.args(features.all.then_some("--all-features"));
    command.args(features.no_default.then_some("--no-default-features"));
    command.args(options.offline.then_some("--offline"));
    if !features.names.is_empty() {
        command.arg("--features").arg(features.names.join(","));
    }
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cannot compile the macros", &output.stderr));
    }
    let messages = output.stdout.lines().filter_map(|line| serde_json::from_str(line).ok());
    let is_it = |message: &Value| {
        message["reason"] == "compiler-artifact" && message["target"]["kind"][0] == "proc-macro"
    };
    // The package itself is compiled last.
    let Some(message) = messages.rev().find(is_it) else {
        let message = format!("{} is no macro package", options.directory.display());
        return Err(
            Error::new(Class::Usage, message).help("run this in a macro package's directory")
        );
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    let mut files: Vec<String> = all(&message["filenames"]);
    files.retain(|file| file.ends_with(std::env::consts::DLL_EXTENSION));
    let package = Package {
        crate_name: text(&message["target"]["name"]).replace('-', "_"),
        edition: text(&message["target"]["edition"]),
        features: all(&message["features"]),
    };
    Ok((package, files.into_iter().next().unwrap_or_default().into()))
}

/// Packs the macros with the same features; their shim.
fn packed(options: &Options, scratch: &Scratch, report: &dyn Report) -> Result<PathBuf> {
    report.step("packing them");
    let directory = options.directory.display().to_string();
    let spec = match directory.contains(['/', '\\']) || directory.starts_with('.') {
        true => directory,
        false => format!("./{directory}"),
    };
    let pack = PackOptions {
        specs: vec![spec],
        out: scratch.path().join("packed"),
        features: options.features.clone(),
        offline: options.offline,
        ..PackOptions::default()
    };
    let outcome = pack::pack(&pack, report)?.pop();
    let outcome = outcome.ok_or_else(|| Error::new(Class::Usage, "there is nothing to pack"))?;
    Ok(outcome.shim)
}

/// The library of a shim.
fn compiled(
    options: &Options,
    package: &Package,
    shim: &Path,
    scratch: &Scratch,
) -> Result<PathBuf> {
    let mut command = cargo::compiler(&options.directory);
    command.args(["--crate-type", "proc-macro", "--edition", &package.edition]);
    command.args(["--crate-name", &package.crate_name]).arg(shim.join("src/lib.rs"));
    let features = package.features.iter();
    command.args(features.flat_map(|name| ["--cfg".to_owned(), format!("feature={name:?}")]));
    command.arg("--out-dir").arg(scratch.path());
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cannot compile the shim", &output.stderr));
    }
    let file = format!("{}.{}", package.crate_name, std::env::consts::DLL_EXTENSION);
    Ok(scratch.path().join(format!("{}{file}", std::env::consts::DLL_PREFIX)))
}
