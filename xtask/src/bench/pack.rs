//! CPU seconds of packing, the toolchain being ready: against building the same crate for the host with
//! the same compiler, and ten crates in one call against ten calls.

use super::table::{Row, Table};
use super::workload::SERDE;
use super::{package, scratch_bench, Findings};
use crate::run::{capture, cargo, cargo_precast, clear, command, cpu_seconds, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The first one is that which is built for the host.
const CRATES: [&str; 10] = [
    "serde_derive@1.0.229",
    "thiserror-impl@2.0.21",
    "async-trait@0.1.92",
    "tracing-attributes@0.1.31",
    "displaydoc@0.2.7",
    "zeroize_derive@1.5.0",
    "num-derive@0.5.1",
    "strum_macros@0.28.0",
    "bytemuck_derive@1.12.1",
    "futures-macro@0.3.34",
];

const AGAINST_BUILD_MAX: f64 = 1.5;
const TOGETHER_MAX: f64 = 0.5;

struct Packer {
    binary: PathBuf,
    cache: PathBuf,
}

impl Packer {
    /// A cache of its own, in which the standard library and the guest are; and all is downloaded.
    fn new() -> Result<Packer> {
        let packer = Packer { binary: cargo_precast()?, cache: scratch_bench("pack-cache") };
        let mut dependencies = "[dependencies]\n".to_owned();
        for spec in CRATES {
            let (name, version) = spec.split_once('@').expect("each has a version");
            dependencies += &format!("{name} = \"={version}\"\n");
        }
        let all = package("pack-all", &dependencies, "")?;
        capture(cargo().arg("fetch").current_dir(&all))?;
        capture(&mut packer.command(&CRATES[..1]))?;
        Ok(packer)
    }

    fn command(&self, specs: &[&str]) -> std::process::Command {
        let mut pack = command(&self.binary);
        pack.env("PRECAST_CACHE_DIR", &self.cache).args(["precast", "pack", "--quiet"]);
        pack.args(specs).arg("-o").arg(scratch_bench("pack-out"));
        pack
    }

    /// The compiler that packs: one of another version, or another build of it, would be no measure.
    fn compiler(&self) -> Result<PathBuf> {
        let output = capture(self.command(&CRATES[..1]).arg("--json"))?;
        let packed: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("cannot read what pack says: {error}"))?;
        let wanted = &packed[0]["manifest"]["toolchain"]["rustc"];
        let wanted = wanted.as_str().ok_or("pack does not say which compiler it used")?;
        let named = std::env::var_os("PRECAST_RUSTC").map(PathBuf::from);
        let places = named.into_iter().chain(["rustc", "/usr/bin/rustc"].map(PathBuf::from));
        let is_wanted = |rustc: &PathBuf| {
            capture(command(rustc).arg("-vV")).is_ok_and(|output| {
                let text = String::from_utf8_lossy(&output.stdout);
                text.lines().any(|line| line.strip_prefix("release: ") == Some(wanted))
            })
        };
        let found = places.into_iter().find(is_wanted);
        found.ok_or_else(|| format!("cannot find rustc {wanted}, with which pack compiled"))
    }

    /// Seconds of one call that finds nothing built but the toolchain.
    fn seconds(&self, specs: &[&str]) -> Result<f64> {
        for part in ["build", "module"] {
            clear(&self.cache.join(part))?;
        }
        cpu_seconds(&mut self.command(specs))
    }
}

pub fn bench(runs: usize) -> Result<Findings> {
    let packer = Packer::new()?;
    let dependency = format!("[dependencies]\n{} = \"={}\"\n", SERDE.name, SERDE.version);
    let host = package("pack-host", &dependency, "")?;
    capture(cargo().arg("fetch").current_dir(&host))?;
    let rustc = packer.compiler()?;
    let mut one = [Row::new("`cargo build --release` for the host"), Row::new("pack")];
    let mut ten = [Row::new("ten calls"), Row::new("one call with ten crates")];
    for _ in 0..runs {
        one[0].samples.push(build(&host, &rustc)?);
        let apart: Result<Vec<f64>> = CRATES.iter().map(|spec| packer.seconds(&[spec])).collect();
        let apart = apart?;
        one[1].samples.push(apart[0]);
        ten[0].samples.push(apart.iter().sum());
        ten[1].samples.push(packer.seconds(&CRATES)?);
    }
    let title = format!("Packing {} {}, CPU", SERDE.name, SERDE.version);
    let tables = vec![
        Table::new(title, "s", one.into(), 0).digits(2),
        Table::new("Packing ten crates, CPU", "s", ten.into(), 0).digits(2),
    ];
    let bounds = [AGAINST_BUILD_MAX, TOGETHER_MAX];
    let failures = tables.iter().zip(bounds).filter(|(table, max)| table.ratio(1) > *max);
    let failures = failures
        .map(|(table, max)| format!("{}: {:.2}, more than {max}", table.title, table.ratio(1)))
        .collect();
    Ok(Findings { tables, failures })
}

fn build(folder: &Path, rustc: &Path) -> Result<f64> {
    let target = scratch_bench("pack-host-target");
    clear(&target)?;
    let mut build = cargo();
    build.args(["build", "--release", "--quiet", "--offline", "--package", SERDE.name]);
    build.arg("--target-dir").arg(&target).current_dir(folder).env_remove("RUSTFLAGS");
    build.env("RUSTC", rustc);
    cpu_seconds(&mut build)
}
