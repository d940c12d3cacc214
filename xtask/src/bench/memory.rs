//! Peak memory of rustc over a long expansion.

use super::side::{source, Side};
use super::table::{Row, Table};
use super::workload::SUBJECTS;
use super::{shim, Findings};
use crate::run::Result;

/// The most that a shim may take, as a share of native: docs/benchmarks.md says how near it is.
const SHARE_MAX: f64 = 1.10;

pub fn bench(runs: usize) -> Result<Findings> {
    let mut findings = Findings::default();
    for subject in &SUBJECTS {
        let shim = shim(subject)?;
        let source = source(subject, subject.items)?;
        let sides =
            [Side::native(subject)?, Side::shim(subject, &shim)?, Side::portable(subject, &shim)?];
        let mut rows: Vec<Row> = sides.iter().map(|side| Row::new(side.name.clone())).collect();
        for _ in 0..runs {
            for (row, side) in rows.iter_mut().zip(&sides) {
                row.samples.push(side.usage(&source)?.peak_bytes as f64 / 1e6);
            }
        }
        let title = format!("Peak memory of rustc, {} items of {}", subject.items, subject.name);
        let table = Table::new(title, "MB", rows, 0).digits(1);
        let share = table.ratio(1);
        if share > SHARE_MAX {
            findings.failures.push(format!(
                "{}: rustc takes {share:.3} of native's memory, more than {SHARE_MAX}",
                subject.name
            ));
        }
        findings.tables.push(table);
    }
    Ok(findings)
}
