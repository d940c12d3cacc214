//! The first build on a machine that has no store of its own and no toolchain for wasm, but reads a store that others
//! have filled: against cargo alone, and against the second build of whoever has packed all of it.

use super::projects::{Costs, Project};
use super::table::Table;
use super::{scratch_bench, Findings};
use crate::apps::OURS;
use crate::run::{capture, cargo_precast, clear, Cost, Result};
use std::path::PathBuf;
use std::process::Command;

/// Ours, and two with more than 250 packages in their graphs.
const PROJECTS: [&str; 3] = [OURS, "live-server@0.11.1", "mdbook@0.5.4"];

/// What the first build may take of native's, in the project that has most macros.
const CPU_MAX: f64 = 0.45;
const WALL_MAX: f64 = 0.5;
/// Of what a store of one's own saves, as much is saved in the others: CPU.
const GAIN_MIN: f64 = 0.8;

/// Rows of a table, beside the native one.
const OWN: usize = 1;
const SHARED: usize = 2;

struct Team {
    project: Project,
    /// The store that is shared, and its key.
    url: String,
    key: PathBuf,
    /// Of a machine that has nothing yet.
    empty: PathBuf,
}

pub fn bench(runs: usize) -> Result<Findings> {
    let program = cargo_precast()?;
    let mut findings = Findings::default();
    for spec in PROJECTS {
        let project = Project::prepare(spec, &scratch_bench("shared-store"), &program)?;
        let team = Team::fill(project)?;
        let native = Costs::new("`cargo build`");
        let own = Costs::new("`cargo precast build`, own store filled");
        let shared = Costs::new("`cargo precast build`, shared store filled");
        let mut sides = [native, own, shared];
        for _ in 0..runs {
            sides[0].add(team.project.clean("build", "native")?.0);
            sides[OWN].add(team.project.clean("build", "precast")?.0);
            sides[SHARED].add(team.first_build()?);
        }
        let name = spec.replace('@', " ");
        let [cpu, wall] = Costs::tables(&format!("{name}: clean build"), sides);
        bounds(spec, &cpu, &wall, &mut findings.failures);
        findings.tables.extend([cpu, wall]);
        clear(&team.project.folder)?;
    }
    Ok(findings)
}

fn bounds(spec: &str, cpu: &Table, wall: &Table, failures: &mut Vec<String>) {
    let mut check = |what: &str, found: f64, fits: bool| {
        if !fits {
            failures.push(format!("{spec}: {what} is {found:.3}"));
        }
    };
    if spec == OURS {
        let (cpu, wall) = (cpu.ratio(SHARED), wall.ratio(SHARED));
        check("CPU of the first build, of native's,", cpu, cpu <= CPU_MAX);
        check("wall time of the first build, of native's,", wall, wall <= WALL_MAX);
    } else {
        let gain = (1.0 - cpu.ratio(SHARED)) / (1.0 - cpu.ratio(OWN));
        check("what a shared store saves, of what one's own does,", gain, gain >= GAIN_MIN);
    }
}

impl Team {
    fn fill(project: Project) -> Result<Team> {
        let folder = project.folder.clone();
        let (key, store) = (folder.join("team.key"), folder.join("shared"));
        clear(&store)?;
        std::fs::create_dir_all(&store).map_err(|e| format!("{}: {e}", store.display()))?;
        let url = format!("file://{}", store.display());
        let team = Team { project, url, key, empty: folder.join("empty") };
        capture(team.precast()?.args(["store", "keygen"]).arg(&team.key))?;
        let mut fill = team.project.precast()?;
        fill.env("PRECAST_MISSING", "pack").args(["build", "--locked"]);
        team.project.clean_by(fill, "precast")?;
        let mut push = team.precast()?;
        push.env("PRECAST_STORE_MODE", "write").env("PRECAST_SIGNING_KEY", &team.key);
        capture(push.args(["store", "push", "--all"]))?;
        Ok(team)
    }

    /// With all macros from the shared store, and a compiler for wasm that is none.
    fn first_build(&self) -> Result<Cost> {
        clear(&self.empty)?;
        let mut first = self.precast()?;
        first.env("PRECAST_CACHE_DIR", &self.empty);
        first.env("PRECAST_RUSTC", self.project.folder.join("no-rustc"));
        // Offline no store would be asked.
        first.args(["build", "--locked"]);
        match self.project.clean_by(first, "precast")? {
            (cost, Some(n)) if n > 0 => Ok(cost),
            _ => Err("no macro package came from the shared store".into()),
        }
    }

    fn precast(&self) -> Result<Command> {
        let mut command = self.project.precast()?;
        command.env("PRECAST_STORE_URL", &self.url);
        command.env("PRECAST_TRUSTED_KEYS", self.key.with_extension("key.pub"));
        Ok(command)
    }
}
