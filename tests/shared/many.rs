//! A list of packages, jobs that pack it together, and one that is killed.

use super::fixture::{directory, ok, put, registry_macro, texts};
use super::prepared::{copy, objects, packer, prepared};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const N: usize = 5;
const N_JOBS: usize = 3;

/// A folder with a list, and cargo's configuration for a registry that has what the list names.
fn place(base: &Path) -> PathBuf {
    let registry = base.join("registry");
    let mut list = "# macros of everybody\nbroken@1.0.0\n".to_owned();
    for n in 0..N {
        let name = format!("listed{n}");
        registry_macro(&registry, &name, "1.0.0", "");
        list += &format!("{name}{}\n", if n == 0 { " loud" } else { "" });
    }
    registry_macro(&registry, "broken", "1.0.0", "");
    put(&registry.join("broken-1.0.0"), &[("src/lib.rs", "this is no Rust\n")]);
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\ndirectory = \"{}\"\n",
        registry.display()
    );
    let place = base.join("jobs");
    put(&place, &[(".cargo/config.toml", &config), ("list.txt", &list)]);
    let prepared = prepared();
    for kind in ["sysroot", "guest"] {
        copy(&prepared.full.join(kind), &base.join("store").join(kind));
    }
    place
}

/// The Kth job of an array.
fn job(place: &Path, k: usize) -> Command {
    let args =
        ["pack", "--list", "list.txt", "--push", "--lease", "2", "--offline", "--report", "report"];
    let mut command = packer(place, &place.join("../store"), &args);
    let url = format!("file://{}", place.join("../shared").display());
    command.env("PRECAST_STORE_URL", url).env("PRECAST_STORE_MODE", "write");
    command.env("PRECAST_SIGNING_KEY", &prepared().key);
    command.env("PRECAST_TRUSTED_KEYS", prepared().public());
    command.env("SLURM_ARRAY_TASK_ID", (k + 10).to_string());
    command.env("SLURM_ARRAY_TASK_MIN", "10").env("SLURM_ARRAY_TASK_COUNT", N_JOBS.to_string());
    command
}

fn claims(shared: &Path) -> Vec<String> {
    objects(shared, "claim").iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn a_killed_job_and_two_others() {
    let base = directory("shared-many");
    let (place, shared) = (place(&base), base.join("shared"));
    fs::create_dir_all(&shared).unwrap();
    let start = |k| job(&place, k).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut first: Child = start(0);
    while !claims(&shared).iter().any(|job| job.starts_with("1/3")) {
        assert_eq!(first.try_wait().unwrap(), None, "it has ended without a claim");
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let mut others: Vec<Child> = (1..N_JOBS).map(start).collect();
    for other in &mut others {
        // One package cannot be packed, which is told.
        assert_eq!(other.wait().unwrap().code(), Some(4));
    }
    // What the killed one had taken up is done by others.
    let claims = claims(&shared);
    assert_eq!(claims.iter().filter(|job| job.starts_with("1/3")).count(), 1, "{claims:?}");
    assert_eq!(claims.len(), N + 2, "{claims:?}");
    assert_eq!((objects(&shared, "lean").len(), objects(&shared, "rest").len()), (N, N));

    let report = fs::read(place.join("report/report.json")).unwrap();
    let report: Vec<Value> = serde_json::from_slice(&report).unwrap();
    assert_eq!(report.len(), N + 1);
    let ids: BTreeSet<&str> = report
        .iter()
        .flat_map(|done| done["made"].as_array().unwrap())
        .map(|made| made["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), N);
    let failed: Vec<&Value> = report.iter().filter(|done| !done["problem"].is_null()).collect();
    assert_eq!((failed.len(), failed[0]["item"].as_str()), (1, Some("broken@1.0.0")));
    let page = fs::read_to_string(place.join("report/report.html")).unwrap();
    assert!(page.contains(&format!("{N} packed, 0 known before, 1 failed")), "{page}");

    // Started again, a job finds nothing to do, and tells the same.
    let before = fs::read(place.join("report/report.json")).unwrap();
    let output = job(&place, 2).output().unwrap();
    let (_, err) = texts(&output, false);
    assert!(err.contains("broken@1.0.0: "), "{err}");
    assert!(!err.contains("packing "), "{err}");
    assert_eq!(fs::read(place.join("report/report.json")).unwrap(), before);

    // Each of them is what it says.
    let names: Vec<String> = (0..N).map(|n| format!("listed{n}")).collect();
    let store = base.join("another");
    let mut pull = packer(&place, &store, &["store", "pull"]);
    pull.args(&names).env("PRECAST_STORE_URL", format!("file://{}", shared.display()));
    let (out, _) = ok(pull.env("PRECAST_TRUSTED_KEYS", prepared().public()));
    assert_eq!(out, format!("{N} new artifacts\n"));
    let (out, _) = ok(&mut packer(&place, &store, &["store", "verify"]));
    assert_eq!(out, format!("{N} artifacts, none damaged\n"));
}
