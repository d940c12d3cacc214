//! Graphs, edits and commands at random: each time, precast and plain cargo in a copy of the workspace say
//! the same.
//!
//! The graph is a row of packages, each a library, or a macro, with or without a build script; each may use
//! those before it. What a package says names its own edition of the source, its features, and what those that it
//! uses say.

use super::fixture::{cargo, directory, home, precast, put, registry_library, registry_macro};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How many steps are made: `PRECAST_FUZZ_STEPS`, with `PRECAST_FUZZ_SEED`.
const N_STEPS: u64 = 8;

struct Random(u64);

impl Random {
    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A package of the registry, of which versions 1 and 2 are there.
struct Package {
    name: String,
    is_macro: bool,
    /// Packages that it uses, by index and version, with their feature or without.
    uses: Vec<(usize, usize, bool)>,
    /// The same for its build script, if it has one.
    script: Option<Vec<(usize, usize, bool)>>,
}

fn dependencies(all: &[Package], uses: &[(usize, usize, bool)]) -> String {
    let mut text = String::new();
    for (at, version, is_loud) in uses {
        let features = if *is_loud { ", features = [\"loud\"]" } else { "" };
        let _ = writeln!(text, "{} = {{ version = \"{version}\"{features} }}", all[*at].name);
    }
    text
}

/// What these packages say, as an expression.
fn spoken(all: &[Package], uses: &[(usize, usize, bool)]) -> String {
    let mut text = "String::new()".to_owned();
    for (at, ..) in uses {
        let name = &all[*at].name;
        let call = if all[*at].is_macro { "!()" } else { "()" };
        let _ = write!(text, " + \" \" + &{name}::{name}{call}.to_string()");
    }
    text
}

/// The code of a package's library and of its build script.
fn code(all: &[Package], package: &Package) -> (String, Option<String>) {
    let Package { name, is_macro, uses, script } = package;
    let said = if script.is_some() { "env!(\"SAID\")" } else { "\"\"" };
    let own = format!(
        "format!(\"{name}-{{}}{{}}({{}}|{{}})\", env!(\"CARGO_PKG_VERSION_MAJOR\"), \
         if cfg!(feature = \"loud\") {{ \"!\" }} else {{ \"\" }}, {}, {said})",
        spoken(all, uses)
    );
    let library = match is_macro {
        true => format!(
            "#[proc_macro]\npub fn {name}(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{\n\
             format!(\"{{:?}}\", {own}).parse().unwrap()\n}}\n"
        ),
        false => format!("pub fn {name}() -> String {{\n{own}\n}}\n"),
    };
    let script = script.as_ref().map(|uses| {
        format!(
            "fn main() {{ println!(\"cargo::rustc-env=SAID={{}}\", {}); }}\n",
            spoken(all, uses)
        )
    });
    (library, script)
}

fn graph(random: &mut Random, registry: &Path) -> Vec<Package> {
    let mut all: Vec<Package> = Vec::new();
    for at in 0..7 {
        let uses = uses(random, at, 3);
        let script = random.one_in(3).then(|| self::uses(random, at, 2));
        let is_macro = at > 1 && random.one_in(2);
        let package = Package { name: format!("p{at}"), is_macro, uses, script };
        let more = dependencies(&all, &package.uses);
        let build =
            package.script.as_ref().map(|uses| dependencies(&all, uses)).unwrap_or_default();
        let more = format!("[dependencies]\n{more}[build-dependencies]\n{build}");
        let (library, script) = code(&all, &package);
        for version in ["2.0.0", "1.0.0"] {
            match is_macro {
                true => registry_macro(registry, &package.name, version, &more),
                false => registry_library(registry, &package.name, &more, ""),
            }
            let place = registry.join(format!("{}-{version}", package.name));
            if !is_macro && version == "2.0.0" {
                fs::rename(registry.join(format!("{}-1.0.0", package.name)), &place).unwrap();
                let manifest = place.join("Cargo.toml");
                let text = fs::read_to_string(&manifest).unwrap();
                fs::write(&manifest, text.replace("version = \"1.0.0\"", "version = \"2.0.0\""))
                    .unwrap();
                let file = place.join(".cargo-checksum.json");
                let text = fs::read_to_string(&file).unwrap();
                fs::write(&file, text.replacen("\"package\":\"7", "\"package\":\"f", 1)).unwrap();
            }
            put(&place, &[("src/lib.rs", &library)]);
            if let Some(script) = &script {
                put(&place, &[("build.rs", script)]);
            }
        }
        all.push(package);
    }
    all
}

/// Some of the packages before this one.
fn uses(random: &mut Random, before: usize, n: usize) -> Vec<(usize, usize, bool)> {
    let mut found: Vec<(usize, usize, bool)> = Vec::new();
    for _ in 0..before.min(n) {
        let at = random.below(before);
        if found.iter().all(|(known, ..)| *known != at) {
            found.push((at, 1 + random.below(2), random.one_in(3)));
        }
    }
    found
}

/// The members that change: an application and a macro.
struct Members {
    app: Vec<(usize, usize, bool)>,
    test: Vec<(usize, usize, bool)>,
    script: Option<Vec<(usize, usize, bool)>>,
    member: Vec<(usize, usize, bool)>,
    edition: usize,
    is_wrong: bool,
}

impl Members {
    fn write(&self, all: &[Package], work: &Path) {
        let script = self.script.as_deref().unwrap_or_default();
        let manifest = format!(
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[features]\nloud = []\n\
             [dependencies]\nmember = {{ path = \"../member\" }}\n{}[dev-dependencies]\n{}[build-dependencies]\n{}",
            dependencies(all, &self.app),
            dependencies(all, &self.test),
            dependencies(all, script)
        );
        let wrong = if self.is_wrong { "let wrong: u8 = \"\";" } else { "let unused = 1;" };
        let tests: String = self.test.iter().map(|(at, ..)| all[*at].name.clone() + " ").collect();
        let expression = spoken(all, &self.app);
        let tested = spoken(all, &self.test);
        let library = format!(
            "//! Uses {tests}.\n//! ```\n//! assert_eq!({tested}, {tested});\n//! ```\n\
             pub fn app() -> String {{ {wrong} format!(\"{} {{}} {{}}\", {expression}, member::member!()) }}\n\
             #[test]\nfn says() {{ println!(\"{{}}\", {tested}); }}\n",
            self.edition
        );
        let main = "fn main() { println!(\"{}\", app::app()); }\n";
        put(
            work,
            &[
                ("app/Cargo.toml", &manifest),
                ("app/src/lib.rs", &library),
                ("app/src/main.rs", main),
            ],
        );
        let build = work.join("app/build.rs");
        let _ = fs::remove_file(&build);
        if self.script.is_some() {
            let code = format!(
                "fn main() {{ println!(\"cargo::warning={{}}\", {}); }}\n",
                spoken(all, script)
            );
            fs::write(build, code).unwrap();
        }
        let member = Package {
            name: "member".into(),
            is_macro: true,
            uses: self.member.clone(),
            script: None,
        };
        let manifest = format!(
            "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[features]\nloud = []\n\
             [lib]\nproc-macro = true\n[dependencies]\n{}",
            dependencies(all, &self.member)
        );
        put(
            work,
            &[("member/Cargo.toml", &manifest), ("member/src/lib.rs", &code(all, &member).0)],
        );
    }

    fn edit(&mut self, random: &mut Random, n: usize) {
        match random.below(7) {
            0 => self.edition += 1,
            1 => self.app = uses(random, n, 3),
            2 => self.test = uses(random, n, 2),
            3 => self.script = random.one_in(2).then(|| uses(random, n, 2)),
            4 => self.member = uses(random, n, 2),
            5 => self.is_wrong = true,
            _ => {}
        }
    }
}

/// What a command says that does not depend on time, place, or what is fresh.
fn said(output: &Output, work: &Path) -> (Option<i32>, String, Vec<String>) {
    let clean =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(work.to_str().unwrap(), "{work}");
    let out = clean(&output.stdout);
    let out: Vec<String> =
        out.lines().map(|line| line.split("; finished in").next().unwrap().to_owned()).collect();
    let is_progress = |line: &str| {
        let word = line.split_whitespace().next().unwrap_or_default();
        [
            "Compiling",
            "Checking",
            "Finished",
            "Running",
            "Documenting",
            "Doc-tests",
            "Generated",
            "Precast",
            "Blocking",
            "Updating",
            "Locking",
            "Adding",
            "Removing",
            "Executable",
            "Downgrading",
            "Fresh",
            "Dirty",
        ]
        .contains(&word)
            || line.trim().is_empty()
            // Of two crates with the same warning, either may be the first.
            || line.contains(" generated 1 warning")
            || line.contains("build failed, waiting")
            // What precast does before cargo starts.
            || line.starts_with(|first: char| first.is_lowercase()) && !["warning", "error", "note", "help"].iter().any(|word| line.starts_with(word))
            || line.starts_with("all doctests ran in")
    };
    let err = clean(&output.stderr);
    let mut err: Vec<String> =
        err.lines().filter(|line| !is_progress(line)).map(str::to_owned).collect();
    // Crates are compiled in any order.
    err.sort();
    let out: Vec<String> =
        out.into_iter().filter(|line| !line.starts_with("all doctests ran in")).collect();
    (output.status.code(), out.join("\n"), err)
}

#[test]
fn as_plain_cargo() {
    let number = |name: &str, usual: u64| std::env::var(name).map_or(usual, |n| n.parse().unwrap());
    let seed = number("PRECAST_FUZZ_SEED", 1);
    let n_steps = number("PRECAST_FUZZ_STEPS", N_STEPS);
    // A graph for some steps.
    for part in 0..n_steps.div_ceil(N_STEPS) {
        graph_and_steps(seed + part, n_steps.min(N_STEPS));
    }
}

fn graph_and_steps(seed: u64, n_steps: u64) {
    let random = &mut Random(seed);
    for _ in 0..4 {
        // The first are much alike for seeds that are.
        random.below(2);
    }
    let base = directory(&format!("fuzz-{seed}"));
    let registry = base.join("registry");
    let all = graph(random, &registry);
    let places: [PathBuf; 2] = ["native", "precast"].map(|name| base.join(name));
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\ndirectory = {registry:?}\n"
    );
    for work in &places {
        // Else no library is compiled once for macros and for others.
        let profile = if seed.is_multiple_of(4) { "" } else { "[profile.dev]\ndebug = 0\n" };
        let manifest =
            format!("[workspace]\nmembers = [\"app\", \"member\"]\nresolver = \"2\"\n{profile}");
        put(work, &[("Cargo.toml", &manifest), (".cargo/config.toml", &config)]);
    }
    let n = all.len();
    let mut members = Members {
        app: uses(random, n, 3),
        test: uses(random, n, 2),
        script: None,
        member: uses(random, n, 2),
        edition: 0,
        is_wrong: false,
    };
    let mut is_on = false;
    let mut history = String::new();
    for step in 0..n_steps {
        if step > 0 {
            members.edit(random, n);
        }
        // Two versions under one name are an error of its own.
        let Members { app, test, .. } = &mut members;
        test.retain(|(tested, ..)| app.iter().all(|(at, ..)| at != tested));
        places.iter().for_each(|work| members.write(&all, work));
        let commands: [&[&str]; 8] = [
            &["run", "--bin", "app"],
            &["build"],
            &["check", "--all-targets"],
            &["test", "--workspace", "--", "--nocapture", "--test-threads=1"],
            &["test", "--doc", "-p", "app"],
            &["doc"],
            &["clippy"],
            &["run", "--bin", "app", "--release", "--features", "loud"],
        ];
        let command = random.of(&commands);
        if random.one_in(3) {
            is_on = !is_on;
            let switch = precast(&places[1], &[if is_on { "on" } else { "off" }]).output().unwrap();
            assert!(switch.status.success(), "seed {seed}\n{history}{switch:?}");
        }
        let is_plain = random.one_in(2);
        let _ = writeln!(history, "step {step}: {command:?}, on: {is_on}, plain: {is_plain}");
        let run = |mut found: Command, work: &Path| said(&found.output().unwrap(), work);
        let mut native = cargo(&places[0], home());
        native.args(command);
        let ours = match is_plain {
            true => {
                let mut ours = cargo(&places[1], home());
                ours.args(command);
                ours
            }
            false => precast(&places[1], command),
        };
        let (native, ours) = (run(native, &places[0]), run(ours, &places[1]));
        assert_eq!(ours, native, "seed {seed}\n{history}");
        assert!(members.is_wrong || native.0 == Some(0), "seed {seed}\n{history}{native:?}");
        members.is_wrong = false;
    }
}
