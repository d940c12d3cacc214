//! The program as `RUSTC_WRAPPER`: how a wasm crate's compilation differs from cargo's idea of it.
//!
//! A wasm crate gets the guest as its `proc_macro` and its `std`, the sysroot and linker of the wasm
//! toolchain, a `-C metadata` that does not depend on the host, remapped paths, and rewritten sources
//! where it needs them. What the macro crate and build scripts ask of their system is answered as
//! natively, if it then compiles. Crates of this machine (macros that macros use) stay as they are but
//! for macros that write `#[proc_macro]`; build scripts are started by [`script`].

use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::{self, hash_of};
use crate::base::scratch;
use crate::pack::compile::script;
#[doc(hidden)]
pub use crate::pack::compiler::wrapping::program;
use crate::pack::compiler::wrapping::{
    path_text, program_file, Config, CONFIG, NOTE, READY, UNIT, WRAPPER,
};
use crate::pack::source::rewrite::{rewrite, rewrite_quotations, PREFIX};
use crate::pack::source::stage;
use crate::runtime::wasi::OUT;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;

/// Call this first in `main` of every program that calls [`crate::pack`]: cargo then runs the
/// program again for each crate and build script, and this never returns. Else it does nothing.
pub fn run() {
    READY.store(true, Ordering::Relaxed);
    if std::env::var_os(WRAPPER).is_none() {
        return;
    }
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let code = match script::started_as() {
        Some(script) => Config::read().and_then(|config| script::launch(&script, &config.target)),
        None => wrap(&args),
    };
    std::process::exit(code.unwrap_or_else(|error| {
        eprintln!("error: precast: {error}");
        1
    }));
}

fn wrap(args: &[OsString]) -> Result<i32> {
    let (rustc, args) =
        args.split_first().ok_or_else(|| Error::new(Class::Usage, "no compiler to wrap"))?;
    let rustc = Path::new(rustc);
    let text: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
    let Some(text) = text else {
        return pass(compiler(rustc).args(args), rustc);
    };
    let config = Config::read()?;
    let is_probe = std::env::var_os(script::PROBE).is_some();
    let probe = is_probe.then(|| probe(&text, &config.target)).flatten();
    let text = match &probe {
        Some(probe) => probe.iter().map(String::as_str).collect(),
        None => text,
    };
    // Cargo's questions to the compiler must be answered as by the compiler alone.
    if text.iter().any(|arg| arg.starts_with("--print")) {
        return pass(compiler(rustc).args(text), rustc);
    }
    match value_of(&text, "--target") == Some(&config.target) {
        true => for_wasm(rustc, &text, &config),
        false => for_host(rustc, &text, &config),
    }
}

/// A compiler that knows nothing of us.
fn compiler(rustc: &Path) -> Command {
    let mut command = Command::new(rustc);
    command.env_remove(WRAPPER).env_remove(CONFIG);
    // Here macros are what cargo was asked for; natively they are what others need.
    command.env_remove("CARGO_PRIMARY_PACKAGE");
    command
}

/// A compiler that has ended, and what it said that cargo does not know yet.
struct Ended {
    code: i32,
    said: Vec<u8>,
}

impl Ended {
    fn tell(self) -> Result<i32> {
        std::io::stderr().write_all(&self.said).context("cannot answer cargo")?;
        Ok(self.code)
    }
}

/// Runs the compiler with its messages passed on as they come.
fn pass(command: &mut Command, rustc: &Path) -> Result<i32> {
    Ok(code_of(command.status().at("run", rustc)?))
}

/// Runs the compiler with its complaints held back. That a library can be used already is passed on: cargo
/// then starts the crates that wait for it.
fn attempt(command: &mut Command, rustc: &Path) -> Result<Ended> {
    let mut child = command.stderr(Stdio::piped()).spawn().at("run", rustc)?;
    let mut lines = BufReader::new(child.stderr.take().expect("stderr was piped"));
    let (mut said, mut line) = (Vec::new(), Vec::new());
    while lines.read_until(b'\n', &mut line).at("hear", rustc)? > 0 {
        match line.starts_with(b"{\"$message_type\":\"artifact\"") {
            true => std::io::stderr().write_all(&line).context("cannot answer cargo")?,
            false => said.extend_from_slice(&line),
        }
        line.clear();
    }
    let status = child.wait().at("wait for", rustc)?;
    Ok(Ended { code: code_of(status), said })
}

fn code_of(status: ExitStatus) -> i32 {
    if status.code().is_none() {
        // Cargo sees only how we end.
        eprintln!("error: precast: the compiler was ended by a {status}");
    }
    status.code().unwrap_or(1)
}

/// Compiles for wasm with what holds natively, and where that does not compile, with what holds for wasm.
fn for_wasm(rustc: &Path, args: &[&str], config: &Config) -> Result<i32> {
    let package = Package::from_environment();
    let (mut arguments, copied) = change(args, &package, config)?;
    // Cargo names the crates that it builds. What a build script tries must fail where it fails.
    let is_unit =
        std::env::var(UNIT).is_ok_and(|name| value_of(args, "--crate-name") == Some(&name));
    if !is_unit || config.guest.is_none() {
        return pass(compiler(rustc).args(arguments), rustc);
    }
    let with_host = |arguments: &[String]| -> Result<Command> {
        let cfgs = script::host_cfgs(rustc)?;
        let cfgs = cfgs.iter().filter(|cfg| is_of_system(cfg));
        let mut command = compiler(rustc);
        command.args(arguments).args(cfgs.flat_map(|cfg| ["--cfg", cfg]));
        Ok(command)
    };
    let plain = |arguments: &[String]| {
        let mut command = compiler(rustc);
        command.args(arguments);
        command
    };
    let mut is_native = true;
    let mut ended;
    if value_of(args, "--crate-type") == Some("cdylib") {
        arguments.extend(["--cfg".into(), "proc_macro".into()]);
        let moved = package.moved_variables();
        ended = attempt(with_host(&arguments)?.envs(moved.iter().cloned()), rustc)?;
        if ended.code != 0 && !moved.is_empty() {
            ended = attempt(&mut with_host(&arguments)?, rustc)?;
        }
        if ended.code != 0 {
            is_native = false;
            ended = attempt(&mut plain(&arguments), rustc)?;
        }
    } else {
        // If nothing compiles, the first complaints are those of a native build.
        ended = attempt(&mut plain(&arguments), rustc)?;
        if ended.code != 0 {
            if let Some(mut command) = with_script_for_wasm(rustc, &arguments, &package)? {
                let other = attempt(&mut command, rustc)?;
                if other.code == 0 {
                    (ended, is_native) = (other, false);
                }
            }
        }
        if ended.code != 0 {
            let other = attempt(&mut with_host(&arguments)?, rustc)?;
            if other.code == 0 {
                ended = other;
            }
        }
    }
    if let (0, Some(dep_info)) = (ended.code, dep_info(args)) {
        if let Some(copied) = copied {
            name_originals(&dep_info, &copied)?;
        }
        note(&dep_info, is_native)?;
    }
    ended.tell()
}

/// The compiler with what the package's build script finds for wasm, if that is something else than what
/// it has found.
fn with_script_for_wasm(
    rustc: &Path,
    arguments: &[String],
    package: &Package,
) -> Result<Option<Command>> {
    let (Some(out), Some(directory)) = (&package.out_directory, &package.directory) else {
        return Ok(None);
    };
    let Some((host, wasm)) = script::for_wasm(out, directory)? else { return Ok(None) };
    let mut command = compiler(rustc);
    for (name, _) in &host.environment {
        command.env_remove(name);
    }
    command.envs(wasm.environment).env("OUT_DIR", &wasm.out);
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let is_hosts = |cfg: &&&String| host.cfgs.contains(cfg);
        if argument == "--cfg" && rest.peek().filter(is_hosts).is_some() {
            rest.next();
        } else {
            command.arg(argument);
        }
    }
    command.args(wasm.cfgs.iter().flat_map(|cfg| ["--cfg", cfg]));
    let to = format!("/{}/out", package.label);
    command.arg(format!("--remap-path-prefix={}={to}", path_text(&wasm.out)));
    Ok(Some(command))
}

/// Whether a `cfg` tells the system, not what its processor or the compiler can do.
fn is_of_system(cfg: &str) -> bool {
    const NAMES: [&str; 8] = [
        "target_abi",
        "target_arch",
        "target_env",
        "target_family",
        "target_os",
        "target_pointer_width",
        "target_vendor",
        "target_endian",
    ];
    let name = cfg.split('=').next().unwrap_or(cfg);
    ["unix", "windows"].contains(&name) || NAMES.contains(&name)
}

/// Remembers beside the list of files whether the crate was compiled as natively.
fn note(dep_info: &Path, is_native: bool) -> Result<()> {
    let note = dep_info.with_extension(NOTE);
    match is_native {
        true if note.exists() => std::fs::remove_file(&note).at("remove", &note),
        true => Ok(()),
        false => std::fs::write(&note, "").at("write", &note),
    }
}

/// A crate of this machine: a build script, or a macro that macros use, and what those need.
fn for_host(rustc: &Path, args: &[&str], config: &Config) -> Result<i32> {
    let mut command = compiler(rustc);
    let name = value_of(args, "--crate-name").unwrap_or_default();
    let Some(guest) = &config.guest else {
        return pass(command.args(args), rustc);
    };
    if script::is_script(name) {
        let code = pass(command.args(args), rustc)?;
        let program =
            dep_info(args).map(|list| list.with_extension(std::env::consts::EXE_EXTENSION));
        if let (0, Some(program)) = (code, program.filter(|program| program.is_file())) {
            script::replace(&program, &program_file()?)?;
        }
        return Ok(code);
    }
    let mut changed: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let package = Package::from_environment();
    let mut copied = None;
    if let (Some(at), Some(directory)) = (input(args), &package.directory) {
        let copy = stage::rewritten_copy(directory, &config.sources, rewrite_quotations)?;
        copied = moved(&mut changed[at], directory, copy.folder);
    }
    // The macros that it uses may have been rewritten so.
    changed.extend(["--cap-lints".into(), "allow".into(), "--extern".into()]);
    changed.push(format!("{PREFIX}={}", path_text(&guest.attributes)));
    let code = pass(command.args(changed).env("PRECAST_NATIVE", "1"), rustc)?;
    if let (0, Some(copied), Some(dep_info)) = (code, copied, dep_info(args)) {
        name_originals(&dep_info, &copied)?;
    }
    Ok(code)
}

/// The arguments of a build script's probe, changed to compile for wasm; none if it only asks, or makes
/// a program that the script could run.
fn probe(args: &[&str], target: &str) -> Option<Vec<String>> {
    let types = |name: &str| value_of(args, "--crate-type").is_some_and(|kind| kind.contains(name));
    let is_library = types("lib") && !types("proc-macro");
    let emits_program =
        !is_library && value_of(args, "--emit").is_none_or(|emit| emit.contains("link"));
    let has_input = args.iter().any(|arg| *arg == "-" || arg.ends_with(".rs"));
    if emits_program || !has_input {
        return None;
    }
    let mut changed = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match *arg {
            "--target" => drop(rest.next()),
            arg if arg.starts_with("--target=") => {}
            arg => changed.push(arg.to_owned()),
        }
    }
    changed.extend(["--target".into(), target.into()]);
    Some(changed)
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

/// Leads the compiler to the copy of its input, if there is one.
fn moved(input: &mut String, package: &Path, copy: Option<PathBuf>) -> Option<Copied> {
    let copy = copy?;
    // A member's file is named from where its workspace is.
    let file = std::env::current_dir().unwrap_or_default().join(&*input);
    let inside = file.strip_prefix(package).unwrap_or(Path::new(&*input)).to_owned();
    if copy.join(&inside).is_file() {
        *input = path_text(&copy.join(inside));
    }
    Some(Copied { package: package.to_owned(), copy })
}

/// The compiler's arguments for a wasm crate.
fn change(
    args: &[&str],
    package: &Package,
    config: &Config,
) -> Result<(Vec<String>, Option<Copied>)> {
    let mut changed: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    if let Some(at) = args.iter().position(|arg| arg.starts_with("metadata=")) {
        changed[at] = format!("metadata={}", package.metadata(args));
    }
    let (mut copied, mut has_plain_hasher) = (None, false);
    if let (Some(at), Some(directory), Some(_)) = (input(args), &package.directory, &config.guest) {
        let copy = stage::rewritten_copy(directory, &config.sources, rewrite)?;
        has_plain_hasher = copy.has_plain_hasher;
        copied = moved(&mut changed[at], directory, copy.folder);
    }
    let copy = copied.as_ref().map(|copied| copied.copy.as_path());
    changed.extend(added(config, package, copy, has_plain_hasher));
    changed.extend(native_cfgs(args).iter().flat_map(|cfg| ["--cfg".into(), (*cfg).into()]));
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
fn added(
    config: &Config,
    package: &Package,
    copy: Option<&Path>,
    has_plain_hasher: bool,
) -> Vec<String> {
    let mut flags = vec!["--cap-lints".into(), "allow".into()];
    flags.push(format!("-Clinker={}", path_text(&config.linker)));
    if let Some(guest) = &config.guest {
        let std = if has_plain_hasher { &guest.std_plain } else { &guest.std };
        for (name, path) in
            [("proc_macro", &guest.proc_macro), ("std", std), (PREFIX, &guest.attributes)]
        {
            flags.push("--extern".into());
            flags.push(format!("{name}={}", path_text(path)));
        }
        flags.push(format!("-Ldependency={}", path_text(guest.folder())));
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
            flags.extend(with_slashes(from, &to, &config.sources));
        }
    }
    flags.extend(config.flags.iter().cloned());
    flags
}

/// Where paths have other separators, the compiler keeps those of what follows a remapped prefix, and modules
/// would have other bytes. So each file has a prefix of its own there, in a file of arguments.
fn with_slashes(folder: &Path, to: &str, place: &Path) -> Option<String> {
    if !cfg!(windows) {
        return None;
    }
    let flags = files::remapped(folder, to)?.join("\n");
    let file = place.join(format!("remap-{}.args", &hash_of(&[&flags])[..16]));
    // Without it the module works, and has other bytes.
    scratch::replace(&file, flags.as_bytes()).ok()?;
    Some(format!("@{}", path_text(&file)))
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

    /// Variables of the build script's that name its directory, with the path that the runtime knows instead. What is
    /// compiled from there by such a variable does not compile with it.
    fn moved_variables(&self) -> Vec<(String, String)> {
        let Some(out) = self.out_directory.as_deref().and_then(Path::to_str) else {
            return Vec::new();
        };
        let known = format!("{OUT}{}", self.label);
        let named = |(name, value): &(String, String)| name != "OUT_DIR" && value.contains(out);
        let moved = |(name, value): (String, String)| (name, value.replace(out, &known));
        let all = std::env::vars_os();
        let all = all.filter_map(|(name, value)| {
            Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
        });
        all.filter(named).map(moved).collect()
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
