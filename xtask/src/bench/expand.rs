//! Expansion time: rustc's own figure for the pass `macro_expand_crate`, and the macros' part of it.

use super::side::{path, source, Side};
use super::table::{Row, Table};
use super::workload::{Subject, SERDE, SUBJECTS};
use super::{shim, Findings};
use crate::run::Result;
use std::path::Path;

/// `--release` alone leaves macros, and what they depend on, at opt-level 0.
const OPTIMISED: [&str; 2] = ["--config", "profile.dev.build-override.opt-level=3"];

/// How many times slower than the portable engine watt must at least be.
const WATT_RATIO_MIN: f64 = 10.0;

pub fn bench(runs: usize) -> Result<Findings> {
    let mut findings = watt(runs)?;
    for subject in &SUBJECTS {
        let shim = shim(subject)?;
        let dependency = format!("{} = \"={}\"", subject.name, subject.version);
        let sides = [
            Side::native(subject)?,
            Side::shim(subject, &shim)?,
            Side::portable(subject, &shim)?,
            Side::build("native, opt-level 3", subject, &dependency, "", &OPTIMISED)?,
        ];
        let sides: Vec<&Side> = sides.iter().collect();
        findings.tables.extend(compare(subject, &sides, subject.items, runs)?);
    }
    Ok(findings)
}

fn watt(runs: usize) -> Result<Findings> {
    let shim = shim(&SERDE)?;
    let watt = "serde_derive = { package = \"wa-serde-derive\", version = \"=0.1.137\" }";
    let sides = [
        Side::native(&SERDE)?,
        Side::shim(&SERDE, &shim)?,
        Side::portable(&SERDE, &shim)?,
        Side::build("watt (wa-serde-derive)", &SERDE, watt, "", &[])?,
    ];
    let sides: Vec<&Side> = sides.iter().collect();
    let tables = compare(&SERDE, &sides, 50, runs)?;
    let faster = tables[0].ratio(3) / tables[0].ratio(2);
    let failures = (faster < WATT_RATIO_MIN)
        .then(|| format!("the portable engine is only {faster:.1} times as fast as watt"));
    Ok(Findings { tables, failures: failures.into_iter().collect() })
}

/// Two tables of each side expanding `items` items, sides taking turns: the pass, and the macros.
pub fn compare(
    subject: &Subject,
    sides: &[&Side],
    items: usize,
    runs: usize,
) -> Result<Vec<Table>> {
    let source = source(subject, items)?;
    let rows = || sides.iter().map(|side| Row::new(side.name.clone())).collect::<Vec<Row>>();
    let (mut pass, mut macros, mut n_macros) = (rows(), rows(), 0);
    for _ in 0..runs {
        for (at, side) in sides.iter().enumerate() {
            let expansion = side.expand(&source)?;
            pass[at].samples.push(expansion.pass * 1e3);
            macros[at].samples.push(expansion.macros * 1e3);
            n_macros = expansion.n_macros;
        }
    }
    let name = format!("{} {}, {n_macros} expansions", subject.name, subject.version);
    Ok(vec![
        Table::new(format!("{name}: the pass `macro_expand_crate`"), "ms", pass, 0).digits(1),
        Table::new(format!("{name}: in the macros"), "ms", macros, 0).digits(1),
    ])
}

/// The first two sides, and how long 200 derives take: for the demonstration.
pub fn demo(shim: &Path, runs: usize) -> Result<Vec<Table>> {
    let sides = [Side::native(&SERDE)?, Side::build("shim", &SERDE, &path(&SERDE, shim), "", &[])?];
    compare(&SERDE, &[&sides[0], &sides[1]], 100, runs)
}
