//! Shims that this machine's compiler has compiled before, kept in the store: cargo runs us in the
//! compiler's place (`build.rustc-wrapper`), and a clean build does not compile its shims again.
//!
//! The name by which we are run says that, and where the overlay is, so no variable reaches what cargo
//! runs. All that is not a shim of the overlay, compiled in a way that is known here, is the
//! compiler's alone. Nothing compiled leaves the machine: it is no artifact, and not exported.

use super::{config, directory};
use crate::error::{Class, Context, Error, Result};
use crate::graph::Request;
use crate::pack::stage::{self, hash_of, Files};
use crate::pack::toolchain;
use crate::pack::wrapper::escaped;
use crate::scratch::Scratch;
use crate::store::cache::Cache;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use toml_edit::DocumentMut;

/// Kind of the store's entries.
pub(crate) const KIND: &str = "compiled";

/// The name of the link to this program, in the overlay's directory.
const NAME: &str = "precast-rustc";

/// Raised when an entry's files come to mean something else.
const FORMAT: &str = "1";

/// Files of an entry: what the compiler wrote, in a folder, and what it said. The file that declares the macros is
/// among them, under its own path, for messages that show it.
const WRITTEN: &str = "out/";
const SAID: &str = "artifacts.json";
const ROOT: &str = "src/lib.rs";

/// What stands in a list of read files for the shim's folder, and for that of the output.
const FOLDER_MARK: &str = "{precast:shim}";
const OUT_MARK: &str = "{precast:out}";

/// Variables that change what a compiler or its linker writes.
const VARIABLES: [&str; 3] = ["RUSTC_BOOTSTRAP", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT"];

/// Options of the compiler that decide nothing about its output.
const TALK: [&str; 4] = ["--error-format", "--json", "--diagnostic-width", "--color"];

/// Options that are the same wherever they are given.
const PLAIN: [&str; 9] = [
    "--crate-name",
    "--edition",
    "--cfg",
    "--check-cfg",
    "--cap-lints",
    "--warn",
    "--allow",
    "--deny",
    "--forbid",
];

/// The same of `-C`. Not among them: what names files (`incremental`, `profile-use`) or this processor
/// (`target-cpu=native`).
const CODEGEN: [&str; 14] = [
    "codegen-units",
    "debug-assertions",
    "embed-bitcode",
    "extra-filename",
    "link-arg",
    "link-args",
    "linker",
    "linker-plugin-lto",
    "metadata",
    "opt-level",
    "overflow-checks",
    "panic",
    "prefer-dynamic",
    "strip",
];

/// Whether cargo ran us in the compiler's place; then this never returns. Call it first in `main` of
/// the program that gives [`wrapper`] to cargo.
pub fn run() {
    let mut args = std::env::args_os();
    let own = args.next().map(PathBuf::from).unwrap_or_default();
    let (Some(place), true) = (own.parent(), own.file_name().is_some_and(|name| name == NAME))
    else {
        return;
    };
    let args: Vec<OsString> = args.collect();
    let done = Unit::of(place, &args).and_then(|unit| unit.provide(&args));
    std::process::exit(done.unwrap_or_else(|| pass(&args)))
}

/// What to give cargo as `build.rustc-wrapper` for the overlay in `place`. None if the user's
/// configuration has a wrapper of its own, or the system no links.
pub fn wrapper(place: &Path, request: &Request) -> Result<Option<PathBuf>> {
    if !cfg!(unix) || has_wrapper(&request.directory) {
        return Ok(None);
    }
    let link = place.join(NAME);
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    if std::fs::read_link(&link).is_ok_and(|found| found == program) {
        return Ok(Some(link));
    }
    let scratch = Scratch::beside(&link)?;
    let new = scratch.path().join(NAME);
    directory::symlink(&program, &new).at("link", &program)?;
    std::fs::rename(&new, &link).at("create", &link)?;
    Ok(Some(link))
}

/// Whether cargo runs a program of the user's in the compiler's place.
fn has_wrapper(directory: &Path) -> bool {
    let variables = ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"];
    let is_configured = |document: &DocumentMut| {
        document.get("build").is_some_and(|build| build.get("rustc-wrapper").is_some())
    };
    variables.iter().any(|name| std::env::var_os(name).is_some())
        || config::documents(directory).iter().any(is_configured)
}

/// Runs the compiler as if we were not there.
fn pass(args: &[OsString]) -> i32 {
    let Some((rustc, args)) = args.split_first() else {
        eprintln!("error: precast: no compiler to run");
        return 1;
    };
    let mut command = Command::new(rustc);
    command.args(args);
    #[cfg(unix)]
    let failed = std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    let failed = match command.status() {
        Ok(status) => return status.code().unwrap_or(1),
        Err(error) => error,
    };
    eprintln!("error: precast: cannot run {}: {failed}", Path::new(rustc).display());
    1
}

/// A shim that is to be compiled.
#[derive(Debug, PartialEq, Eq)]
struct Unit {
    rustc: PathBuf,
    /// The shim's folder in the overlay.
    folder: PathBuf,
    out: PathBuf,
    /// The arguments that decide what is written.
    args: Vec<String>,
}

/// What the compiler wrote, as it told cargo.
#[derive(Serialize, Deserialize)]
struct Written {
    /// The file's name.
    name: String,
    /// `link`, `dep-info`
    emit: String,
}

impl Unit {
    /// None for all that is not a shim, or not compiled as cargo does it by default.
    fn of(place: &Path, args: &[OsString]) -> Option<Unit> {
        let args: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
        let args = args?;
        let (rustc, args) = args.split_first()?;
        // Before all else: most crates end here.
        if args.first() != Some(&"--crate-name") || !args.contains(&"proc-macro") {
            return None;
        }
        let (mut folder, mut out, mut kept) = (None, None, Vec::new());
        let mut rest = args.iter();
        while let Some(word) = rest.next() {
            if let Some(inside) = word.strip_suffix(ROOT) {
                folder = Some(Path::new(inside.trim_end_matches(['/', '\\'])).to_owned());
                continue;
            }
            let (name, value) = match word.split_once('=').filter(|_| word.starts_with("--")) {
                Some(parts) => parts,
                None if word.starts_with("-C") && word.len() > 2 => word.split_at(2),
                None => (*word, *rest.next()?),
            };
            match name {
                "--out-dir" => out = Some(PathBuf::from(value)),
                "--error-format" if value != "json" => return None,
                "--json" if !value.contains("artifacts") => return None,
                "--crate-type" if value != "proc-macro" => return None,
                "--emit" if value != "dep-info,link" => return None,
                // What the original's sources would be compiled with.
                "--extern" if value != "proc_macro" => return None,
                "-L" if !value.starts_with("dependency=") => return None,
                "-C" if !is_plain(value) => return None,
                "--crate-type" | "--emit" | "--extern" | "-L" => {}
                _ if TALK.contains(&name) => {}
                _ if name == "-C" || PLAIN.contains(&name) => kept.push(format!("{name} {value}")),
                _ => return None,
            }
        }
        let folder = folder.filter(|folder| {
            folder.starts_with(place) && folder.join("precast/manifest.json").is_file()
        })?;
        Some(Unit { rustc: rustc.into(), folder, out: out?, args: kept })
    }

    /// The compiler's exit code, or that of having what it would write. None if the store is of no use.
    fn provide(&self, args: &[OsString]) -> Option<i32> {
        let store = Store::open(None).ok()?;
        let cache = store.cache();
        let compiler = toolchain::described(&self.rustc, cache)?;
        let files = stage::read(&self.folder).ok()?;
        let key = self.key(&compiler, &files);
        if cache.read(KIND, &key).and_then(|entry| self.restore(&entry)).is_some() {
            return Some(0);
        }
        let from = self.folder.to_str()?;
        let to = cache.path(KIND, &key);
        let mut command = Command::new(&self.rustc);
        command.args(&args[1..]).arg(format!("--remap-path-prefix={from}={}", to.to_str()?));
        let output = command.output().ok()?;
        // Nothing can be done for who does not read it.
        let _ = std::io::stdout().write_all(&output.stdout);
        let _ = std::io::stderr().write_all(&output.stderr);
        if output.status.success() {
            // The next build compiles it again.
            let _ = self.keep(cache, &key, &output, &files);
        }
        Some(output.status.code().unwrap_or(1))
    }

    /// Stands for all that decides what the compiler writes.
    fn key(&self, compiler: &str, files: &Files) -> String {
        let mut parts: Vec<Vec<u8>> = vec![FORMAT.into(), compiler.into()];
        let variables = VARIABLES.iter().map(|name| std::env::var_os(name).unwrap_or_default());
        parts.extend(variables.map(|value| value.into_encoded_bytes()));
        parts.push(self.args.len().to_string().into());
        parts.extend(self.args.iter().map(|arg| arg.clone().into_bytes()));
        for (path, body) in files {
            parts.extend([path.clone().into_bytes(), body.clone()]);
        }
        let label = self.folder.file_name().unwrap_or_default().to_string_lossy();
        format!("{label}-{}", &hash_of(&parts)[..32])
    }

    /// Keeps what the compiler wrote, unless it said more than that.
    fn keep(&self, cache: &Cache, key: &str, output: &Output, files: &Files) -> Result<()> {
        let written = written(&output.stderr).ok_or_else(unusual)?;
        let mut kept = Files::new();
        for Written { name, emit } in &written {
            let file = self.out.join(name);
            let mut body = std::fs::read(&file).at("read", &file)?;
            if emit == "dep-info" {
                body = self.general(&body).ok_or_else(unusual)?;
            }
            kept.insert(format!("{WRITTEN}{name}"), body);
        }
        kept.insert(SAID.into(), serde_json::to_vec(&written).expect("a list of texts is JSON"));
        kept.insert(ROOT.into(), files.get(ROOT).ok_or_else(unusual)?.clone());
        let put = |entry: &Path| {
            kept.iter().try_for_each(|(path, body)| stage::put(&entry.join(path), body))
        };
        cache.put(KIND, key, put).map(drop)
    }

    /// Writes what was kept where the compiler would, and says so.
    fn restore(&self, entry: &Files) -> Option<()> {
        let written: Vec<Written> = serde_json::from_slice(entry.get(SAID)?).ok()?;
        let scratch = Scratch::inside(&self.out).ok()?;
        let mut said = String::new();
        for Written { name, emit } in &written {
            let mut body = entry.get(&format!("{WRITTEN}{name}"))?.clone();
            if emit == "dep-info" {
                body = self.own(&body)?;
            }
            let (new, file) = (scratch.path().join(name), self.out.join(name));
            std::fs::write(&new, body).ok()?;
            std::fs::rename(&new, &file).ok()?;
            let artifact = json!({ "$message_type": "artifact", "artifact": file, "emit": emit });
            said += &format!("{artifact}\n");
        }
        std::io::stderr().write_all(said.as_bytes()).ok()
    }

    /// A list of read files as it is for every place. None if the compiler has read of the environment.
    fn general(&self, list: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(list).ok()?;
        let general = text.replace(&escaped(self.folder.to_str()?), FOLDER_MARK);
        let general = general.replace(&escaped(self.out.to_str()?), OUT_MARK);
        (!general.contains("# env-dep:")).then(|| general.into_bytes())
    }

    /// The list for this place.
    fn own(&self, general: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(general).ok()?;
        let own = text.replace(FOLDER_MARK, &escaped(self.folder.to_str()?));
        Some(own.replace(OUT_MARK, &escaped(self.out.to_str()?)).into_bytes())
    }
}

/// Whether a setting of `-C` is one that means the same everywhere. What is for debuggers is not: it names files.
fn is_plain(setting: &str) -> bool {
    match setting.split_once('=') {
        Some(("debuginfo", value)) => matches!(value, "0" | "none"),
        Some(("split-debuginfo", _)) => true,
        Some((name, _)) => CODEGEN.contains(&name),
        None => CODEGEN.contains(&setting),
    }
}

/// The files that the compiler told of. None if it said anything else, such as a warning.
fn written(said: &[u8]) -> Option<Vec<Written>> {
    let lines = std::str::from_utf8(said).ok()?.lines();
    let written = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let is_artifact = value["$message_type"] == "artifact";
        let name = Path::new(value["artifact"].as_str()?).file_name()?.to_str()?.to_owned();
        is_artifact.then_some(Written { name, emit: value["emit"].as_str()?.to_owned() })
    };
    lines.map(written).collect()
}

fn unusual() -> Error {
    Error::new(Class::Other, "the compiler did more than it does for a shim")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGS: &str =
        "/bin/rustc --crate-name m --edition=2021 PLACE/crates-io/m-1.0.0-ab/src/lib.rs \
        --error-format=json --json=diagnostic-rendered-ansi,artifacts --crate-type proc-macro \
        --emit=dep-info,link -C prefer-dynamic -C embed-bitcode=no --cfg feature=\"a\" \
        -C metadata=1 -C extra-filename=-1 --out-dir OUT -L dependency=OUT --extern proc_macro \
        --cap-lints allow";

    fn check(change: impl Fn(String) -> String) -> Option<Unit> {
        let place = tempfile::tempdir().unwrap();
        let shim = place.path().join("crates-io/m-1.0.0-ab");
        stage::put(&shim.join("precast/manifest.json"), b"{}").unwrap();
        let text = change(ARGS.to_owned()).replace("PLACE", place.path().to_str().unwrap());
        let args: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        Unit::of(place.path(), &args)
    }

    #[test]
    fn shims_are_known() {
        let unit = check(|args| args).unwrap();
        assert_eq!((unit.rustc, unit.out), ("/bin/rustc".into(), "OUT".into()));
        assert!(unit.folder.ends_with("m-1.0.0-ab"));
        let kept = ["--crate-name m", "--edition 2021", "-C prefer-dynamic", "-C embed-bitcode=no"];
        assert_eq!(&unit.args[..4], kept);
        // What decides nothing about the output is not looked at.
        let args = unit.args;
        assert_eq!(check(|args| args + " --diagnostic-width=80").unwrap().args, args);
        assert_eq!(check(|args| args.replace("OUT", "/else")).unwrap().args, args);
        assert_ne!(check(|args| args + " -Copt-level=3").unwrap().args, args);
        assert_ne!(check(|args| args + " --cfg precast_portable").unwrap().args, args);
    }

    #[test]
    fn all_else_is_the_compilers() {
        let all_else = [
            ("--crate-type proc-macro", "--crate-type lib"),
            ("dep-info,link", "dep-info,metadata,link"),
            ("--extern proc_macro", "--extern syn=libsyn.rlib"),
            ("PLACE", "/other/place"),
            ("m-1.0.0-ab", "no-shim"),
            ("-C prefer-dynamic", "-C debuginfo=2"),
            ("-C prefer-dynamic", "-C incremental=dir"),
            ("-C prefer-dynamic", "-C target-cpu=native"),
            ("-C prefer-dynamic", "-Zself-profile"),
            ("-C prefer-dynamic", "-L native=dir"),
            ("/bin/rustc", "/bin/clippy-driver /bin/rustc"),
            ("--error-format=json", "--error-format=human"),
        ];
        for (from, to) in all_else {
            assert_eq!(check(|args| args.replace(from, to)), None, "{to}");
        }
    }

    #[test]
    fn lists_of_files_fit_every_place() {
        let unit = |place: &str| Unit {
            rustc: "rustc".into(),
            folder: format!("{place}/m-1").into(),
            out: format!("{place}/out").into(),
            args: Vec::new(),
        };
        let list = |place: &str| format!("{place}/out/m.so: {place}/m-1/src/lib.rs\n");
        let general = unit("/a b").general(list("/a\\ b").as_bytes()).unwrap();
        assert_eq!(unit("/c").own(&general).unwrap(), list("/c").into_bytes());
        assert_eq!(unit("/a").general(b"m.so: /a/m-1\n# env-dep:HOME=/root\n"), None);
    }

    #[test]
    fn what_the_compiler_says() {
        let artifact = r#"{"$message_type":"artifact","artifact":"/o/m.d","emit":"dep-info"}"#;
        let found = written(artifact.as_bytes()).unwrap();
        assert_eq!((found[0].name.as_str(), found[0].emit.as_str()), ("m.d", "dep-info"));
        let warning = r#"{"$message_type":"diagnostic","message":"unused"}"#;
        assert!(written(format!("{artifact}\n{warning}\n").as_bytes()).is_none());
        assert!(written(b"note: not JSON").is_none());
    }
}
