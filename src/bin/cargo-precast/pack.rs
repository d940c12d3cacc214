//! `cargo precast pack`.

use crate::console::Console;
use clap::Args;
use precast::artifact::manifest::{Capabilities, Kind, Manifest};
use precast::base::error::{Class, Context, Error, Result};
use precast::base::text::counted;
use precast::cache::Store;
use precast::pack::{pack_module, Features, ModuleOptions, Outcome, PackOptions};
use precast::project::{self, all::Shard, many, Request};
use serde_json::{json, Value};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Compile macro crates to sandboxed modules: an artifact and a shim crate of each
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A package's directory, or `name` or `name@version` of the registry
    #[arg(value_name = "SPEC", required_unless_present_any = ["all", "list", "module", "proc_macro"])]
    #[arg(conflicts_with_all = ["all", "module"])]
    pub(crate) specs: Vec<String>,

    /// Pack every macro package that this workspace needs, with the features it enables
    #[arg(long, conflicts_with_all = ["grants", "profiles"])]
    pub(crate) all: bool,

    /// Pack a module that was built elsewhere, for the ABI of docs/token-abi.md; `stamp` declares its macros
    #[arg(long, value_name = "FILE.wasm", requires_all = ["name", "version"])]
    #[arg(conflicts_with_all = ["all", "features", "all_features", "no_default_features", "sets"])]
    pub(crate) module: Option<PathBuf>,

    /// With --module: the package's name
    #[arg(long, value_name = "NAME", requires = "module")]
    pub(crate) name: Option<String>,

    /// With --module: the package's version
    #[arg(long, value_name = "VERSION", requires = "module")]
    pub(crate) version: Option<String>,

    /// With --module: the package's licence, an SPDX expression
    #[arg(long, value_name = "SPDX", requires = "module")]
    pub(crate) license: Option<String>,
    /// Pack the macros that a package has beside its library (proc-macro/lib.rs), into that package;
    /// SPEC is its directory, by default this one
    #[arg(long, conflicts_with_all = ["all", "grants", "profiles", "features", "sets", "out"])]
    pub(crate) proc_macro: bool,

    /// With --all: also macros of the workspace itself, and others in directories
    #[arg(long, requires = "all")]
    pub(crate) members: bool,

    /// Only the Kth of N parts of the packages, for jobs that share the work; with --list, a job of an array (Slurm's,
    /// Kubernetes' …) knows its own
    #[arg(long, value_name = "K/N", value_parser = Shard::parse)]
    pub(crate) shard: Option<Shard>,

    /// Pack the packages of a list, one `NAME[@VERSION] [FEATURE,FEATURE]` a line, into the first shared store: each
    /// job of many begins with its part, and takes over what others leave
    #[arg(long, value_name = "FILE", requires = "push", conflicts_with_all = ["specs", "all", "out"])]
    pub(crate) list: Option<PathBuf>,

    /// With --list: sign what is packed, and push it
    #[arg(long, requires = "list")]
    pub(crate) push: bool,

    /// With --list: write report.json and report.html of all jobs into this directory
    #[arg(long, value_name = "DIR", requires = "list")]
    pub(crate) report: Option<PathBuf>,

    /// With --list: try again what has failed before
    #[arg(long, requires = "list")]
    pub(crate) retry: bool,

    /// With --list: take over from a job that was not heard of for this long
    #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "list")]
    pub(crate) lease: u64,

    /// Where to write NAME-VERSION.precast and NAME-VERSION/
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,

    /// Features to enable, separated by commas; `NAME/FEATURE` for one of several packages
    /// or of their dependencies
    #[arg(long, short = 'F', value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,

    /// Leave the default features out
    #[arg(long)]
    pub(crate) no_default_features: bool,

    /// Enable all features
    #[arg(long)]
    pub(crate) all_features: bool,

    /// One more feature set for consumers to choose from, with a module of its own: exactly these
    /// features, separated by commas (several times: several sets)
    #[arg(long = "feature-set", value_name = "FEATURES", value_parser = feature_set)]
    pub(crate) sets: Vec<Features>,

    /// Let the macros also read below a directory (`read=DIR`) or an environment variable
    /// (`env=NAME`; `NAME*`: all of a prefix), or write below the target directory
    /// (`write=target/DIR`); `$NAME/DIR` begins with what a variable says where the macro runs
    #[arg(long = "grant", value_name = "KIND=WHAT", value_parser = grant)]
    pub(crate) grants: Vec<Capabilities>,

    /// Rust source with uses of the macros: what they run comes first in the module, which makes
    /// first expansions faster; documentation, tests and built-in samples give an order without it
    #[arg(long = "profile", value_name = "FILE.rs")]
    pub(crate) profiles: Vec<PathBuf>,

    /// Use only what cargo has downloaded before
    #[arg(long)]
    pub(crate) offline: bool,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    if options.proc_macro {
        return crate::same_package::pack(&options.specs, options.offline, console);
    }
    if options.all {
        return all(options, console);
    }
    if let Some(list) = &options.list {
        return many(list, options, console);
    }
    let features = Features {
        names: options.features.clone(),
        no_default: options.no_default_features,
        all: options.all_features,
        ..Features::default()
    };
    let mut grants = Capabilities::default();
    options.grants.iter().for_each(|grant| grants.extend(grant));
    let profile = options.profiles.iter().map(|path| fs::read_to_string(path).at("read", path));
    let profile = profile.collect::<Result<Vec<String>>>()?;
    if let Some(file) = &options.module {
        let module = ModuleOptions {
            name: options.name.clone().unwrap_or_default(),
            version: options.version.clone().unwrap_or_default(),
            license: options.license.clone(),
            grants,
            profile,
        };
        report(&[pack_module(file, &module, &options.out)?], console);
        return Ok(());
    }
    let pack = PackOptions {
        specs: shard(options)?.of(options.specs.iter().cloned()),
        out: options.out.clone(),
        features,
        sets: options.sets.clone(),
        grants,
        profile,
        offline: options.offline,
        cache: None,
    };
    let outcomes = precast::pack(&pack, &|text: &str| console.step(text))?;
    report(&outcomes, console);
    Ok(())
}

fn report(outcomes: &[Outcome], console: &Console) {
    for outcome in outcomes {
        console.done("Packed", &outcome.shim.display().to_string());
    }
    let values: Vec<_> = outcomes.iter().map(value).collect();
    console.result(&values, || outcomes.iter().map(text).collect());
}

/// The part that was asked for. Of a list, without one, that of the job that this is.
fn shard(options: &Options) -> Result<Shard> {
    match options.shard {
        Some(shard) => Ok(shard),
        None if options.list.is_some() => Ok(many::shard_of_environment()?.unwrap_or(Shard::WHOLE)),
        None => Ok(Shard::WHOLE),
    }
}

/// The packages of a list, through the shared store.
fn many(list: &Path, options: &Options, console: &Console) -> Result<()> {
    let list = many::List::read(list)?;
    let job = many::Job {
        list: &list,
        shard: shard(options)?,
        lease: Duration::from_secs(options.lease.max(1)),
        retry: options.retry,
        offline: options.offline,
        directory: std::env::current_dir().context("the current directory is gone")?,
    };
    let store = Store::open(None)?;
    let done = many::pack_list(&job, &store, &|text: &str| console.step(text))?;
    console.clear();
    if let Some(folder) = &options.report {
        many::write_report(&done, folder)?;
    }
    let failed: Vec<String> = done
        .iter()
        .filter_map(|done| Some(format!("{}: {}", done.item, done.problem.as_ref()?)))
        .collect();
    console.result(&done, || {
        let artifacts = done.iter().flat_map(|done| &done.made).count();
        format!("{} in the shared store, {} failed\n", counted(artifacts, "artifact"), failed.len())
    });
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::new(Class::Package, failed.join("\n"))
            .help("`--retry` tries them again; `--report DIR` writes all of it down")),
    }
}

fn feature_set(text: &str) -> std::result::Result<Features, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(Features {
        names: names.map(str::to_owned).collect(),
        no_default: true,
        ..Features::default()
    })
}

/// The macros of the workspace, through the store.
fn all(options: &Options, console: &Console) -> Result<()> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut flag = |name: &str, is_set: bool| arguments.extend(is_set.then(|| name.into()));
    flag("--offline", options.offline);
    flag("--all-features", options.all_features);
    flag("--no-default-features", options.no_default_features);
    for feature in &options.features {
        arguments.extend(["--features".into(), feature.into()]);
    }
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let request = Request::workspace(&arguments, &directory);
    let store = Store::open(None)?;
    let step = |text: &str| console.step(text);
    let macros = project::all::pack_all(
        &request,
        (shard(options)?, options.members),
        &store,
        &options.out,
        &step,
    )?;
    console.clear();
    project::summary(&macros).iter().for_each(|line| console.summary(line));
    console.result(&macros, String::new);
    Ok(())
}

/// One `--grant`.
pub(crate) fn grant(text: &str) -> std::result::Result<Capabilities, String> {
    let list = |name: &str| vec![name.to_string()];
    match text.split_once('=') {
        Some(("read", dir)) if !dir.is_empty() => {
            Ok(Capabilities { read: list(dir), ..Capabilities::default() })
        }
        Some(("env", name)) if !name.is_empty() => {
            Ok(Capabilities { env: list(name), ..Capabilities::default() })
        }
        Some(("write", dir)) if !dir.is_empty() => {
            Ok(Capabilities { write: list(dir), ..Capabilities::default() })
        }
        _ => Err("write read=DIR, env=NAME or write=DIR".into()),
    }
}

fn value(outcome: &Outcome) -> Value {
    json!({
        "artifact": outcome.artifact,
        "shim": outcome.shim,
        "sha256": outcome.sha256,
        "artifact_bytes": outcome.artifact_bytes,
        "wasm_bytes": outcome.wasm_bytes,
        "image_bytes": outcome.image_bytes,
        "cached": outcome.cached,
        "newest": outcome.is_newest,
        "seconds": outcome.time.as_secs_f64(),
        "notes": outcome.notes,
        "manifest": outcome.manifest,
    })
}

/// The macros, one a line.
pub(crate) fn macros(manifest: &Manifest) -> String {
    let mut out = String::new();
    for item in &manifest.macros {
        let kind = match item.kind {
            Kind::Derive => "derive",
            Kind::Attribute => "attribute",
            Kind::Bang => "bang",
        };
        out += &format!("  {kind:<9} {}", item.name);
        if !item.helpers.is_empty() {
            out += &format!(" ({})", item.helpers.join(", "));
        }
        out += "\n";
    }
    out
}

fn text(outcome: &Outcome) -> String {
    let manifest = &outcome.manifest;
    let mut out = macros(manifest);
    let made = match manifest.toolchain.is_unknown() {
        true => "unknown".into(),
        false => {
            let linked = counted(manifest.linked.len(), "package");
            format!("rustc {}, {linked} linked", manifest.toolchain.rustc)
        }
    };
    out += &format!(
        "  artifact  {} ({}, sha256 {})\n  module    {} of wasm, {} as embedded image\n  \
         toolchain {made}\n  time      {:.1} s{}\n",
        outcome.artifact.display(),
        size(outcome.artifact_bytes),
        &outcome.sha256[..16],
        size(outcome.wasm_bytes),
        size(outcome.image_bytes),
        outcome.time.as_secs_f64(),
        if outcome.cached { ", module from the cache" } else { "" },
    );
    if outcome.is_newest && !manifest.linked.is_empty() {
        out += "  versions  the newest of its dependencies; for a project, `pack --all` takes those of its Cargo.lock\n";
    }
    for note in &outcome.notes {
        out += &format!("  note      {note}\n");
    }
    out
}

fn size(bytes: usize) -> String {
    format!("{:.1} kB", bytes as f64 / 1000.0)
}
