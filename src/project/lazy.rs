//! Cargo runs us in the compiler's place, with the compiler as the first argument.
//!
//! Asked for a macro package that the store has, we compile its shim instead, with cargo's own
//! arguments, at cargo's own place. Asked for a library that only such macros need, we write empty
//! files and put the command beside them. Asked for anything else, we first compile what it uses of
//! the empty ones, then the compiler runs as if we were not there. So being wrong about who needs what
//! costs time, never correctness.

pub(super) mod ahead;
pub(crate) mod expansions;
pub(crate) mod invocation;
pub(crate) mod kept;
pub(crate) mod ledger;
mod library;
pub(crate) mod record;
mod refusal;
mod rustdoc;

use super::later;
use super::missing::Missing;
use super::plan::{self, Plan};
use super::same_package::{given, native};
use super::script;
pub use super::script::{is_own, LAZY as VARIABLE};
use crate::base::error::{Class, Error, Result};
use crate::base::files;
use crate::cache::{Environment, Key, Locked, Shim, Store, Wanted};
use crate::pack::artifact_recipe;
use invocation::Invocation;
pub use ledger::VARIABLE as REPORT;
use record::{Command, Record};
pub use rustdoc::VARIABLE as REAL_RUSTDOC;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The names of compilers, and of what cargo runs in their place for the packages of a workspace.
const COMPILERS: [&str; 2] = ["rustc", "clippy-driver"];

/// The directory of the package that is compiled, as cargo says it.
const OWN_DIRECTORY: &str = "CARGO_MANIFEST_DIR";

/// How a shim begins to say where the files of its package are.
const OWN_FILES: &str = "const OWN:";

/// What decides how a crate is compiled: nothing of ours, where there is no plan or no store.
pub struct Context {
    active: Option<(Plan, Store)>,
}

/// Whether cargo ran us in the compiler's place; then this never returns. Call it first in `main` of
/// the program that is given to cargo.
pub fn run() {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some(program) = words.first() else { return };
    let stem = Path::new(program).file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let is_path = Path::new(program).components().count() > 1;
    if rustdoc::is_asked(&words) {
        std::process::exit(rustdoc::run(&words));
    }
    let is_compiler = COMPILERS.contains(&stem)
        || is_path && words.len() > 1 && !stem.starts_with("precast")
        || is_workspace_wrapper(program);
    if is_compiler {
        std::process::exit(wrap(&words));
    }
}

/// Cargo finds it by its name alone, as it finds a compiler.
fn is_workspace_wrapper(program: &OsStr) -> bool {
    let names = ["RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "RUSTC"];
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| value == program))
}

fn wrap(words: &[OsString]) -> i32 {
    if let Some(code) = native::compile_inside(words) {
        return code;
    }
    let inner = inner_wrapper();
    let words: Vec<OsString> = inner.iter().chain(words).cloned().collect();
    let expanded = invocation::expanded(&words);
    let is_ours = std::env::var_os(VARIABLE).is_some();
    let invocation = Invocation::of(expanded.as_deref().unwrap_or(&words));
    let Some(invocation) = invocation.filter(|_| is_ours) else {
        return become_compiler(&words);
    };
    said(provide(&invocation, &words))
}

/// The exit code, after an error was told.
fn said(result: Result<i32>) -> i32 {
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: precast: {error}");
            if let Some(help) = error.help_text() {
                eprintln!("help: {help}");
            }
            1
        }
    }
}

/// A wrapper of the user's, which runs between us and the compiler.
fn inner_wrapper() -> Option<OsString> {
    std::env::var_os(VARIABLE).filter(|value| value != ON)
}

/// The variable's value where the user has no wrapper.
pub const ON: &str = "1";

fn provide(invocation: &Invocation, words: &[OsString]) -> Result<i32> {
    let context = Context::of(&invocation.out);
    if let Some(given) = given::to_compiler(invocation)? {
        library::need_all(invocation, &context)?;
        let code = run_to_end(invocation, &given.words(words), &context)?;
        if code == 0 {
            given.note(invocation)?;
        }
        return Ok(code);
    }
    let package = match invocation.is_named {
        true => package(invocation, &context),
        false => None,
    };
    let Some(package) = package else {
        library::need_all(invocation, &context)?;
        return run_compiler(invocation, words, &context);
    };
    if context.puts_off(invocation, &package) {
        // If that cannot be written, the compiler says why it cannot, or can.
        if library::put_off(invocation, package.clone()).is_ok() {
            return Ok(0);
        }
    }
    match compile(invocation, None, &package, &context)? {
        Some(code) => Ok(code),
        None => run_compiler(invocation, words, &context),
    }
}

/// Runs the compiler as if we were not there, but for what it says of shims.
fn run_compiler(invocation: &Invocation, words: &[OsString], context: &Context) -> Result<i32> {
    Ok(match listen(invocation, words, context)? {
        Some(code) => code,
        None => become_compiler(words),
    })
}

/// The same where something is left to do after it.
fn run_to_end(invocation: &Invocation, words: &[OsString], context: &Context) -> Result<i32> {
    if let Some(code) = listen(invocation, words, context)? {
        return Ok(code);
    }
    let status = std::process::Command::new(&words[0]).args(&words[1..]).status();
    let status = status.map_err(|error| {
        Error::new(Class::Toolchain, format!("cannot run {}: {error}", words[0].display()))
    })?;
    Ok(status.code().unwrap_or(1))
}

/// Runs the compiler of a crate that uses shims, and hears what it says of them. None if it uses none.
fn listen(invocation: &Invocation, words: &[OsString], context: &Context) -> Result<Option<i32>> {
    ledger::open(invocation);
    if context.active.is_some() {
        expansions::open(invocation);
    }
    let shims = refusal::shims(invocation);
    match &context.active {
        Some((plan, store)) if !shims.is_empty() => {
            refusal::listen(words, &shims, plan, store).map(Some)
        }
        _ => Ok(None),
    }
}

/// Compiles a crate for real: of a macro its shim, if there is one. With `command`, in the place of another
/// process; else None means that the compiler is to run as if we were not there.
fn compile(
    invocation: &Invocation,
    command: Option<&Command>,
    package: &Locked,
    context: &Context,
) -> Result<Option<i32>> {
    if invocation.is("proc-macro") {
        if let Some(code) = compile_macro(invocation, command, package, context)? {
            return Ok(Some(code));
        }
    } else if is_build_script(invocation) {
        if let Some(code) = compile_script(invocation, command, package, context)? {
            return Ok(Some(code));
        }
    }
    library::need_all(invocation, context)?;
    if let Some(file) = invocation.library() {
        if !invocation.is_for_target && command.is_none() {
            // Without it, a macro that uses this is compiled from source.
            let _ = Record::new(invocation, package.clone()).write(&file);
        }
    }
    let Some(command) = command else { return Ok(None) };
    let programs = &invocation.programs;
    let start = |args: &[String]| command.start(&programs[0], &[&programs[1..], args].concat());
    let output = invocation::output(&invocation.args, start).map_err(|error| {
        Error::new(Class::Toolchain, format!("cannot run {}: {error}", programs[0]))
    })?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Some(output.status.code().unwrap_or(1)))
}

impl Context {
    /// For a compiler that writes into this directory.
    fn of(out: &Path) -> Context {
        let active =
            Store::open(None).ok().and_then(|store| Some((plan::active(out, &store)?, store)));
        Context { active }
    }

    fn plan(&self) -> Option<&Plan> {
        self.active.as_ref().map(|(plan, _)| plan)
    }

    /// Only macros that are precompiled need the library.
    fn puts_off(&self, invocation: &Invocation, package: &Locked) -> bool {
        let Some(plan) = self.plan() else { return false };
        let is_macro = invocation.crate_types == ["proc-macro"] && cfg!(unix);
        let is_whole =
            invocation.emits("link") && !invocation.args.iter().any(|arg| arg == "--test");
        let known = ["dep-info", "metadata", "link"];
        is_whole
            && std::env::var_os(library::RUSTDOC).is_none()
            && package.source.is_some()
            && !invocation.is_for_target
            && (invocation.is_library() || is_macro)
            && invocation.emits.iter().all(|kind| known.contains(&kind.as_str()))
            && plan.puts_off(package, (&invocation.opt_level, &invocation.debuginfo))
    }
}

/// Compiles the macro's shim, or takes it from the store. None if the macro is to be compiled from source.
fn compile_macro(
    invocation: &Invocation,
    command: Option<&Command>,
    package: &Locked,
    context: &Context,
) -> Result<Option<i32>> {
    let Some((plan, store)) = &context.active else { return Ok(None) };
    if package.directory.join("precast/manifest.json").is_file() {
        return compile_shim(
            invocation,
            command,
            store,
            (&package.directory, &package.name),
            &[],
            &Environment::new(),
        )
        .map(Some);
    }
    if invocation.has_cfg("precast_from_source") || plan.refusal(package).is_some() {
        return Ok(None);
    }
    let Some(wanted) = record::wanted(package.clone(), invocation) else { return Ok(None) };
    // The compiler's variables are ours, but for those that the package's build script sets: it may have read
    // one by that name.
    let set = script::variables();
    let is_set = |name: &str| set.iter().any(|set| set == name);
    let value = |name: &str| match plan.variable(name).filter(|_| is_set(name)) {
        Some(value) => value,
        None => std::env::var(name).ok(),
    };
    let key = plan.stand_in(store.find(Key::of(&wanted)?, &value));
    if let Some(shim) = shim(&key, plan, store)? {
        let mut record = Record::new(invocation, package.clone());
        record.shim = Some(shim.id.clone());
        let label = format!("{}-{}", package.name, package.version);
        let code = compile_shim(
            invocation,
            command,
            store,
            (&shim.folder, &label),
            std::slice::from_ref(&shim.id),
            &key.environment,
        )?;
        if code == 0 {
            let file = invocation.library().ok_or_else(|| {
                Error::new(Class::Other, "the compiler was asked for no macro library")
            })?;
            if command.is_none() {
                record.write(&file)?;
            }
            let mut environment = library::ours();
            environment.extend(key.environment.clone());
            library::write_dep_info(invocation, &files(package)?, &environment)?;
        }
        return Ok(Some(code));
    }
    missing(&wanted, &key, plan, store)?;
    if command.is_none() && matches!(plan.missing, Missing::Later) {
        ahead::note(&Key::of(&wanted)?, invocation, plan.grants(&key.name)?, store);
    }
    Ok(None)
}

/// The files of a package that its author may change: all in its directory. None of a package that cargo
/// has downloaded.
fn files(package: &Locked) -> Result<Vec<PathBuf>> {
    if package.source.is_some() {
        return Ok(Vec::new());
    }
    let files = files::read(&package.directory)?.into_keys();
    Ok(files.map(|path| package.directory.join(path)).collect())
}

/// A macro that no store has.
fn missing(wanted: &Wanted, key: &Key, plan: &Plan, store: &Store) -> Result<()> {
    if store.refusal(&key.attempt(artifact_recipe())).is_some() {
        return Ok(());
    }
    match plan.missing {
        Missing::Fail => {
            let message = format!("no store has {}", key.label());
            Err(Error::new(Class::Package, message).help(
                "pack it with `--missing pack`, or build it from source with `--missing later`",
            ))
        }
        // Who started cargo does that itself, when cargo has finished.
        Missing::Later if plan.is_lasting() => {
            // A build does not fail because something cannot be packed after it.
            let _ =
                later::add(std::slice::from_ref(wanted), &plan.project(), plan.signatures(), store)
                    .and_then(|()| later::start(store, None));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The shim of an artifact in the store, written into the store if it is not there. None if there is no
/// such artifact, or it is not permitted.
fn shim(key: &Key, plan: &Plan, store: &Store) -> Result<Option<Shim>> {
    if !store.has(key) || !plan.permits(key) {
        return Ok(None);
    }
    match store.shim(key, &plan.grants(&key.name)?) {
        // On a full disk the compiler may still find a place for the original.
        Err(error) if error.class() == Class::Other => Ok(None),
        shim => shim,
    }
}

/// Compiles the shim in a folder. Variables are as the macro was packed with them, whatever the build script of the
/// original sets.
fn compile_shim(
    invocation: &Invocation,
    command: Option<&Command>,
    store: &Store,
    (folder, label): (&Path, &str),
    inputs: &[String],
    environment: &Environment,
) -> Result<i32> {
    let root = folder.join("src/lib.rs");
    let mut args = Vec::new();
    let mut words = invocation.args.iter().enumerate();
    while let Some((at, word)) = words.next() {
        match word.as_str() {
            _ if at == invocation.root => args.push(root.to_string_lossy().into_owned()),
            // What the original's sources would be compiled with.
            "--extern" => {
                let value = words.next().map(|(_, value)| value.clone()).unwrap_or_default();
                if !value.contains('=') {
                    args.extend([word.clone(), value]);
                }
            }
            "-C" if words.clone().next().is_some_and(|(_, v)| v.starts_with("incremental=")) => {
                words.next();
            }
            _ => args.push(word.clone()),
        }
    }
    if !args.iter().any(|arg| arg.starts_with("--cap-lints")) {
        args.extend(["--cap-lints".into(), "allow".into()]);
    }
    let mut inputs = inputs.to_vec();
    if inputs.is_empty() {
        // A shim that somebody has vendored.
        inputs.push(files::hash_of_files(&files::read(folder)?));
    }
    // Where its macros read files of the original, the library has its place.
    if std::fs::read_to_string(&root).is_ok_and(|text| text.contains(OWN_FILES)) {
        inputs.extend(match command {
            Some(command) => command.variables.get(OWN_DIRECTORY).cloned(),
            None => std::env::var(OWN_DIRECTORY).ok(),
        });
    }
    let job = kept::Job {
        invocation,
        command,
        args,
        inputs,
        label: label.to_owned(),
        sources: Some(folder),
        environment,
        allowed: |name| name == OWN_DIRECTORY,
    };
    job.run(store.cache(), || Ok(()))
}

fn is_build_script(invocation: &Invocation) -> bool {
    invocation.crate_types == ["bin"] && invocation.crate_name.starts_with("build_script_")
}

/// The build script of a published package. None if it is the compiler's alone.
fn compile_script(
    invocation: &Invocation,
    command: Option<&Command>,
    package: &Locked,
    context: &Context,
) -> Result<Option<i32>> {
    let Some((_, store)) = context.active.as_ref().filter(|_| package.checksum.is_some()) else {
        return Ok(None);
    };
    let Some(wanted) = record::wanted(package.clone(), invocation) else { return Ok(None) };
    let mut inputs = vec![package.directory.to_string_lossy().into_owned()];
    inputs.push(Key::of(&wanted)?.id());
    let label = format!("{}-{}-build", package.name, package.version);
    let job = kept::Job {
        invocation,
        command,
        args: invocation.args.clone(),
        inputs,
        label,
        sources: None,
        environment: &Environment::new(),
        allowed: |name| name.starts_with("CARGO_PKG_") || name == "CARGO_CRATE_NAME",
    };
    job.run(store.cache(), || library::need_all(invocation, context)).map(Some)
}

/// The package whose crate cargo has compiled, as cargo says it in the environment.
fn package(invocation: &Invocation, context: &Context) -> Option<Locked> {
    let text = |name: &str| std::env::var(name).ok();
    let directory = PathBuf::from(std::env::var_os(OWN_DIRECTORY)?);
    let (plan, store) = context.active.as_ref()?;
    let (source, checksum) = match plan.origin(&directory) {
        Some(origin) => origin,
        None => plan::origin_of(&directory, store),
    };
    Some(Locked {
        name: text("CARGO_PKG_NAME")?,
        version: text("CARGO_PKG_VERSION")?,
        source,
        checksum,
        directory,
        features: invocation.features.iter().cloned().collect(),
    })
}

/// Runs the compiler as if we were not there.
fn become_compiler(words: &[OsString]) -> i32 {
    let Some((program, args)) = words.split_first() else {
        eprintln!("error: precast: no compiler to run");
        return 1;
    };
    let mut command = std::process::Command::new(program);
    command.args(args);
    #[cfg(unix)]
    let failed = std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    let failed = match command.status() {
        Ok(status) => return status.code().unwrap_or(1),
        Err(error) => error,
    };
    eprintln!("error: precast: cannot run {}: {failed}", Path::new(program).display());
    1
}
