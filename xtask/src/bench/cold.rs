//! A fresh rustc: its first derive, and a macro crate that is named but not used.

use super::side::Side;
use super::table::{Row, Table};
use super::workload::SERDE;
use super::{scratch_bench, shim, Findings};
use crate::run::{write, Result};

const FIRST: &str = "\
#[derive(serde_derive::Serialize)]
pub struct Point {
    pub x: i32,
    pub y: i32,
}
";

const BOTH: &str = "\
#[derive(serde_derive::Serialize, serde_derive::Deserialize)]
#[serde(rename_all = \"camelCase\")]
pub struct Record {
    pub first_name: String,
    #[serde(default)]
    pub age: u32,
    #[serde(skip_serializing_if = \"Option::is_none\")]
    pub mail: Option<String>,
}
";

const UNUSED: &str = "#[allow(unused_imports)]\nuse serde_derive::Serialize;\n";

pub fn bench(runs: usize) -> Result<Findings> {
    let shim = shim(&SERDE)?;
    let sides = [Side::native(&SERDE)?, Side::shim(&SERDE, &shim)?, Side::portable(&SERDE, &shim)?];
    let mut findings = Findings::default();
    for (name, text, title) in [
        ("first", FIRST, "The first derive of a process, a struct of two fields"),
        ("both", BOTH, "The first two derives of a process, with attributes"),
        ("unused", UNUSED, "A macro crate that is loaded and not used"),
    ] {
        let source = scratch_bench(&format!("cold-{name}.rs"));
        write(&source, text)?;
        let rows = || sides.iter().map(|side| Row::new(side.name.clone())).collect::<Vec<Row>>();
        let (mut pass, mut macros) = (rows(), rows());
        for _ in 0..runs {
            for (at, side) in sides.iter().enumerate() {
                let expansion = side.expand(&source)?;
                pass[at].samples.push(expansion.pass * 1e3);
                macros[at].samples.push(expansion.macros * 1e3);
            }
        }
        let pass = Table::new(format!("{title}: the pass `macro_expand_crate`"), "ms", pass, 0);
        findings.tables.push(pass.digits(2));
        if name != "unused" {
            let macros = Table::new(format!("{title}: in the macro"), "ms", macros, 0);
            findings.tables.push(macros.digits(2));
        }
    }
    Ok(findings)
}
