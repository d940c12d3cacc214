//! The corpus in two places: the artifacts that another user packs elsewhere are the same, byte for
//! byte. The first place is this repository and its user's cache, the second one begins empty and
//! builds all there is, the standard library included.

#[path = "../../../tests/rebuild/elsewhere.rs"]
mod elsewhere;

use super::fixture::Fixture;
use crate::run::{clear, command, Result};
use elsewhere::Elsewhere;
use std::path::{Path, PathBuf};

/// Crate by crate, and both places at once. A run that was cut short has said what it saw, and the
/// next one goes on in the same second place.
pub fn check(chosen: &[&Fixture], program: &Path) -> Result {
    let place = place();
    let elsewhere = Elsewhere::new(&place, program);
    let (out, mut wrong) = (place.join("out"), Vec::new());
    let (packed, ready) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for fixture in chosen {
                // Once to download, and again as in the second place: without a lock file of the author's
                // cargo chooses other versions where it has no network.
                let pack = |offline: &str| {
                    let mut pack = command(program);
                    pack.env("CARGO_NET_OFFLINE", offline);
                    super::pack_group(pack, &super::packed(), &[fixture])
                };
                let here = pack("false").and_then(|()| pack("true"));
                if packed.send((fixture, here)).is_err() {
                    break;
                }
            }
        });
        for (fixture, here) in ready {
            // The second place has no network.
            elsewhere.copy_registry();
            let mut there = elsewhere.command();
            there.env("CARGO_NET_OFFLINE", "true");
            let packed = here.and_then(|()| super::pack_group(there, &out, &[fixture]));
            match packed.and_then(|()| difference(fixture, &super::packed(), &out)) {
                Ok(None) => println!("{:<32} equal", fixture.id()),
                Ok(Some(what)) | Err(what) => {
                    println!("{:<32} {what}", fixture.id());
                    wrong.push(fixture.folder.as_str());
                }
            }
        }
    });
    let (n, equal) = (chosen.len(), chosen.len() - wrong.len());
    println!("{equal} of {n} artifacts are the same in two places");
    match wrong.is_empty() {
        true => clear(&place),
        false => Err(format!("not the same in {}: {}", place.display(), wrong.join(", "))),
    }
}

/// Outside of the repository and of every home.
fn place() -> PathBuf {
    std::env::temp_dir().join("precast-elsewhere/far away")
}

fn difference(fixture: &Fixture, here: &Path, there: &Path) -> Result<Option<String>> {
    let read = |folder: &Path| {
        let file = folder.join(format!("{}.precast", fixture.id()));
        std::fs::read(&file).map_err(|e| format!("cannot read {}: {e}", file.display()))
    };
    let (here, there) = (read(here)?, read(there)?);
    let equal = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
    let sizes = format!("{} bytes here, {} there", here.len(), there.len());
    Ok((here != there).then(|| format!("differs at byte {equal} ({sizes})")))
}
