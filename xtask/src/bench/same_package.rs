//! CPU seconds of a cold build of a package and the library that it depends on: the macros in the library's own package, packed,
//! and the same macros in a package of their own, compiled with `syn`.

use super::table::{Row, Table};
use super::{scratch_bench, Findings};
use crate::apps::sources;
use crate::run::{capture, cargo, cargo_precast, clear, command, cpu_seconds, write, Result};
use std::path::Path;

/// The most that the package may cost, as a share of the other. Bounds are for the least of the runs: a busy
/// machine adds more to the shorter build.
const SHARES_MAX: [f64; 2] = [1.0 / 6.0, 1.0 / 7.5];

const SERDE: &str = "serde_derive@1.0.229";

struct Subject {
    title: &'static str,
    /// How the program uses a macro.
    program: &'static str,
    /// The library of either kind, its macros' package and what the library re-exports.
    macros: &'static str,
}

const SUBJECTS: [Subject; 2] = [
    Subject {
        title: "A library with the macros that `cargo precast new --proc-macro` writes",
        program: "#[derive(library::Fields)]\npub struct S { pub a: u8 }\n",
        macros: "library-macros",
    },
    Subject {
        title: "A library with the macros of serde_derive 1.0.229",
        program: "pub use library::Serialize;\n",
        macros: "serde_derive",
    },
];

pub fn bench(runs: usize) -> Result<Findings> {
    let place = scratch_bench("same-package");
    clear(&place)?;
    let mut findings = Findings::default();
    for (subject, bound) in SUBJECTS.iter().zip(SHARES_MAX) {
        let place = place.join(subject.macros);
        prepare(subject, &place)?;
        let mut rows =
            vec![Row::new("macros in a package of their own"), Row::new("in the same package")];
        for _ in 0..runs {
            for (row, side) in rows.iter_mut().zip(["apart", "same"]) {
                row.samples.push(cold_build(&place.join(side).join("program"))?);
            }
        }
        let share = rows[1].least() / rows[0].least();
        println!("{}: 1/{:.1}", subject.title, 1.0 / share);
        if share > bound {
            findings.failures.push(format!("{}: {share:.3}, more than {bound:.3}", subject.title));
        }
        findings.tables.push(Table::new(
            format!("{}: cold build, CPU", subject.title),
            "s",
            rows,
            0,
        ));
    }
    Ok(findings)
}

/// Two folders, each with a library and a program: `apart` has the macros in a third package, `same` has moved them.
fn prepare(subject: &Subject, place: &Path) -> Result {
    let precast = cargo_precast()?;
    let apart = place.join("apart");
    let macros = apart.join(subject.macros);
    if subject.macros == "serde_derive" {
        sources::copy(&sources::published(SERDE)?, &macros)?;
    } else {
        template(&precast, place, &macros)?;
    }
    let library = format!(
        "[dependencies]\n{0} = {{ path = \"../{0}\" }}\n[features]\nstd = []\n",
        subject.macros
    );
    let exported = format!("pub use {}::*;\n", subject.macros.replace('-', "_"));
    package(&apart, "library", &library, &exported)?;
    package(
        &apart,
        "program",
        "[dependencies]\nlibrary = { path = \"../library\" }\n",
        subject.program,
    )?;
    let same = place.join("same");
    sources::copy(&apart, &same)?;
    let mut init = command(&precast);
    init.current_dir(same.join("library")).args([
        "precast",
        "init",
        "--proc-macro",
        "--allow-no-vcs",
    ]);
    capture(init.args(["--quiet", "--from"]).arg(format!("../{}", subject.macros)))?;
    // As cargo marks what it has downloaded: nobody edits such a package.
    write(&same.join("library/.cargo-ok"), "")?;
    for side in [apart, same] {
        capture(cargo().arg("fetch").current_dir(side.join("program")))?;
    }
    Ok(())
}

/// The macros of a new package, as a package of their own.
fn template(precast: &Path, place: &Path, macros: &Path) -> Result {
    let new = place.join("new");
    // Not one of this repository's packages.
    write(&new.join("Cargo.toml"), "[workspace]\nresolver = \"2\"\n")?;
    let mut made = command(precast);
    made.current_dir(&new).args([
        "precast",
        "new",
        "--proc-macro",
        "template",
        "--vcs",
        "none",
        "--quiet",
    ]);
    capture(&mut made)?;
    let name = macros.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let parent = macros.parent().unwrap_or(macros);
    let dependencies = "[lib]\nproc-macro = true\n[dependencies]\nquote = \"1\"\nsyn = { version = \"3\", features = [\"full\"] }\n";
    let text = crate::run::read(&new.join("template/proc-macro/lib.rs"))?;
    package(parent, &name, dependencies, &text)
}

fn package(place: &Path, name: &str, manifest: &str, source: &str) -> Result {
    let head = format!(
        "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\nlicense = \"MIT\"\n\n{manifest}\n[workspace]\n"
    );
    write(&place.join(name).join("Cargo.toml"), &head)?;
    write(&place.join(name).join("src/lib.rs"), source)
}

/// Builds the program's library and all it depends on, as cargo builds packages of a registry: not incrementally.
fn cold_build(folder: &Path) -> Result<f64> {
    let target = scratch_bench("cold");
    clear(&target)?;
    let mut build = cargo();
    build.args(["build", "--quiet", "--offline", "--target-dir"]).arg(&target);
    build
        .current_dir(folder)
        .env_remove("RUSTFLAGS")
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("CI");
    cpu_seconds(&mut build)
}
