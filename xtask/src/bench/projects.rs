//! Whole projects, by `build` and by `check`: a clean build natively, with precast where no store has
//! their macros, and with precast where the store has them; cargo with nothing to do; and packing.
//!
//! Each project is measured and saved by itself: `--only NAME` leaves the rows of all others as they
//! are. That tests have the same results is not seen here, but by `cargo xtask apps`.

mod bounds;
mod record;

use super::table::{Row, Table};
use super::{machine, scratch_bench};
use crate::apps::{sources, OURS};
use crate::run::{capture, cargo, cargo_precast, clear, cost, precast, precompiled, Cost, Result};
use serde_json::{json, Map, Value};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of the registry, with the lock files that they were published with. All have macros in their graphs.
const PUBLISHED: [&str; 5] =
    ["zoxide@0.10.0", "just@1.59.0", "tokei@15.0.0", "live-server@0.11.1", "trunk@0.21.14"];

const COMMANDS: [&str; 2] = ["build", "check"];

/// Everything was downloaded before.
const OPTIONS: [&str; 2] = ["--locked", "--offline"];

/// How often cargo is called with nothing to do, for each clean build.
const N_IDLE: usize = 7;

/// Variables that would make another build of it.
const VARIABLES: [&str; 5] =
    ["CI", "PRECAST_MISSING", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];

/// A project with a store of its own, and a directory for what each side builds.
pub struct Project {
    pub folder: PathBuf,
    place: PathBuf,
    store: PathBuf,
    program: PathBuf,
    targets: PathBuf,
}

pub fn bench(runs: usize, only: &[&str], save: bool) -> Result {
    let all: Vec<&str> = std::iter::once(OURS).chain(PUBLISHED).collect();
    let names: Vec<&str> = all.iter().map(|spec| package(spec)).collect();
    if let Some(name) = only.iter().find(|name| !names.contains(name)) {
        return Err(format!("no such project: {name}; there are {}", names.join(", ")));
    }
    let program = cargo_precast()?;
    let (mut taken, mut failures) = (Map::new(), Vec::new());
    for spec in all.into_iter().filter(|spec| only.is_empty() || only.contains(&package(spec))) {
        let name = spec.replace('@', " ");
        match measure(spec, &program, runs) {
            Ok(record) => {
                if save {
                    record::save(&name, &record)?;
                }
                failures.extend(bounds::failures(package(spec), &record));
                taken.insert(name, record);
            }
            Err(message) => failures.push(format!("{name}: {message}")),
        }
    }
    println!("\n{}", record::text(&taken));
    match failures.as_slice() {
        [] => Ok(()),
        failures => Err(failures.join("\n")),
    }
}

fn package(spec: &str) -> &str {
    spec.split('@').next().expect("a split has a part")
}

fn measure(spec: &str, program: &Path, runs: usize) -> Result<Value> {
    let project = Project::prepare(spec, &scratch_bench("projects"), program)?;
    let mut builds = COMMANDS.map(Builds::new);
    let mut packing = Costs::new("`cargo precast pack --all`");
    for _ in 0..runs {
        for builds in &mut builds {
            builds.run(&project)?;
        }
        if spec == OURS {
            packing.add(project.pack()?);
        }
    }
    let mut record = json!({ "machine": machine()? });
    if spec == OURS {
        let native = builds[0].clean[0].copy();
        record["packing"] = tables("packing its macros from nothing", [native, packing]);
    }
    for builds in builds {
        let command = builds.command;
        record[command] = builds.value();
    }
    clear(&project.folder)?;
    Ok(record)
}

impl Project {
    /// With all that it depends on downloaded.
    pub fn prepare(spec: &str, scratch: &Path, program: &Path) -> Result<Project> {
        let folder = scratch.join(package(spec));
        clear(&folder)?;
        let project = Project {
            place: folder.join("source"),
            store: folder.join("store"),
            program: program.to_owned(),
            targets: folder.join("target"),
            folder,
        };
        sources::prepare(spec, &project.place)?;
        capture(project.cargo("native").args(["fetch", "--locked"]))?;
        Ok(project)
    }

    fn cargo(&self, side: &str) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.place).env("CARGO_TARGET_DIR", self.targets.join(side));
        for name in VARIABLES {
            cargo.env_remove(name);
        }
        cargo
    }

    pub fn precast(&self) -> Result<Command> {
        let mut precast = precast(self.cargo("precast"), &self.program)?;
        precast.env("PRECAST_CACHE_DIR", &self.store);
        Ok(precast)
    }

    /// Seconds of a build from nothing, and how many macro packages were precompiled in it.
    pub fn clean(&self, command: &str, side: &str) -> Result<(Cost, Option<usize>)> {
        let mut cargo = self.side(side)?;
        cargo.arg(command).args(OPTIONS);
        self.clean_by(cargo, side)
    }

    /// The same by this command.
    pub fn clean_by(&self, mut cargo: Command, side: &str) -> Result<(Cost, Option<usize>)> {
        clear(&self.targets.join(side))?;
        let (cost, output) = cost(&mut cargo)?;
        eprintln!("{side}: {:.1} s CPU, {:.1} s wall", cost.cpu, cost.wall);
        Ok((cost, precompiled(&output)))
    }

    fn side(&self, side: &str) -> Result<Command> {
        match side {
            "native" => Ok(self.cargo(side)),
            _ => self.precast(),
        }
    }

    /// Returns when the packages that the last build missed are in the store.
    fn wait(&self) -> Result {
        let output = capture(self.precast()?.args(["status", "--wait", "--json"]))?;
        let status: Value = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("cannot read what `cargo precast status` says: {e}"))?;
        match status["failure"].as_str() {
            Some(failure) => Err(format!("packing failed after the build: {failure}")),
            None => Ok(()),
        }
    }

    /// Milliseconds of a build with nothing to do.
    fn idle(&self, command: &str, side: &str) -> Result<f64> {
        let (cost, output) = cost(self.side(side)?.arg(command).args(OPTIONS))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_work = |line: &&str| {
            ["Compiling ", "Checking "].iter().any(|start| line.trim_start().starts_with(start))
        };
        match text.lines().find(is_work) {
            Some(line) => Err(format!("{side} {command} after a {command}: {}", line.trim())),
            None => Ok(cost.wall * 1000.0),
        }
    }

    fn pack(&self) -> Result<Cost> {
        clear(&self.store)?;
        let out = self.targets.join("packed");
        clear(&out)?;
        let mut pack = self.precast()?;
        let (cost, output) = cost(pack.args(["pack", "--all", "--offline", "-o"]).arg(&out))?;
        eprintln!("pack --all: {:.1} s CPU, {:.1} s wall", cost.cpu, cost.wall);
        match precompiled(&output) {
            None | Some(0) => Err("`cargo precast pack --all` has packed nothing".into()),
            Some(_) => Ok(cost),
        }
    }
}

/// One side's seconds.
pub struct Costs {
    cpu: Row,
    wall: Row,
}

impl Costs {
    pub fn new(name: &str) -> Costs {
        Costs { cpu: Row::new(name), wall: Row::new(name) }
    }

    pub fn add(&mut self, cost: Cost) {
        self.cpu.samples.push(cost.cpu);
        self.wall.samples.push(cost.wall);
    }

    fn copy(&self) -> Costs {
        let copy = |row: &Row| Row { name: row.name.clone(), samples: row.samples.clone() };
        Costs { cpu: copy(&self.cpu), wall: copy(&self.wall) }
    }

    /// CPU and wall time; the first of the sides is the base of both.
    pub fn tables<const N: usize>(title: &str, sides: [Costs; N]) -> [Table; 2] {
        let (cpu, wall): (Vec<Row>, Vec<Row>) =
            sides.into_iter().map(|costs| (costs.cpu, costs.wall)).unzip();
        [
            Table::new(format!("{title}, CPU"), "s", cpu, 0),
            Table::new(format!("{title}, wall"), "s", wall, 0),
        ]
    }
}

/// What one of cargo's commands took, on each side.
struct Builds {
    command: &'static str,
    /// Native, with an empty store, and with the store that was filled after that.
    clean: [Costs; 3],
    idle: [Row; 2],
}

impl Builds {
    fn new(command: &'static str) -> Builds {
        let native = format!("`cargo {command}`");
        let clean = ["native", "empty store", "filled store"];
        let clean = clean.map(|side| match side {
            "native" => Costs::new(&native),
            side => Costs::new(&format!("`cargo precast {command}`, {side}")),
        });
        let idle = [Row::new(&native), Row::new(format!("`cargo precast {command}`"))];
        Builds { command, clean, idle }
    }

    /// All sides in turn.
    fn run(&mut self, project: &Project) -> Result {
        let [native, first, second] = &mut self.clean;
        native.add(project.clean(self.command, "native")?.0);
        clear(&project.store)?;
        let (cost, n_precompiled) = project.clean(self.command, "precast")?;
        if n_precompiled != Some(0) {
            return Err(format!("{n_precompiled:?} macro packages were in an empty store"));
        }
        first.add(cost);
        project.wait()?;
        let (cost, n_precompiled) = project.clean(self.command, "precast")?;
        if matches!(n_precompiled, None | Some(0)) {
            return Err("no macro package was precompiled, though all were packed".into());
        }
        second.add(cost);
        for _ in 0..N_IDLE {
            for (row, side) in self.idle.iter_mut().zip(["native", "precast"]) {
                row.samples.push(project.idle(self.command, side)?);
            }
        }
        Ok(())
    }

    fn value(self) -> Value {
        let mut value = tables(&format!("clean {}", self.command), self.clean);
        let title = format!("{} with nothing to do", self.command);
        value["idle"] = Table::new(title, "ms", self.idle.into(), 0).value();
        value
    }
}

fn tables<const N: usize>(title: &str, sides: [Costs; N]) -> Value {
    let [cpu, wall] = Costs::tables(title, sides);
    json!({ "cpu": cpu.value(), "wall": wall.value() })
}
