//! Bytes: the module, what of it a shim embeds, and the shim as cargo packages it.

use super::table::{Row, Table};
use super::workload::SUBJECTS;
use super::{shim, Findings};
use crate::run::{capture, cargo, clear, command, Result};
use std::path::Path;

/// Bounds for serde_derive.
const IMAGE_MAX: f64 = 260e3;
const CRATE_MAX: f64 = 700e3;

pub fn bench(_: usize) -> Result<Findings> {
    let mut findings = Findings::default();
    for subject in &SUBJECTS {
        let shim = shim(subject)?;
        let file = |path: &str| bytes(&shim.join("precast").join(path));
        let sizes = [
            ("canonical wasm", file("module.wasm")?),
            ("embedded image", file("image.bin")?),
            ("`.crate` file of the shim", packaged(&shim)?),
        ];
        if subject.name == SUBJECTS[0].name {
            for ((name, size), max) in sizes[1..].iter().zip([IMAGE_MAX, CRATE_MAX]) {
                if *size > max {
                    findings.failures.push(format!("{name}: {size} bytes, more than {max}"));
                }
            }
        }
        let rows = sizes.map(|(name, size)| Row { name: name.into(), samples: vec![size / 1e3] });
        let title = format!("Size of {} {}", subject.name, subject.version);
        findings.tables.push(Table::new(title, "kB", rows.into(), 0).digits(1));
    }
    Ok(findings)
}

fn bytes(path: &Path) -> Result<f64> {
    let data =
        std::fs::metadata(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok(data.len() as f64)
}

/// The size of the `.crate` file. It is made outside the repository, whose workspace would claim the
/// shim otherwise.
fn packaged(shim: &Path) -> Result<f64> {
    let folder = std::env::temp_dir().join(format!("precast-size-{}", std::process::id()));
    clear(&folder)?;
    capture(command("cp").arg("-r").arg(shim).arg(&folder))?;
    let mut package = cargo();
    package.args(["package", "--quiet", "--allow-dirty", "--no-verify", "--offline"]);
    let packaged = capture(package.current_dir(&folder));
    let name = shim.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".crate";
    let size = packaged.and_then(|_| bytes(&folder.join("target/package").join(name)));
    clear(&folder)?;
    size
}
