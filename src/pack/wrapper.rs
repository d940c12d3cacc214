//! The program as `RUSTC_WRAPPER`: how a wasm crate's compilation differs from cargo's idea of it.
//!
//! Host crates (build scripts, macros that macros use) are passed through untouched. A wasm crate
//! gets the guest as its `proc_macro`, the sysroot and linker of the wasm toolchain, a `-C metadata`
//! that does not depend on the host, remapped paths, and rewritten sources where it needs them.

use super::stage::hash_of;
use crate::error::{Class, Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set while cargo runs us as its wrapper.
pub const WRAPPER: &str = "PRECAST_WRAPPER";
/// Path of the [`Config`].
pub const CONFIG: &str = "PRECAST_WRAPPER_CONFIG";

/// Whether this program can act as the wrapper: its `main` has called [`run`].
static READY: AtomicBool = AtomicBool::new(false);

/// What the wrapper needs to know, written once per build directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    pub target: String,
    /// The guest's rlib; none while the sysroot itself is built.
    pub guest: Option<PathBuf>,
    /// A locally built sysroot.
    pub sysroot: Option<PathBuf>,
    pub linker: PathBuf,
    /// Directory for rewritten copies.
    pub sources: PathBuf,
    /// Path prefixes and what they become, besides the package's own.
    pub remap: Vec<(PathBuf, String)>,
    /// More flags for every wasm crate.
    pub flags: Vec<String>,
}

/// Call this first in `main` of every program that calls [`crate::pack`]: cargo then runs the
/// program again for each crate, and this never returns. Else it does nothing.
pub fn run() {
    READY.store(true, Ordering::Relaxed);
    if std::env::var_os(WRAPPER).is_none() {
        return;
    }
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let code = wrap(&args).unwrap_or_else(|error| {
        eprintln!("error: precast: {error}");
        1
    });
    std::process::exit(code);
}

/// The program to give cargo as its wrapper.
pub fn program() -> Result<PathBuf> {
    if !READY.load(Ordering::Relaxed) {
        let error = Error::new(Class::Other, "this program cannot act as cargo's wrapper");
        return Err(error.help("call precast::pack::wrapper::run() first in main"));
    }
    std::env::current_exe().context("cannot find this program's own file")
}

fn wrap(args: &[OsString]) -> Result<i32> {
    let (rustc, args) =
        args.split_first().ok_or_else(|| Error::new(Class::Usage, "no compiler to wrap"))?;
    let mut command = Command::new(rustc);
    command.env_remove(WRAPPER).env_remove(CONFIG);
    let text: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
    let mut copied = None;
    match text {
        Some(text) => {
            let (changed, copy) = change(&text)?;
            copied = copy.map(|copy| (copy, dep_info(&text)));
            command.args(changed)
        }
        None => command.args(args),
    };
    let status = command.status().at("run", Path::new(rustc))?;
    if let (true, Some((copy, Some(path)))) = (status.success(), copied) {
        name_originals(&path, &copy)?;
    }
    if status.code().is_none() {
        // Cargo sees only how we end.
        eprintln!("error: precast: the compiler was ended by a {status}");
    }
    Ok(status.code().unwrap_or(1))
}

/// A package's directory, and that of its rewritten copy.
struct Copied {
    package: PathBuf,
    copy: PathBuf,
}

/// Where rustc writes which files it has read.
fn dep_info(args: &[&str]) -> Option<PathBuf> {
    let codegen = |name| args.iter().find_map(|arg| arg.strip_prefix(name)).unwrap_or_default();
    let name = format!("{}{}.d", value_of(args, "--crate-name")?, codegen("extra-filename="));
    Some(Path::new(value_of(args, "--out-dir")?).join(name))
}

/// Cargo compiles again when a file of this list has changed: it must name the package's own files,
/// for those of a copy never change.
fn name_originals(dep_info: &Path, copied: &Copied) -> Result<()> {
    // Which files rustc reads may not be asked for.
    let Ok(text) = std::fs::read_to_string(dep_info) else { return Ok(()) };
    let listed = |path: &Path| escaped(&path_text(path));
    let text = text.replace(&listed(&copied.copy), &listed(&copied.package));
    std::fs::write(dep_info, text).at("write", dep_info)
}

/// A path as the compiler writes it in a list of files.
pub(crate) fn escaped(path: &str) -> String {
    path.replace(' ', "\\ ")
}

/// The compiler's arguments, changed if they compile for the wasm target.
fn change(args: &[&str]) -> Result<(Vec<String>, Option<Copied>)> {
    let mut changed: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let path = std::env::var_os(CONFIG)
        .ok_or_else(|| Error::new(Class::Other, format!("{CONFIG} is not set")))?;
    let text = std::fs::read_to_string(&path).at("read", Path::new(&path))?;
    let config: Config = serde_json::from_str(&text).at("read", Path::new(&path))?;
    // Cargo's questions to the compiler must be answered as by the compiler alone.
    let asks = args.iter().any(|arg| arg.starts_with("--print"));
    if asks || value_of(args, "--target") != Some(&config.target) {
        return Ok((changed, None));
    }
    let package = Package::from_environment();
    if let Some(at) = args.iter().position(|arg| arg.starts_with("metadata=")) {
        changed[at] = format!("metadata={}", package.metadata(args));
    }
    let mut copy = None;
    if let (Some(at), Some(package)) = (input(args), &package.directory) {
        // A member's file is named from where its workspace is.
        let file = std::env::current_dir().unwrap_or_default().join(args[at]);
        let inside = file.strip_prefix(package).unwrap_or(Path::new(args[at]));
        if config.guest.is_some() {
            let is_old = matches!(value_of(args, "--edition"), None | Some("2015"));
            let root = is_old.then(|| inside.to_string_lossy().replace('\\', "/"));
            copy = super::stage::rewritten_copy(package, &config.sources, root.as_deref())?;
        }
        if let Some(copy) = &copy {
            if copy.join(inside).is_file() {
                changed[at] = path_text(&copy.join(inside));
            }
        }
    }
    changed.extend(added(&config, &package, copy.as_deref()));
    changed.extend(native_cfgs(args).iter().flat_map(|cfg| ["--cfg".into(), (*cfg).into()]));
    let copied = package.directory.zip(copy).map(|(package, copy)| Copied { package, copy });
    Ok((changed, copied))
}

/// What the build script of an old proc-macro2 says for every target but wasm, where it takes
/// `proc_macro` for missing.
fn native_cfgs(args: &[&str]) -> &'static [&'static str] {
    let has = |cfg: &str| args.contains(&cfg);
    let is_asked =
        value_of(args, "--crate-name") == Some("proc_macro2") && has("feature=\"proc-macro\"");
    match is_asked && !has("wrap_proc_macro") {
        true => &["use_proc_macro", "wrap_proc_macro"],
        false => &[],
    }
}

/// Flags put after cargo's own, where the last one wins.
fn added(config: &Config, package: &Package, copy: Option<&Path>) -> Vec<String> {
    let mut flags = vec!["--cap-lints".into(), "allow".into()];
    flags.push(format!("-Clinker={}", path_text(&config.linker)));
    if let Some(guest) = &config.guest {
        flags.push("--extern".into());
        flags.push(format!("proc_macro={}", path_text(guest)));
        let directory = guest.parent().expect("the guest lies in the cache");
        flags.push(format!("-Ldependency={}", path_text(directory)));
    }
    if let Some(sysroot) = &config.sysroot {
        flags.push(format!("--sysroot={}", path_text(sysroot)));
    }
    for (from, to) in &config.remap {
        flags.push(format!("--remap-path-prefix={}={to}", path_text(from)));
    }
    let is_remapped = |path: &Path| config.remap.iter().any(|(from, _)| path.starts_with(from));
    // Members of a workspace are compiled where that is.
    let here = std::env::current_dir().unwrap_or_default();
    if package.directory.as_ref().is_some_and(|own| own.starts_with(&here) && *own != here) {
        flags.push(format!("--remap-path-prefix={}=/workspace", path_text(&here)));
    }
    // The last match wins, hence the most specific ones last.
    for (from, inside) in
        [(package.directory.as_deref(), ""), (copy, ""), (package.out_directory.as_deref(), "/out")]
    {
        if let Some(from) = from.filter(|from| !is_remapped(from)) {
            let to = format!("/{}{inside}", package.label);
            flags.push(format!("--remap-path-prefix={}={to}", path_text(from)));
        }
    }
    flags.extend(config.flags.iter().cloned());
    flags
}

/// The package that is compiled, as cargo tells it in the environment.
struct Package {
    /// `serde_derive-1.0.229`
    label: String,
    directory: Option<PathBuf>,
    out_directory: Option<PathBuf>,
}

impl Package {
    fn from_environment() -> Package {
        let text = |name| std::env::var(name).unwrap_or_default();
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Package {
            label: format!("{}-{}", text("CARGO_PKG_NAME"), text("CARGO_PKG_VERSION")),
            directory: path("CARGO_MANIFEST_DIR"),
            out_directory: path("OUT_DIR"),
        }
    }

    /// What tells two crates of one build apart, whatever the host: cargo's own value also covers
    /// host dependencies and paths.
    fn metadata(&self, args: &[&str]) -> String {
        let mut features: Vec<&str> =
            args.iter().copied().filter(|arg| arg.starts_with("feature=")).collect();
        features.sort_unstable();
        let mut parts = vec![self.label.as_str()];
        parts.extend(value_of(args, "--crate-name"));
        parts.extend(features);
        let types = args.windows(2).filter(|pair| pair[0] == "--crate-type").map(|pair| pair[1]);
        parts.extend(types);
        hash_of(&parts)[..16].to_owned()
    }
}

fn value_of<'a>(args: &[&'a str], option: &str) -> Option<&'a str> {
    args.iter().enumerate().find_map(|(at, arg)| {
        let rest = arg.strip_prefix(option)?;
        if rest.is_empty() {
            return args.get(at + 1).copied();
        }
        rest.strip_prefix('=')
    })
}

/// Index of the crate's root file.
fn input(args: &[&str]) -> Option<usize> {
    args.iter().position(|arg| arg.ends_with(".rs") && !arg.starts_with('-'))
}

fn path_text(path: &Path) -> String {
    path.to_str()
        .expect("paths of the cache and of cargo's home were checked to be text")
        .to_owned()
}

/// Makes cargo run us for every crate, with this configuration, which is kept in `directory`.
pub fn configure(cargo: &mut Command, config: &Config, directory: &Path) -> Result<()> {
    let path = directory.join("wrapper.json");
    let text = serde_json::to_vec_pretty(config).expect("paths of the cache are text");
    std::fs::write(&path, text).at("write", &path)?;
    cargo.env("RUSTC_WRAPPER", program()?).env(WRAPPER, "1").env(CONFIG, path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::native_cfgs;

    #[test]
    fn old_proc_macro2() {
        let library = ["--crate-name", "proc_macro2", "--cfg", "feature=\"proc-macro\""];
        assert_eq!(native_cfgs(&library), ["use_proc_macro", "wrap_proc_macro"]);
        assert!(native_cfgs(&[&library[..], &["--cfg", "wrap_proc_macro"]].concat()).is_empty());
        assert!(native_cfgs(&library[..2]).is_empty());
        assert!(native_cfgs(&["--crate-name", "syn", library[2], library[3]]).is_empty());
    }
}
