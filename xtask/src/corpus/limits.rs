//! How near the corpus comes to the runtime's limits: the least part of them with which each
//! consumer still expands.
//!
//! The shims get a small part of each limit, built in, and `PRECAST_LIMITS` multiplies it again. So
//! all is built once, and only the consumers' own expansion is repeated with less and less.

use super::fixture::Fixture;
use super::record::Record;
use super::{work, Shims};
use crate::run::{read, write, Result};

const DEFAULT: &str = "precast::Limits::DEFAULT";
const FIELDS: [&str; 4] = ["fuel", "depth_max", "tokens_max", "files_max"];

/// Memory is divided by so much less: every module has a stack of 4 MiB, which is a part of it.
const MEMORY: u32 = 16;

pub fn check(all: &[Fixture], chosen: &[&Fixture], shims: &Shims, parts: &str) -> Result {
    let parts: u32 = parts
        .parse()
        .ok()
        .filter(|n: &u32| n.is_power_of_two() && *n >= MEMORY)
        .ok_or(format!("--limits takes a power of two from {MEMORY} on"))?;
    divide(shims, parts)?;
    let works = |fixture: &&&Fixture| fixture.reason.is_none();
    let chosen: Vec<&Fixture> = chosen.iter().filter(works).copied().collect();
    let (records, built) = work::check(all, &chosen, shims, &parts.to_string())?;
    let (mut wrong, mut nearest) = (Vec::new(), 0);
    for fixture in chosen {
        let near = built[&fixture.folder].clone();
        match near
            .and_then(|()| least(fixture, &Record::load(&records, &fixture.consumer())?, parts))
        {
            Ok((least, why)) => {
                nearest = nearest.max(least);
                println!("{:<32} {least}/{parts}{why}", fixture.id());
            }
            Err(e) => {
                println!("{:<32} {e}", fixture.id());
                wrong.push(fixture.folder.as_str());
            }
        }
    }
    println!("none needs more than {nearest}/{parts} (of memory: {nearest}/{})", parts / MEMORY);
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("not expanded: {}", wrong.join(", "))),
    }
}

/// Rewrites the packed shims' limits.
fn divide(shims: &Shims, parts: u32) -> Result {
    let part = |field: &str, by: u32| format!("{field}: ({DEFAULT}.{field} + {by} - 1) / {by}");
    let mut fields = FIELDS.map(|field| part(field, parts)).to_vec();
    fields.push(part("memory_bytes_max", parts / MEMORY));
    let lowered = format!("precast::Limits {{ {} }}", fields.join(", "));
    for shim in shims.values().filter_map(|shim| shim.as_ref().ok()) {
        let file = shim.join("src/lib.rs");
        let text = read(&file)?;
        if !text.contains(DEFAULT) {
            return Err(format!("{} has limits of its own", file.display()));
        }
        write(&file, &text.replace(DEFAULT, &lowered))?;
    }
    Ok(())
}

/// The least number of parts that do, and which limits stand in the way of less.
fn least(fixture: &Fixture, record: &Record, parts: u32) -> Result<(u32, String)> {
    let (source, mut parts) = (fixture.path.join("consumer.rs"), parts);
    let extra = ["-Zunpretty=expanded", "--test"];
    let extra = &extra[..1 + usize::from(fixture.test)];
    loop {
        let output =
            record.replay_with(&source, extra, &[("PRECAST_LIMITS", &parts.to_string())])?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            let named = |limit: &&str| text.contains(&format!("its limit `{limit}`"));
            let limits = ["memory", "fuel", "depth", "tokens", "files"].into_iter().filter(named);
            let limits: Vec<&str> = limits.collect();
            return match limits.is_empty() {
                true => Err(format!("fails otherwise:\n{text}")),
                false => Ok((parts * 2, format!(", for {}", limits.join(", ")))),
            };
        }
        if parts == 1 {
            return Ok((1, String::new()));
        }
        parts /= 2;
    }
}
