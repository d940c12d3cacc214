//! Compiles a crate for real, and before it the libraries that it needs and that were put off. Of a macro that
//! the store has, its shim.

use super::compiler::inner_wrapper;
use super::context::Context;
use super::invocation::{self, Invocation};
use super::record::{self, Command, Record};
use super::{ahead, kept, library, shim};
use crate::base::error::{Class, Context as _, Error, Result};
use crate::base::files;
use crate::base::lock::Lock;
use crate::base::scratch::Scratch;
use crate::cache::{Environment, Key, Locked, Shim, Store, Wanted};
use crate::pack::artifact_recipe;
use crate::project::later;
use crate::project::missing::Missing;
use crate::project::plan::Plan;
use crate::project::script;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Compiles a crate for real: of a macro its shim, if there is one. With `command`, in the place of another
/// process; else None means that the compiler is to run as if we were not there.
pub fn compile(
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
    need_all(invocation, context)?;
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

/// Compiles the macro's shim, or takes it from the store. None if the macro is to be compiled from source.
fn compile_macro(
    invocation: &Invocation,
    command: Option<&Command>,
    package: &Locked,
    context: &Context,
) -> Result<Option<i32>> {
    let Some((plan, store)) = &context.active else { return Ok(None) };
    if package.directory.join("precast/manifest.json").is_file() {
        return shim::compile(
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
    if let Some(shim) = shim_of(&key, plan, store)? {
        let mut record = Record::new(invocation, package.clone());
        record.shim = Some(shim.id.clone());
        let label = format!("{}-{}", package.name, package.version);
        let code = shim::compile(
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
fn shim_of(key: &Key, plan: &Plan, store: &Store) -> Result<Option<Shim>> {
    if !store.has(key) || !plan.permits(key) {
        return Ok(None);
    }
    match store.shim(key, &plan.grants(&key.name)?) {
        // On a full disk the compiler may still find a place for the original.
        Err(error) if error.class() == Class::Other => Ok(None),
        shim => shim,
    }
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
    job.run(store.cache(), || need_all(invocation, context)).map(Some)
}

/// Compiles the libraries that a crate uses, if they were put off.
pub fn need_all(invocation: &Invocation, context: &Context) -> Result<()> {
    let compiler = invocation.programs.last().map(String::as_str);
    invocation.externs.iter().try_for_each(|(_, file)| need(file, compiler, context))
}

/// Compiles the library of this file, if it was put off, with the compiler of who needs it: that with
/// which it was to be compiled may be somewhere else by now.
pub fn need(file: &Path, compiler: Option<&str>, context: &Context) -> Result<()> {
    if !library::is_put_off(file) {
        return Ok(());
    }
    let lock = record::beside(file);
    let lock = File::open(&lock).at("open", &lock)?;
    // Where files cannot be locked two may compile it, each in a place of its own.
    let _lock = Lock::alone(lock, || ());
    // Somebody else may have been faster.
    if !library::is_put_off(file) {
        return Ok(());
    }
    let lost = || {
        let message = format!("{} was not compiled, and how to is lost", file.display());
        Error::new(Class::Other, message).help("run `cargo clean`")
    };
    let mut record = record::of(file).ok_or_else(lost)?;
    let mut command = record.command.take().ok_or_else(lost)?;
    if !record.package.directory.is_dir() {
        let Some(place) = context.plan().and_then(|plan| plan.place(&record.package)) else {
            return Err(moved(&record.package));
        };
        command.follow(&record.package.directory, place);
        record.package.directory = place.to_owned();
    }
    let words: Vec<OsString> = command.words.iter().map(OsString::from).collect();
    let invocation = Invocation::of(&words).ok_or_else(lost)?;
    let scratch = Scratch::inside(&invocation.out)?;
    let mut inside = invocation.at(scratch.path());
    if let Some(compiler) = compiler {
        inside.programs = inner_wrapper()
            .map(|inner| inner.to_string_lossy().into_owned())
            .into_iter()
            .chain([compiler.to_owned()])
            .collect();
    }
    let code = compile(&inside, Some(&command), &record.package, context)?;
    if code != Some(0) {
        let message = format!("cannot compile {}", record.package.name);
        return Err(Error::new(Class::Other, message));
    }
    let outputs = invocation.outputs();
    // What a debugger reads, which the compiler writes beside the rest.
    for path in entries(scratch.path()) {
        let name = path.file_name().unwrap_or_default();
        if path.is_file() && outputs.iter().all(|(_, file)| file.file_name() != Some(name)) {
            std::fs::rename(&path, invocation.out.join(name)).at("create", &path)?;
        }
    }
    // Whoever finds the metadata complete finds the rest so.
    for (_, to) in outputs.iter().rev().filter(|(kind, _)| *kind != "dep-info") {
        put(&scratch.path().join(to.file_name().unwrap_or_default()), to)?;
    }
    Ok(())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn moved(package: &Locked) -> Error {
    let Locked { name, version, directory, .. } = package;
    let message =
        format!("the sources of {name} {version} are not in {} any more", directory.display());
    Error::new(Class::Other, message).help(format!("run `cargo clean -p {name}`"))
}

/// Puts a file into the place of an empty one. Cargo, which has seen that, finds what it finds newer
/// than what was made of it.
fn put(from: &Path, to: &Path) -> Result<()> {
    let written = to.metadata().and_then(|metadata| metadata.modified()).at("read", to)?;
    let file = File::options().append(true).open(from).at("open", from)?;
    file.set_modified(written).at("date", from)?;
    std::fs::rename(from, to).at("create", to)
}
