//! Benchmarks: each compares in one run, interleaved, and prints medians, spreads and ratios.
//!
//! With `--save` the results go to `docs/bench/NAME.json` with a description of the machine, a chart
//! of them to `docs/bench/NAME.svg`, and the tables to `docs/benchmarks.md`.

pub mod build;
pub mod chart;
pub mod cold;
mod edit;
pub mod engines;
pub mod expand;
pub mod heap;
pub mod memory;
pub mod pack;
mod projects;
pub mod same_package;
mod shared_store;
pub mod side;
pub mod size;
pub mod table;
mod trace;
pub mod workload;

use crate::run::{capture, cargo_precast, command, root, scratch, write, Result};
use serde_json::{json, Value};
use std::path::PathBuf;
use table::Table;
use workload::Subject;

/// What a benchmark found: its tables, and the bounds that do not hold.
#[derive(Default)]
pub struct Findings {
    pub tables: Vec<Table>,
    pub failures: Vec<String>,
}

struct Benchmark {
    name: &'static str,
    /// How often each side runs if nothing else is asked for.
    runs: usize,
    run: Run,
}

enum Run {
    Whole(fn(usize) -> Result<Findings>),
    /// Runs each of its parts by itself, and saves it: the number of runs, the parts, whether to save.
    Parts(fn(usize, &[&str], bool) -> Result),
}

const BENCHMARKS: [Benchmark; 12] = [
    Benchmark { name: "build", runs: 5, run: Run::Whole(build::bench) },
    Benchmark { name: "expand", runs: 5, run: Run::Whole(expand::bench) },
    Benchmark { name: "cold", runs: 21, run: Run::Whole(cold::bench) },
    Benchmark { name: "size", runs: 1, run: Run::Whole(size::bench) },
    Benchmark { name: "memory", runs: 5, run: Run::Whole(memory::bench) },
    Benchmark { name: "pack", runs: 3, run: Run::Whole(pack::bench) },
    Benchmark { name: "engines", runs: 21, run: Run::Whole(engines::bench) },
    Benchmark { name: "heap", runs: 1, run: Run::Whole(heap::bench) },
    Benchmark { name: "same-package", runs: 5, run: Run::Whole(same_package::bench) },
    Benchmark { name: "edit", runs: 5, run: Run::Whole(edit::bench) },
    Benchmark { name: "shared-store", runs: 3, run: Run::Whole(shared_store::bench) },
    Benchmark { name: "projects", runs: 3, run: Run::Parts(projects::bench) },
];

pub fn bench(args: &[&str]) -> Result {
    let names = || BENCHMARKS.map(|benchmark| benchmark.name).join(", ");
    let (name, options) =
        args.split_first().ok_or_else(|| format!("bench what? There are {}", names()))?;
    let benchmark = BENCHMARKS.iter().find(|benchmark| benchmark.name == *name);
    let benchmark =
        benchmark.ok_or_else(|| format!("unknown benchmark `{name}`; there are {}", names()))?;
    let (mut runs, mut only, mut save) = (benchmark.runs, Vec::new(), false);
    let mut rest = options;
    while let [option, more @ ..] = rest {
        rest = match (*option, more) {
            ("--runs", [n, more @ ..]) => {
                runs = n.parse().ok().filter(|n| *n > 0).ok_or("--runs takes a number")?;
                more
            }
            ("--only", [names, more @ ..]) if matches!(benchmark.run, Run::Parts(_)) => {
                only.extend(names.split(','));
                more
            }
            ("--save", more) => {
                save = true;
                more
            }
            _ => return Err(format!("unknown option `{option}`")),
        };
    }
    let findings = match benchmark.run {
        Run::Whole(run) => run(runs)?,
        Run::Parts(run) => return run(runs, &only, save),
    };
    for table in &findings.tables {
        println!("\n{}", table.text());
    }
    if save {
        store(benchmark.name, &findings.tables)?;
    }
    match findings.failures.as_slice() {
        [] => Ok(()),
        failures => Err(failures.join("\n")),
    }
}

fn store(name: &str, tables: &[Table]) -> Result {
    let values: Vec<Value> = tables.iter().map(Table::value).collect();
    let results = json!({ "benchmark": name, "machine": machine()?, "tables": values });
    let folder = root().join("docs/bench");
    let text = serde_json::to_string_pretty(&results).expect("values are JSON") + "\n";
    write(&folder.join(format!("{name}.json")), &text)?;
    write(&folder.join(format!("{name}.svg")), &chart::draw(&results))?;
    let tables: Vec<String> = tables.iter().map(Table::text).collect();
    insert(name, &tables.join("\n"))
}

/// Puts the tables into docs/benchmarks.md, between the marks for this benchmark.
pub fn insert(name: &str, tables: &str) -> Result {
    let path = root().join("docs/benchmarks.md");
    let text = std::fs::read_to_string(&path)
        .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let missing = || format!("{} has no marks for {name}", path.display());
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    write(&path, &format!("{before}{begin}\n{tables}\n{end}{after}"))
}

/// The machine, as far as it decides figures.
pub fn machine() -> Result<Value> {
    let version = capture(command("rustc").arg("--version"))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let n = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(json!({
        "cpu": model.map_or("unknown", |(_, name)| name), "cpus": n,
        "os": std::env::consts::OS, "arch": std::env::consts::ARCH, "rustc": version,
    }))
}

/// A file or folder of the benchmarks' own.
pub fn scratch_bench(name: &str) -> PathBuf {
    scratch("bench").join(name)
}

/// Packs the subject (answered from precast's cache where it can) and returns the shim's folder.
pub fn shim(subject: &Subject) -> Result<PathBuf> {
    let binary = cargo_precast()?;
    let out = scratch_bench("packed");
    let spec = format!("{}@{}", subject.name, subject.version);
    capture(command(binary).args(["precast", "pack", &spec, "--quiet", "-o"]).arg(&out))?;
    Ok(out.join(format!("{}-{}", subject.name, subject.version)))
}

/// A scratch package with the given dependencies table and library source.
pub fn package(name: &str, manifest: &str, source: &str) -> Result<PathBuf> {
    let folder = scratch_bench(name);
    let head = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\npublish = false\n\n\
         [workspace]\n\n{manifest}"
    );
    write(&folder.join("Cargo.toml"), &head)?;
    write(&folder.join("src/lib.rs"), source)?;
    Ok(folder)
}
