//! Builds a project twice from nothing, natively and with precast, and compares the times.

use super::timings::{self, Timings};
use crate::base::error::{Class, Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Both builds in seconds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub native: f64,
    pub precast: f64,
    /// Those that differ most come first.
    pub packages: Vec<PackageTime>,
}

/// A package's time in both builds: of all its units, which may run at the same time as others.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct PackageTime {
    /// `syn 2.0.119`
    pub package: String,
    pub native: f64,
    pub precast: f64,
}

/// One of the builds.
pub enum Side {
    Native,
    Precast,
}

/// Builds from nothing in an own directory. Cargo's command is given with its arguments.
fn build(mut cargo: Command, side: &Side, target: &Path) -> Result<Timings> {
    match std::fs::remove_dir_all(target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).at("remove", target)?
        }
        _ => {}
    }
    cargo.arg("--timings").env("CARGO_TARGET_DIR", target);
    if let Side::Native = side {
        // No wrapper, also where the configuration names one.
        cargo.env("RUSTC_WRAPPER", "").env("CARGO_BUILD_RUSTC_WRAPPER", "");
        cargo.env_remove("PRECAST_LAZY");
    }
    let status = cargo.status().class(Class::Toolchain, "cannot run cargo")?;
    if !status.success() {
        let what = match side {
            Side::Native => "the build without precast failed",
            Side::Precast => "the build failed",
        };
        return Err(Error::new(Class::Other, what));
    }
    timings::read(target)
}

/// Both builds, one after the other, each in a folder of its own.
pub fn measure(cargo: &mut dyn FnMut(&Side) -> Result<Command>, folder: &Path) -> Result<Measured> {
    let precast = build(cargo(&Side::Precast)?, &Side::Precast, &folder.join("precast"))?;
    let native = build(cargo(&Side::Native)?, &Side::Native, &folder.join("native"))?;
    Ok(compare(&native, &precast))
}

fn compare(native: &Timings, precast: &Timings) -> Measured {
    let names: BTreeSet<&String> = native.packages.keys().chain(precast.packages.keys()).collect();
    let of = |timings: &Timings, name: &str| timings.packages.get(name).copied().unwrap_or(0.0);
    let package = |name: &String| PackageTime {
        package: name.clone(),
        native: of(native, name),
        precast: of(precast, name),
    };
    let mut packages: Vec<PackageTime> = names.into_iter().map(package).collect();
    let saved = |one: &PackageTime| (one.native - one.precast).abs();
    packages.sort_by(|a, b| saved(b).total_cmp(&saved(a)).then_with(|| a.package.cmp(&b.package)));
    Measured { native: native.total, precast: precast.total, packages }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_either_build() {
        let timings = |total, packages: &[(&str, f64)]| Timings {
            total,
            packages: packages.iter().map(|(name, time)| (name.to_string(), *time)).collect(),
        };
        let native = timings(9.0, &[("a 1", 1.0), ("syn 2", 5.0)]);
        let measured = compare(&native, &timings(3.0, &[("a 1", 1.5), ("b 1", 0.1)]));
        let told: Vec<(&str, f64, f64)> =
            measured.packages.iter().map(|one| (&*one.package, one.native, one.precast)).collect();
        assert_eq!(told, [("syn 2", 5.0, 0.0), ("a 1", 1.0, 1.5), ("b 1", 0.0, 0.1)]);
        assert_eq!((measured.native, measured.precast), (9.0, 3.0));
    }
}
