//! The corpus in two places: the artifacts that another user packs elsewhere are the same, byte for
//! byte. The first place is this repository and its user's cache, the second one begins empty and
//! builds all there is, the standard library included.

#[path = "../../../tests/rebuild/elsewhere.rs"]
mod elsewhere;

use super::fixture::Fixture;
use super::Shims;
use crate::run::{clear, Result};
use elsewhere::Elsewhere;
use std::path::{Path, PathBuf};

pub fn check(chosen: &[&Fixture], here: &Shims, program: &Path) -> Result {
    let place = place();
    clear(&place)?;
    let elsewhere = Elsewhere::new(&place, program);
    elsewhere.copy_registry();
    let there = super::pack(chosen, &place.join("out"), &|| {
        let mut command = elsewhere.command();
        command.env("CARGO_NET_OFFLINE", "true");
        command
    });
    let mut wrong = Vec::new();
    for fixture in chosen {
        let folder = &fixture.folder;
        match difference(&here[folder], &there[folder]) {
            Ok(None) => println!("{:<32} equal", fixture.id()),
            Ok(Some(what)) => {
                println!("{:<32} {what}", fixture.id());
                wrong.push(folder.as_str());
            }
            Err(e) => {
                println!("{:<32} {e}", fixture.id());
                wrong.push(folder.as_str());
            }
        }
    }
    println!(
        "{} of {} artifacts are the same in two places",
        chosen.len() - wrong.len(),
        chosen.len()
    );
    match wrong.is_empty() {
        true => clear(&place),
        false => Err(format!("not the same in {}: {}", place.display(), wrong.join(", "))),
    }
}

/// Outside of the repository and of every home.
fn place() -> PathBuf {
    std::env::temp_dir().join("precast-elsewhere/far away")
}

fn difference(here: &Result<PathBuf>, there: &Result<PathBuf>) -> Result<Option<String>> {
    let read = |shim: &Result<PathBuf>| {
        let shim = shim.as_ref().map_err(Clone::clone)?;
        let file = format!("{}.precast", shim.display());
        std::fs::read(&file).map_err(|e| format!("cannot read {file}: {e}"))
    };
    let (here, there) = (read(here)?, read(there)?);
    let equal = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
    let sizes = format!("{} bytes here, {} there", here.len(), there.len());
    Ok((here != there).then(|| format!("differs at byte {equal} ({sizes})")))
}
