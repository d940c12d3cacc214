//! `cargo xtask suites`: the test suites that crates publish, run with a macro and with its shim.
//!
//! A scratch package takes over a published package's tests and development dependencies and
//! depends on the package itself, so that one `[patch]` replaces the macro. Every test must end the
//! same way on both sides. Where no tests are published, examples in the documentation or examples
//! with transcripts take their place.

mod documented;
mod package;
pub mod record;
mod transcripts;

pub use package::copy;

use crate::run::{capture, cargo, cargo_precast, clear, command, scratch, Result};
use record::Counts;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is run of a published package.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Tests,
    /// Examples, and what they print according to transcripts.
    Transcripts,
    /// Examples in the documentation of the macro crate itself.
    Documented,
}

/// A package whose published `.crate` has tests.
struct Suite {
    form: Form,
    /// The package with the tests, its version and features.
    package: &'static str,
    version: &'static str,
    features: &'static [&'static str],
    /// The macro crate that is replaced, its version and the features to pack.
    macros: &'static str,
    macros_version: &'static str,
    macros_features: &'static str,
    /// Dependencies which the tests have under no version, as TOML.
    more: &'static str,
    /// Files which the published package cannot compile or run alone, each with the reason.
    left_out: &'static [(&'static str, &'static str)],
}

const PLAIN: Suite = Suite {
    form: Form::Tests,
    package: "",
    version: "",
    features: &[],
    macros: "",
    macros_version: "",
    macros_features: "",
    more: "",
    left_out: &[],
};

const UNPUBLISHED: &str = "it needs an unpublished package";
const NEEDS_CFG: &str = "it needs a `--cfg` for the macro itself";

/// serde, strum and clap publish no tests of their macros. serde_json's use serde_derive; clap has
/// transcripts of its examples, and strum's macros are documented by examples.
const SUITES: &[Suite] = &[
    Suite {
        package: "thiserror",
        version: "2.0.21",
        macros: "thiserror-impl",
        macros_version: "2.0.21",
        ..PLAIN
    },
    Suite {
        package: "async-trait",
        version: "0.1.92",
        macros: "async-trait",
        macros_version: "0.1.92",
        ..PLAIN
    },
    Suite {
        package: "num-derive",
        version: "0.5.1",
        macros: "num-derive",
        macros_version: "0.5.1",
        ..PLAIN
    },
    Suite {
        package: "serde_json",
        version: "1.0.154",
        macros: "serde_derive",
        macros_version: "1.0.229",
        more: "serde_derive = \"1\"\n",
        left_out: &[("lexical", "it includes the crate's own sources")],
        ..PLAIN
    },
    Suite {
        package: "derive_more",
        version: "2.1.1",
        features: &["full"],
        macros: "derive_more-impl",
        macros_version: "2.1.1",
        macros_features: "full",
        more: "derive_more-impl = \"2.1.1\"\n",
        left_out: &[("compile_fail", "it compares diagnostics of another compiler")],
        ..PLAIN
    },
    Suite {
        package: "zerocopy-derive",
        version: "0.8.63",
        macros: "zerocopy-derive",
        macros_version: "0.8.63",
        more: "zerocopy_renamed = { package = \"zerocopy\", version = \"0.8.63\", \
               features = [\"derive\"] }\n",
        left_out: &[
            ("ui", UNPUBLISHED),
            ("deprecated", NEEDS_CFG),
            ("invariant", NEEDS_CFG),
            ("issue_2880", NEEDS_CFG),
            ("on_error", NEEDS_CFG),
            ("union_to_bytes", NEEDS_CFG),
            ("union_try_from_bytes", NEEDS_CFG),
        ],
        ..PLAIN
    },
    Suite {
        package: "tracing-attributes",
        version: "0.1.31",
        macros: "tracing-attributes",
        macros_version: "0.1.31",
        more: "tracing-mock = \"0.1.0-beta.3\"\n",
        left_out: &[
            ("async_fn", UNPUBLISHED),
            ("err", UNPUBLISHED),
            ("follows_from", UNPUBLISHED),
            ("ret", UNPUBLISHED),
            ("ui", "it compares diagnostics of another compiler"),
        ],
        ..PLAIN
    },
    Suite {
        form: Form::Transcripts,
        package: "clap",
        version: "4.6.7",
        features: &["cargo", "derive", "env", "string"],
        macros: "clap_derive",
        macros_version: "4.6.7",
        more: "clap-cargo = { version = \"0.15.2\", default-features = false }\n\
               jiff = \"0.2\"\nsemver = \"1\"\nshlex = \"2\"\n",
        ..PLAIN
    },
    Suite {
        form: Form::Documented,
        package: "strum_macros",
        version: "0.28.0",
        macros: "strum_macros",
        macros_version: "0.28.0",
        more: "strum = \"0.28\"\n",
        ..PLAIN
    },
];

/// How tests ended, by file and name.
type Results = BTreeMap<String, String>;

impl Suite {
    fn id(&self) -> String {
        format!("{}-{}", self.package, self.version)
    }
}

pub fn suites(args: &[&str]) -> Result {
    let is_written = args.contains(&"--write");
    let rest: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--write").collect();
    let only: Vec<&str> = match rest.as_slice() {
        [] => SUITES.iter().map(|suite| suite.package).collect(),
        ["--only", names] => names.split(',').collect(),
        _ => return Err("the options of suites are --only NAME and --write".into()),
    };
    if let Some(unknown) = only.iter().find(|name| SUITES.iter().all(|s| s.package != **name)) {
        return Err(format!("there is no suite of `{unknown}`"));
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for suite in SUITES.iter().filter(|suite| only.contains(&suite.package)) {
        match one(suite) {
            Ok(counts) => {
                println!("{}", line(suite, &counts));
                done.push((suite, counts));
            }
            Err(e) => {
                println!("{}: {e}", suite.id());
                failed.push(suite.package);
            }
        }
    }
    if is_written {
        record::write(&done)?;
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("not as with the original: {}", failed.join(", "))),
    }
}

fn line(suite: &Suite, counts: &Counts) -> String {
    let left_out: Vec<&str> = suite.left_out.iter().map(|(file, _)| *file).collect();
    let without = match left_out.is_empty() {
        true => String::new(),
        false => format!("; without {}", left_out.join(", ")),
    };
    let Counts { passed, failed, ignored } = counts;
    format!(
        "{:28} {passed:4} passed, {failed} failed, {ignored} ignored, the same with the shim of \
         {}@{}{without}",
        suite.id(),
        suite.macros,
        suite.macros_version
    )
}

fn one(suite: &Suite) -> Result<Counts> {
    let folder = scratch("suites").join(suite.package);
    let packed = scratch("suites").join("packed");
    let mut pack = command(cargo_precast()?);
    let spec = format!("{}@{}", suite.macros, suite.macros_version);
    pack.args(["precast", "pack", "--quiet", &spec, "-o"]).arg(&packed);
    if !suite.macros_features.is_empty() {
        pack.args(["--features", suite.macros_features]);
    }
    capture(&mut pack)?;
    let shim = packed.join(format!("{}-{}", suite.macros, suite.macros_version));
    clear(&folder)?;
    let (native, ours) = match suite.form {
        Form::Tests => {
            package::write(&folder, suite)?;
            both(&folder, suite, &shim, run)?
        }
        Form::Transcripts => {
            transcripts::prepare(&folder, suite)?;
            both(&folder, suite, &shim, transcripts::run)?
        }
        Form::Documented => {
            let published = package::head(&folder, suite)?.published;
            documented::prepare(&folder, &published, suite)?;
            let native = documented::run(&folder)?;
            documented::prepare(&folder, &shim, suite)?;
            (native, documented::run(&folder)?)
        }
    };
    let differs = |name: &&String| native.get(*name) != ours.get(*name);
    if let Some(name) = native.keys().chain(ours.keys()).find(differs) {
        let show = |side: &Results| side.get(name).cloned().unwrap_or("not there".into());
        return Err(format!("{name}: native {}, shim {}", show(&native), show(&ours)));
    }
    let n = |end: &str| native.values().filter(|found| found.starts_with(end)).count();
    if n("ok") == 0 {
        return Err("no test passes natively".into());
    }
    Ok(Counts { passed: n("ok"), failed: n("FAILED"), ignored: n("ignored") })
}

/// The results with the original, then those with the shim in its place.
fn both(
    folder: &Path,
    suite: &Suite,
    shim: &Path,
    run: fn(&Path) -> Result<Results>,
) -> Result<(Results, Results)> {
    let native = run(folder)?;
    package::patch(folder, suite.macros, shim)?;
    let ours = run(folder)?;
    check_patched(folder)?;
    Ok((native, ours))
}

/// Runs all tests; a failing one is a result, a package that does not compile is an error.
fn run(folder: &Path) -> Result<Results> {
    let mut test = cargo();
    test.current_dir(folder).args(["test", "--no-fail-fast", "--tests", "--target-dir"]);
    test.arg(scratch("suites").join("target")).args(["--", "--test-threads", "2"]);
    let output = test.output().map_err(|e| format!("cannot start cargo: {e}"))?;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("could not compile") {
        let from = err.find("error").unwrap_or(0);
        return Err(format!("the tests do not compile\n{}", &err[from..]));
    }
    let mut results = Results::new();
    // The programs' names are on one stream and what they say on the other, in the same order.
    let files = err.lines().filter_map(|line| line.trim().strip_prefix("Running "));
    let files: Vec<&str> =
        files.map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    let mut n_files = 0;
    for line in out.lines() {
        if line.starts_with("running ") && line.contains(" test") {
            n_files += 1;
        } else if let Some((name, end)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        {
            let file = files.get(n_files.max(1) - 1).copied().unwrap_or_default();
            let end = end.split([',', ' ']).next().unwrap_or_default();
            results.insert(format!("{file} {name}"), end.to_owned());
        }
    }
    Ok(results)
}

/// A patch that cargo does not use would compare the original with itself.
fn check_patched(folder: &Path) -> Result {
    let lock: PathBuf = folder.join("Cargo.lock");
    let text = std::fs::read_to_string(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    match text.contains("[[patch.unused]]") {
        true => Err("the tests do not use that version of the macro".into()),
        false => Ok(()),
    }
}
