//! `cargo xtask strangers`: macro packages drawn at random, their own examples and tests natively
//! and packed.
//!
//! `fixtures/strangers.txt` has the names. A package brings its consumers along: examples in its
//! documentation, its tests and its examples, and those of the package that re-exports it. Nothing
//! about a package is known before, so a difference here is one that nobody looked for.

mod mutants;
mod package;
pub mod record;
mod sides;
mod sources;

use crate::run::{cargo_precast, clear, command, read, root, scratch, Result};
use package::Package;
use record::{Difference, Found, Kind};
use sides::{Side, Sides};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Files of one package that are compared: tests first, then examples, then documentation.
const SOURCES_MAX: usize = 8;
const PACK_SECONDS: u64 = 300;

struct Options {
    n: usize,
    seed: u64,
    /// This shard, counted from 1, and the number of shards.
    shard: (usize, usize),
    only: Vec<String>,
    write: bool,
}

/// A line of the list: the package, and the one that re-exports its macros.
#[derive(Clone)]
pub struct Name {
    pub package: String,
    pub facade: Option<String>,
}

pub fn strangers(args: &[&str]) -> Result {
    let options = parse(args)?;
    let drawn = draw(&names()?, &options)?;
    // Writing tells of what runs before have found.
    if !options.write {
        run(&drawn, &options)?;
    }
    let all: Vec<Found> = drawn.iter().filter_map(|name| record::load(&name.package)).collect();
    print!("\n{}", record::table(&all));
    if options.write {
        record::write(&all, options.seed, options.n)?;
    }
    Ok(())
}

fn run(drawn: &[Name], options: &Options) -> Result {
    let program = cargo_precast()?;
    for name in drawn {
        // What was done before stays done, so that an interrupted run goes on.
        if options.only.is_empty() && record::load(&name.package).is_some() {
            continue;
        }
        let start = Instant::now();
        let found = one(name, &program).unwrap_or_else(|why| Found::skipped(name, why));
        println!("{}  ({:.0} s)", found.line(), start.elapsed().as_secs_f64());
        found.save()?;
    }
    Ok(())
}

fn parse(args: &[&str]) -> Result<Options> {
    let mut options = Options { n: 20, seed: 1, shard: (1, 1), only: Vec::new(), write: false };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if *word == "--write" {
            options.write = true;
            continue;
        }
        let value = *words.next().ok_or_else(|| format!("`{word}` takes a value"))?;
        let number = || value.parse().map_err(|_| format!("{word} takes a number"));
        match *word {
            "--n" => options.n = number()?,
            "--seed" => options.seed = value.parse().map_err(|_| "--seed takes a number")?,
            "--shard" => options.shard = crate::corpus::shard(value)?,
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            _ => return Err(format!("unknown option `{word}`")),
        }
    }
    Ok(options)
}

fn names() -> Result<Vec<Name>> {
    let text = read(&root().join("fixtures/strangers.txt"))?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    Ok(lines
        .map(|line| match line.split_once(' ') {
            Some((package, facade)) => {
                Name { package: package.to_owned(), facade: Some(facade.to_owned()) }
            }
            None => Name { package: line.to_owned(), facade: None },
        })
        .collect())
}

/// The first `n` of an order that the seed decides: more with the same seed adds to fewer.
fn draw(names: &[Name], options: &Options) -> Result<Vec<Name>> {
    if let Some(unknown) = options.only.iter().find(|n| names.iter().all(|m| m.package != **n)) {
        return Err(format!("fixtures/strangers.txt has no `{unknown}`"));
    }
    if !options.only.is_empty() {
        let is_named = |name: &&Name| options.only.contains(&name.package);
        return Ok(names.iter().filter(is_named).cloned().collect());
    }
    let mut order: Vec<&Name> = names.iter().collect();
    order.sort_by_key(|name| (place(&name.package, options.seed), name.package.clone()));
    let (k, n) = options.shard;
    let drawn = order.into_iter().take(options.n).enumerate();
    Ok(drawn.filter(|(i, _)| i % n == k - 1).map(|(_, name)| name.clone()).collect())
}

/// FNV-1a of the seed and the name, mixed once more: short names differ in few bits.
fn place(name: &str, seed: u64) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn one(name: &Name, program: &Path) -> Result<Found> {
    let found = compare(Package::find(name, false)?, program)?;
    match found.differences.iter().any(Difference::is_without_macros) {
        true => compare(Package::find(name, true)?, program),
        false => Ok(found),
    }
}

fn compare(package: Package, program: &Path) -> Result<Found> {
    let mut found = Found::new(&package);
    let mut sides = Sides::new(&package)?;
    let sources = sources::of(&package, &sides.folder, SOURCES_MAX)?;
    if sources.is_empty() {
        return Err("nothing published uses its macros".into());
    }
    sides.build(Side::Native, None)?;
    let shim = match pack(&package, program) {
        Ok(shim) => shim,
        Err(why) => {
            found.differences.push(Difference::new(Kind::Packing, "", &why));
            return Ok(found);
        }
    };
    let native: Vec<_> = sources.iter().map(|source| sides.run(Side::Native, source)).collect();
    if let Err(why) = sides.build(Side::Shim, Some(&shim)) {
        found.differences.push(Difference::new(Kind::Build, "", &why));
        return Ok(found);
    }
    for (source, native) in sources.iter().zip(native) {
        let (native, shim) = (native?, sides.run(Side::Shim, source)?);
        found.add(source, &native, &shim, &sides)?;
    }
    clear(&sides.folder)?;
    Ok(found)
}

/// Packs the package with the features that its consumer enables; the shim's folder.
fn pack(package: &Package, program: &Path) -> Result<PathBuf> {
    let out = scratch("strangers").join("packed");
    let mut pack = command(program);
    pack.args(["precast", "pack", "--quiet", "--no-default-features", "-o"]).arg(&out);
    pack.arg(format!("{}@{}", package.name, package.version));
    if !package.features.is_empty() {
        pack.arg("--features").arg(package.features.join(","));
    }
    let output = sides::limited(pack, PACK_SECONDS)?.ok_or("it takes too long to pack")?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(out.join(format!("{}-{}", package.name, package.version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_shards_of_one_order() {
        let names: Vec<Name> =
            (0..100).map(|i| Name { package: format!("name-{i}"), facade: None }).collect();
        let draw = |n, seed, shard| {
            let options = Options { n, seed, shard, only: Vec::new(), write: false };
            let drawn = super::draw(&names, &options).unwrap();
            drawn.into_iter().map(|name| name.package).collect::<Vec<_>>()
        };
        let all = draw(20, 7, (1, 1));
        assert_eq!(all.len(), 20);
        assert_eq!(draw(10, 7, (1, 1)), all[..10]);
        assert_ne!(draw(20, 8, (1, 1)), all);
        let mut parts = [draw(20, 7, (1, 2)), draw(20, 7, (2, 2))].concat();
        parts.sort();
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!(parts, sorted);
    }
}
