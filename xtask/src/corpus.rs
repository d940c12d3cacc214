//! `cargo xtask corpus`: packs real macro crates and compares every observable with the originals.
//!
//! A crate is added by adding a folder to fixtures/corpus; see fixtures/corpus/README.md.

pub mod compare;
mod expected;
mod fixture;
mod limits;
mod rebuild;
pub mod record;
mod report;
mod source;
mod work;

pub use record::record_if_wrapping;

use crate::run::{capture, cargo_precast, clear, command, scratch, Result};
use compare::Outcome;
use fixture::Fixture;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::Instant;
pub use work::Side;

#[derive(Default)]
struct Options {
    only: Vec<String>,
    /// This shard, counted from 1, and the number of shards.
    shard: Option<(usize, usize)>,
    /// Only the fixtures that CI runs.
    sample: bool,
    json: bool,
    write: bool,
    bless: bool,
    from_source: bool,
    rebuild: bool,
    /// Twice, with an empty memory of expansions and with a full one.
    remembered: bool,
    /// Into how many parts the runtime's limits are divided.
    limits: Option<String>,
}

/// A shim's folder, or why there is none.
type Shims = BTreeMap<String, Result<PathBuf>>;

pub fn corpus(args: &[&str]) -> Result {
    let options = parse(args)?;
    let all = fixture::load()?;
    let chosen = choose(&all, &options)?;
    let start = Instant::now();
    if options.bless {
        let native = work::build(Side::Native, &all, &chosen, &Shims::new())?;
        return expected::bless(&chosen, &native);
    }
    let binary = cargo_precast()?;
    if options.rebuild {
        return rebuild::check(&chosen, &binary);
    }
    let shims = pack(&chosen, &packed(), &binary);
    eprintln!("== packed in {:.0} s", start.elapsed().as_secs_f64());
    if options.from_source {
        return source::check(&chosen, &shims);
    }
    if let Some(by) = &options.limits {
        return limits::check(&all, &chosen, &shims, by);
    }
    if options.remembered {
        let memory = scratch("corpus").join("expansions");
        clear(&memory)?;
        let failed = |e: std::io::Error| format!("cannot make {}: {e}", memory.display());
        std::fs::create_dir_all(&memory).map_err(failed)?;
        // Every compiler that is started has it.
        std::env::set_var("PRECAST_EXPANSIONS", &memory);
        let first = outcomes(&all, &chosen, &shims)?;
        let verdict = report::verdict(&first);
        if verdict.is_err() {
            report::print(&first, options.json);
        }
        verdict?;
        let n_files = std::fs::read_dir(&memory).map_err(failed)?.count();
        eprintln!(
            "== the macros of {n_files} modules are remembered, {:.0} s",
            start.elapsed().as_secs_f64()
        );
        if n_files == 0 {
            return Err("no expansion was remembered".into());
        }
    }
    let outcomes = outcomes(&all, &chosen, &shims)?;
    report::print(&outcomes, options.json);
    eprintln!("== {:.0} s in all", start.elapsed().as_secs_f64());
    if options.write {
        report::write(&all, &outcomes)?;
    }
    report::verdict(&outcomes)
}

fn parse(args: &[&str]) -> Result<Options> {
    let mut options = Options::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match *word {
            "--sample" => options.sample = true,
            "--json" => options.json = true,
            "--write" => options.write = true,
            "--bless" => options.bless = true,
            "--from-source" => options.from_source = true,
            "--rebuild" => options.rebuild = true,
            "--remembered" => options.remembered = true,
            "--limits" => {
                let by = words.next().ok_or("--limits takes a number")?;
                options.limits = Some((*by).to_owned());
            }
            "--only" => {
                let name = words.next().ok_or("--only takes the name of a folder")?;
                options.only.extend(name.split(',').map(str::to_owned));
            }
            "--shard" => options.shard = Some(shard(words.next().copied().unwrap_or_default())?),
            _ => return Err(format!("unknown option `{word}`")),
        }
    }
    Ok(options)
}

pub fn shard(text: &str) -> Result<(usize, usize)> {
    let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    parts
        .filter(|(k, n)| (1..=*n).contains(k))
        .ok_or_else(|| format!("--shard takes K/N with 1 <= K <= N, not `{text}`"))
}

fn choose<'a>(all: &'a [Fixture], options: &Options) -> Result<Vec<&'a Fixture>> {
    for name in &options.only {
        if !all.iter().any(|fixture| fixture.folder == *name) {
            return Err(format!("there is no fixtures/corpus/{name}"));
        }
    }
    let (k, n) = options.shard.unwrap_or((1, 1));
    let named = |f: &&Fixture| options.only.is_empty() || options.only.contains(&f.folder);
    let sampled = |f: &&Fixture| f.sample || !options.sample;
    let in_shard = |(i, _): &(usize, &Fixture)| i % n == k - 1;
    let chosen = all.iter().filter(named).filter(sampled).enumerate().filter(in_shard);
    let mut chosen: Vec<&Fixture> = chosen.map(|(_, f)| f).collect();
    // In the order in which they are named.
    chosen.sort_by_key(|f| options.only.iter().position(|name| *name == f.folder));
    Ok(chosen)
}

/// Packs all crates to a folder, one call for each choice of features. If a call fails, its crates are
/// packed one by one, which tells the failing ones from the others.
fn pack(chosen: &[&Fixture], out: &Path, program: &Path) -> Shims {
    let mut groups: BTreeMap<[&[String]; 2], Vec<&Fixture>> = BTreeMap::new();
    for fixture in chosen {
        groups.entry([&fixture.features, &fixture.sets]).or_default().push(fixture);
    }
    let mut shims = Shims::new();
    for group in groups.values() {
        let together = pack_group(command(program), out, group);
        for fixture in group {
            let result = match &together {
                Ok(()) => Ok(()),
                Err(_) => pack_group(command(program), out, &[fixture]),
            };
            shims.insert(fixture.folder.clone(), result.map(|()| out.join(fixture.id())));
        }
    }
    shims
}

fn pack_group(mut pack: Command, out: &Path, group: &[&Fixture]) -> Result {
    pack.args(["precast", "pack", "--quiet", "-o"]).arg(out);
    pack.args(group.iter().map(|f| format!("{}@{}", f.package, f.version)));
    let Fixture { features, sets, .. } = group[0];
    if !features.is_empty() {
        pack.arg("--features").arg(features.join(","));
    }
    for set in sets {
        pack.args(["--feature-set", set]);
    }
    capture(&mut pack).map(drop)
}

fn packed() -> PathBuf {
    scratch("corpus").join("packed")
}

fn outcomes(all: &[Fixture], chosen: &[&Fixture], shims: &Shims) -> Result<Vec<Outcome>> {
    let native = work::build(Side::Native, all, chosen, shims)?;
    let ready: Vec<&Fixture> =
        chosen.iter().copied().filter(|f| matches!(shims.get(&f.folder), Some(Ok(_)))).collect();
    let shim = work::build(Side::Shim, all, &ready, shims)?;
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(fixture) = chosen.get(index) else { break };
                let folder = &fixture.folder;
                let outcome = compare::compare(fixture, &shims[folder], &native, &shim);
                done.lock().expect("no worker panics").insert(index, outcome);
            });
        }
    });
    Ok(done.into_inner().expect("no worker panics").into_values().collect())
}
