//! After a one-line edit: rustc's own figure for the pass `macro_expand_crate`, and the macros' part of it.
//!
//! Each project is compiled once on each side; then a line of it changes, and all sides compile it again, in turn.

use super::table::{Row, Table};
use super::trace::Trace;
use super::{scratch_bench, Findings};
use crate::apps::sources;
use crate::run::{capture, cargo, cargo_precast, clear, precast, write, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const OCTOCRAB: &str = "octocrab@0.49.5";

/// Every fifth of them has two derives of serde, one of thiserror and strum each, and an attribute.
const N_GROUPS: usize = 125;

const SIDES: [&str; 5] = [
    "native",
    "native, nightly with -Zcache-proc-macros",
    "precast, every macro runs",
    "precast, nothing remembered yet",
    "precast",
];
const NIGHTLY: usize = 1;
const RUN: usize = 2;
const EMPTY: usize = 3;
const FULL: usize = 4;

/// What the macros and the pass may take of native's, and of the pass without a memory where it is empty.
const MACROS_MAX: f64 = 0.45;
const PASS_MAX: f64 = 0.7;
const EMPTY_MAX: f64 = 1.02;

struct Project {
    name: &'static str,
    folder: PathBuf,
    /// The file that is edited, and its text for an edit.
    file: &'static str,
    text: Box<dyn Fn(usize) -> String>,
}

pub fn bench(runs: usize) -> Result<Findings> {
    let program = cargo_precast()?;
    let mut findings = Findings::default();
    for project in [generated()?, octocrab()?] {
        let tables = measure(&project, &program, runs)?;
        let [pass, macros] = &tables;
        let mut bound = |what: &str, ratio: f64, most: f64| {
            if ratio > most {
                let name = project.name;
                findings.failures.push(format!("{name}: {what} is {ratio:.3}, above {most}"));
            }
        };
        bound("the macros' time after an edit", macros.ratio(FULL), MACROS_MAX);
        bound("the pass after an edit", pass.ratio(FULL), PASS_MAX);
        bound("the pass after an edit, to nightly's", pass.ratio(FULL) / pass.ratio(NIGHTLY), 1.0);
        bound("the pass with an empty memory", pass.ratio(EMPTY) / pass.ratio(RUN), EMPTY_MAX);
        findings.tables.extend(tables);
    }
    Ok(findings)
}

/// An application with a thousand uses of six crates' macros.
fn generated() -> Result<Project> {
    let folder = scratch_bench("edit").join("generated");
    clear(&folder)?;
    let manifest = "[package]\nname = \"generated\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
        [dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\nthiserror = \"2\"\n\
        strum = { version = \"0.28\", features = [\"derive\"] }\nderive_more = { version = \"2\", features = [\"full\"] }\n\
        async-trait = \"0.1\"\nclap = { version = \"4\", features = [\"derive\"] }\n";
    write(&folder.join("Cargo.toml"), manifest)?;
    Ok(Project { name: "1,000 macros", folder, file: "src/lib.rs", text: Box::new(application) })
}

fn application(edit: usize) -> String {
    let mut text = String::from("#![allow(dead_code)]\n");
    for n in 0..N_GROUPS {
        let field = match n == N_GROUPS / 2 {
            true => format!("edited_{edit}"),
            false => "first".to_owned(),
        };
        let _ = write!(
            text,
            "#[derive(serde::Serialize, serde::Deserialize, derive_more::Constructor)]
#[serde(rename_all = \"camelCase\")]
pub struct S{n} {{
    pub {field}: u32,
    #[serde(default)]
    pub second: Option<String>,
    pub third: Vec<(u8, String)>,
}}
#[derive(thiserror::Error, Debug)]
pub enum E{n} {{
    #[error(\"first {{0}}\")]
    First(u8),
    #[error(\"second {{text}}\")]
    Second {{ text: String }},
}}
#[derive(strum::EnumIter, strum::Display)]
pub enum K{n} {{ One, Two, Three }}
#[derive(clap::Args)]
pub struct A{n} {{
    /// How many
    #[arg(long, default_value_t = {n})]
    pub number: usize,
}}
#[async_trait::async_trait]
pub trait T{n} {{
    async fn call(&self, x: &str) -> u8;
}}
"
        );
    }
    text
}

/// The published crate, with a line more at the head of the file that declares its types.
fn octocrab() -> Result<Project> {
    let folder = scratch_bench("edit").join("octocrab");
    sources::prepare(OCTOCRAB, &folder)?;
    let file = folder.join("src/models.rs");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let edited = move |edit| format!("{text}\nconst _: u32 = {edit};\n");
    Ok(Project { name: "octocrab", folder, file: "src/models.rs", text: Box::new(edited) })
}

fn measure(project: &Project, program: &Path, runs: usize) -> Result<[Table; 2]> {
    let rows = || SIDES.iter().map(|side| Row::new(*side)).collect::<Vec<Row>>();
    let (mut pass, mut macros, mut n_macros) = (rows(), rows(), 0);
    for edit in 0..=runs {
        write(&project.folder.join(project.file), &(project.text)(edit))?;
        for side in 0..SIDES.len() {
            if side == EMPTY {
                clear(&project.target(EMPTY).join("debug/precast-expansions"))?;
            }
            let trace = project.compile(side, program)?;
            // The first build fills what is remembered.
            if edit > 0 {
                pass[side].samples.push(trace.activity("macro_expand_crate").0 * 1e3);
                let (seconds, n) = trace.activity("expand_proc_macro");
                macros[side].samples.push(seconds * 1e3);
                n_macros = n_macros.max(n);
            }
        }
    }
    let name = format!("{}, {n_macros} expansions, one line edited", project.name);
    Ok([
        Table::new(format!("{name}: the pass `macro_expand_crate`"), "ms", pass, 0).digits(1),
        Table::new(format!("{name}: in the macros"), "ms", macros, 0).digits(1),
    ])
}

impl Project {
    fn target(&self, side: usize) -> PathBuf {
        scratch_bench("edit").join(format!("target-{}-{side}", self.name.replace([' ', ','], "")))
    }

    fn compile(&self, side: usize, program: &Path) -> Result<Trace> {
        let traces = scratch_bench("edit").join("trace");
        clear(&traces)?;
        let mut command = self.command(side, program)?;
        command.args(["rustc", "--quiet", "--lib", "--profile", "dev", "--"]);
        command.args(["--emit=metadata", "-Zself-profile-events=generic-activity"]);
        command.arg(format!("-Zself-profile={}", traces.display()));
        if side == NIGHTLY {
            command.arg("-Zcache-proc-macros");
        }
        capture(&mut command)?;
        Trace::read(&traces)
    }

    fn command(&self, side: usize, program: &Path) -> Result<Command> {
        let mut command = cargo();
        // For this crate alone: build scripts ask whether unstable features are there.
        command.current_dir(&self.folder).env("RUSTC_BOOTSTRAP", self.crate_name());
        command.env("CARGO_TARGET_DIR", self.target(side)).env_remove("RUSTFLAGS");
        command.env_remove("PRECAST_EXPANSIONS").env("CARGO_INCREMENTAL", "1");
        if side == NIGHTLY {
            command.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("RUSTC_BOOTSTRAP");
        }
        if side < RUN {
            return Ok(command);
        }
        if side == RUN {
            command.env("PRECAST_EXPANSIONS", "");
        }
        let mut command = precast(command, program)?;
        command.env("PRECAST_MISSING", "pack");
        Ok(command)
    }

    fn crate_name(&self) -> &'static str {
        if self.name == "octocrab" {
            "octocrab"
        } else {
            "generated"
        }
    }
}
