//! How long cargo took for each package, from the page that `--timings` writes: cargo has no other form on stable.

use crate::base::error::{Class, Context, Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Where the page has its data.
const DATA: &str = "const UNIT_DATA = ";

#[derive(Deserialize)]
struct Unit {
    name: String,
    version: String,
    start: f64,
    duration: f64,
}

/// Seconds of a build, and of each package: all its units, also at the same time as others.
#[derive(Debug, Default, PartialEq)]
pub struct Timings {
    pub total: f64,
    /// By `NAME VERSION`.
    pub packages: BTreeMap<String, f64>,
}

pub fn read(target: &Path) -> Result<Timings> {
    let file = target.join("cargo-timings/cargo-timing.html");
    let text = std::fs::read_to_string(&file).at("read", &file)?;
    parse(&text).ok_or_else(|| {
        let message = format!("cannot read cargo's timings in {}", file.display());
        Error::new(Class::Toolchain, message)
    })
}

fn parse(page: &str) -> Option<Timings> {
    let (_, data) = page.split_once(DATA)?;
    // What follows is the rest of a script.
    let mut values = serde_json::Deserializer::from_str(data).into_iter::<Vec<Unit>>();
    let mut timings = Timings::default();
    for unit in values.next()?.ok()? {
        timings.total = timings.total.max(unit.start + unit.duration);
        let label = format!("{} {}", unit.name, unit.version);
        *timings.packages.entry(label).or_default() += unit.duration;
    }
    Some(timings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page() {
        let page = "<script>\nconst UNIT_DATA = [{\"i\":1,\"name\":\"a\",\"version\":\"1.0.0\",\"start\":0.5,\
            \"duration\":1.5,\"sections\":null},{\"name\":\"a\",\"version\":\"1.0.0\",\"start\":0.0,\
            \"duration\":0.5}];\nconst CONCURRENCY_DATA = [];";
        let timings = parse(page).unwrap();
        assert_eq!((timings.total, timings.packages["a 1.0.0"]), (2.0, 2.0));
        assert!(parse("<html>").is_none() && parse("const UNIT_DATA = {}").is_none());
    }
}
