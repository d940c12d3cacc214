//! Every command once with the real cargo on a real graph, and what decides which macros take part.

use super::fixture::{
    cargo, depend, directory, files, forget, home, ok, precast, put, registry_library,
    registry_macro, texts, workspace,
};
use std::fs;
use std::path::Path;
use std::process::Command;

const BENCH: &str = "fn main() { println!(\"{}\", tiny::tiny!()); }\n";

/// What clippy, and only clippy, complains of, and what a documentation says.
const LIBRARY: &str = "//! It says much.\npub use tiny::tiny;\n\
    pub fn odd(a: u8) -> u8 {\n    return a;\n}\n";

/// The commands that the help lists.
fn listed(work: &Path) -> Vec<String> {
    let (help, _) = ok(&mut precast(work, &["--help"]));
    let list = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command() {
    let work = workspace("every");
    let manifest = work.join("app/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text + "\n[[bench]]\nname = \"speed\"\nharness = false\n").unwrap();
    put(&work, &[("app/benches/speed.rs", BENCH), ("app/src/lib.rs", LIBRARY)]);
    fs::create_dir(work.join("target")).unwrap();
    let before = files(&work);
    let commands = listed(&work);
    assert_eq!(commands.len(), 24, "{commands:?}");
    for command in &commands {
        one(&work, command);
        assert!(before == files(&work), "{command} has changed a file of the project");
    }
}

fn one(work: &Path, command: &str) {
    let run = |args: &[&str]| ok(&mut precast(work, args));
    let cargo_says = |args: &[&str], wanted: &str| {
        let (out, err) = run(&[&[command], args].concat());
        assert!(err.contains("4 macro packages precompiled"), "{command}: {err}");
        assert!(out.contains(wanted) || err.contains(wanted), "{command}: {out}{err}");
    };
    match command {
        "pack" => drop(run(&["pack", "member", "-o", "target/packed"])),
        "embed" => {
            run(&["embed", "target/packed/member-0.1.0.precast", "-o", "target/embedded"]);
            assert_eq!(runs_with(work, "target/embedded/member-0.1.0"), "member 0.1.0 wasm\n");
        }
        "verify" => drop(run(&["verify", "target/embedded/member-0.1.0"])),
        "inspect" => {
            assert!(run(&["inspect", "target/packed/member-0.1.0.precast"]).0.contains("member"));
        }
        "expand" => {
            put(work, &[("target/nothing", "")]);
            let artifact = "target/packed/member-0.1.0.precast";
            let (out, _) = run(&["expand", artifact, "--bang", "member", "target/nothing"]);
            assert_eq!(out.trim(), "\"member 0.1.0 wasm\"");
        }
        "build" => cargo_says(&["--locked"], "Compiling app v0.1.0"),
        "check" => cargo_says(&["--all-targets"], "Checking app v0.1.0"),
        "test" => cargo_says(&["succeeds"], "1 passed"),
        "run" => {
            cargo_says(&[], "foreign 1.0.0 wasm\n");
            // The program's own, with the names of ours.
            let own =
                ["--json", "--report", "--native", "--members", "--from-source", "--only", "a"];
            cargo_says(&[&["--bin", "app", "0"], &own[..]].concat(), "foreign 1.0.0 wasm\n");
        }
        "bench" => cargo_says(&["--bench", "speed"], "tiny 1.0.0 wasm\n"),
        "clippy" => cargo_says(&["--lib"], "clippy::needless_return"),
        "doc" => {
            cargo_says(&[], "Generated");
            for page in ["app/index.html", "foreign/macro.foreign.html"] {
                assert!(work.join("target/doc").join(page).is_file(), "{page}");
            }
        }
        "on" | "off" => switched(work),
        "vendor" => {
            let (config, _) = run(&["vendor", "target/vendored"]);
            put(work, &[("target/vendored.toml", &config)]);
            let configured = ["--config", "target/vendored.toml"];
            let (out, _) = ok(cargo(work, home()).args(["run", "--quiet"]).args(configured));
            assert!(out.contains("remote 0.3.0 wasm"), "{out}");
        }
        "stamp" => {
            let module = "target/embedded/member-0.1.0/precast/module.wasm";
            assert!(run(&["stamp", module]).0.contains("bang:member:member"));
        }
        "test-macro" => {
            let used = "const _: &str = member::member!();\n";
            put(work, &[("target/golden/tests/expand/one.rs", used)]);
            copy_macro(work, &work.join("target/golden"));
            let test = ["test-macro", "--directory", "target/golden", "--bless"];
            let (out, err) = texts(&precast(work, &test).output().unwrap(), false);
            // It tells where it was compiled.
            assert!(
                err.contains("1 of 1 tests") && out.contains("member 0.1.0 wasm"),
                "{out}{err}"
            );
        }
        "report" => {
            run(&["build", "--report"]);
            assert!(run(&["report"]).0.contains("foreign 1.0.0"));
        }
        "metadata" => assert!(run(&["metadata"]).0.contains("\"name\": \"foreign\"")),
        // Its input has an end.
        "serve" => assert_eq!(run(&["serve"]).0, ""),
        "status" => assert_eq!(run(&["status", "--wait"]).0, "Nothing is left to pack.\n"),
        "store" => assert!(run(&["store", "list"]).0.contains("foreign 1.0.0 ")),
        "init" => {
            let copied = directory("every-init");
            copy_macro(work, &copied);
            ok(&mut precast(&copied, &["init", "--precast", env!("CARGO_MANIFEST_DIR")]));
            let mut tree = cargo(&copied, home());
            let (out, _) = ok(tree.env_remove("CARGO_HOME").args(["tree", "--package", "xtask"]));
            assert!(out.contains("precast v"), "{out}");
        }
        "publish" => {
            let (out, _) = run(&["publish", "member", "--dry-run"]);
            assert!(out.contains("nothing was published"), "{out}");
        }
        other => panic!("there is no test of `{other}`"),
    }
}

/// A program that uses the shim of `member`, built by plain cargo.
fn runs_with(work: &Path, shim: &str) -> String {
    let user = work.join("target/user");
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\n\
         member = {{ path = {:?} }}\n[workspace]\n",
        work.join(shim)
    );
    put(
        &user,
        &[
            ("Cargo.toml", &manifest),
            ("src/main.rs", "fn main() { println!(\"{}\", member::member!()); }\n"),
        ],
    );
    ok(cargo(&user, home()).args(["run", "--quiet", "--offline"])).0
}

fn switched(work: &Path) {
    forget(work);
    ok(&mut precast(work, &["on"]));
    ok(&mut precast(work, &["status", "--wait"]));
    let (out, _) = ok(cargo(work, home()).args(["run", "--quiet", "--locked"]));
    assert!(out.contains("remote 0.3.0 wasm"), "{out}");
    ok(&mut precast(work, &["off"]));
    let (out, _) = ok(cargo(work, home()).args(["run", "--quiet", "--locked"]));
    assert!(out.contains("remote 0.3.0 native"), "{out}");
}

/// The member as a repository of its own.
fn copy_macro(work: &Path, to: &Path) {
    let read = |name: &str| fs::read_to_string(work.join("member").join(name)).unwrap();
    let manifest =
        read("Cargo.toml").replace("[lib]", "license = \"MIT\"\n[lib]") + "[workspace]\n";
    put(to, &[("Cargo.toml", &manifest), ("src/lib.rs", &read("src/lib.rs"))]);
}

/// What the policy denies is neither packed nor used, whichever command asks.
#[test]
fn a_policy_everywhere() {
    let work = workspace("policy-everywhere");
    let policy = "[policy]\nunlisted = \"deny\"\n[policy.packages]\nforeign = {}\n\
        nearby = { sha256 = [\"00\"] }\nremote = {}\n";
    fs::write(work.join("precast.toml"), policy).unwrap();
    let cold = super::store::cold("policy-cold");
    let with_store = |args: &[&str]| -> Command {
        let mut command = precast(&work, args);
        command.env("PRECAST_CACHE_DIR", &cold);
        command
    };
    let wasm = |out: &str| out.lines().filter(|line| line.contains("wasm")).count();

    ok(&mut with_store(&["on"]));
    ok(&mut with_store(&["status", "--wait"]));
    let (_, err) = ok(&mut with_store(&["build"]));
    assert!(err.contains("2 macro packages precompiled"), "{err}");
    for denied in ["tiny 1.0.0", "tiny 2.0.0"] {
        assert!(
            err.contains(&format!("{denied} is built from source: the policy does not")),
            "{err}"
        );
    }
    let (out, _) = ok(cargo(&work, home()).args(["run", "--quiet", "--locked"]));
    assert!(wasm(&out) == 2 && out.contains("foreign 1.0.0 wasm"), "{out}");
    ok(&mut with_store(&["check", "--policy"]));
    // A stricter policy does not suffer what is built already.
    fs::write(work.join("precast.toml"), "[policy]\nunlisted = \"deny\"\n").unwrap();
    let (out, err) = ok(&mut with_store(&["run"]));
    assert!(wasm(&out) == 0, "{out}{err}");
    let (out, _) = texts(&with_store(&["check", "--policy"]).output().unwrap(), false);
    assert!(out.contains("foreign 1.0.0") && out.contains("the policy does not name it"), "{out}");
    ok(&mut with_store(&["off"]));
    fs::write(work.join("precast.toml"), policy).unwrap();

    let (config, err) = ok(&mut with_store(&["vendor", "target/vendored"]));
    assert!(err.contains("2 macro packages precompiled"), "{err}");
    // Which hash a manifest has is known when it is packed, all else before.
    let (_, err) = ok(&mut with_store(&["build", "--members"]));
    assert!(err.contains("nearby 0.1.0 is built from source: by the policy: its man"), "{err}");
    let (out, _) = ok(&mut with_store(&["store", "list"]));
    assert!(!out.contains("tiny"), "{out}");
    assert!(out.contains("foreign 1.0.0 ") && out.contains("nearby 0.1.0 "), "{out}");
    put(&work, &[("target/vendored.toml", &config)]);
    let configured = ["run", "--quiet", "--config", "target/vendored.toml"];
    let (out, _) = ok(cargo(&work, home()).args(configured));
    assert!(wasm(&out) == 2 && out.contains("foreign 1.0.0 wasm"), "{out}");
}

/// The platform that the configuration builds for decides on dependencies, as on the command line.
#[test]
fn a_configured_target() {
    let work = workspace("target");
    let file = work.join(".cargo/config.toml");
    let text = fs::read_to_string(&file).unwrap();
    let configured = text.replace("[build]", "[build]\ntarget = \"x86_64-pc-windows-gnu\"");
    fs::write(&file, configured).unwrap();
    // There may be no standard library to build with, which comes after.
    let output = precast(&work, &["check"]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("5 macro packages precompiled"), "{err}");
    fs::write(&file, text).unwrap();
    let (_, err) = ok(&mut precast(&work, &["check"]));
    assert!(err.contains("4 macro packages precompiled"), "{err}");
}

/// As proc-macro-crate asks cargo, and reads what it names.
const LOCATOR: &str = "use proc_macro::TokenStream;\nuse std::process::Command;\n#[proc_macro]\n\
    pub fn locator(input: TokenStream) -> TokenStream {\n\
    let manifest = std::env::var(\"CARGO_MANIFEST_PATH\").unwrap();\n\
    let input = input.to_string();\n\
    let output = Command::new(std::env::var(\"CARGO\").unwrap()).arg(\"locate-project\")\n\
    .args(input.trim_matches('\"').split_whitespace()).arg(format!(\"--manifest-path={manifest}\"))\n\
    .output().unwrap();\n\
    let said = String::from_utf8(output.stdout).unwrap();\n\
    let marks = match std::fs::read_to_string(said.trim()) {\n\
    Ok(text) => text.matches(\"mark\").count(),\nErr(_) => 0,\n};\n\
    format!(\"{:?}\", format!(\"{said}{marks}\")).parse().unwrap()\n}\n";

/// A macro that asks cargo for the workspace's manifest is told what cargo says, and may read it.
#[test]
fn the_workspaces_manifest() {
    let work = workspace("locate");
    let registry = work.join("../registry");
    registry_macro(&registry, "locator", "1.0.0", "");
    put(&registry, &[("locator-1.0.0/src/lib.rs", LOCATOR)]);
    depend(&work, "locator = \"1\"\n");
    let manifest = work.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text + "# mark, mark\n").unwrap();
    // Between both, what is no workspace.
    let between = "# [workspace]\n[package]\nname = \"between\"\nversion = \"0.1.0\"\n\
        [package.metadata]\nworkspace = 1\n";
    put(&work, &[("between/Cargo.toml", between), ("between/src/lib.rs", "")]);
    fs::rename(work.join("app"), work.join("between/app")).unwrap();
    for file in ["Cargo.toml", "between/app/Cargo.toml"] {
        let text = fs::read_to_string(work.join(file)).unwrap();
        let text = text.replace("\"app\"", "\"between/app\"").replace("\"../", "\"../../");
        fs::write(work.join(file), text.replace("name = \"between/app\"", "name = \"app\""))
            .unwrap();
    }
    let questions = ["--workspace --message-format=plain", "--workspace", "--message-format plain"];
    let uses: String = questions
        .iter()
        .map(|q| format!("println!(\"{{}}\", locator::locator!({q:?}));\n"))
        .collect();
    put(&work, &[("between/app/src/main.rs", &format!("fn main() {{\n{uses}}}\n"))]);
    let (native, _) = ok(cargo(&work, home()).args(["run", "--quiet"]));
    assert_eq!(native.matches("work/Cargo.toml\n2\n").count(), 1, "{native}");
    forget(&work);
    let (out, err) = ok(&mut precast(&work, &["run"]));
    assert_eq!(out, native, "{err}");
    assert!(err.contains("5 macro packages precompiled"), "{err}");
}

const SPEAKER: &str = "use proc_macro::TokenStream;\n#[proc_macro]\n\
    pub fn speaker(_: TokenStream) -> TokenStream {\n\
    let world = if std::mem::size_of::<usize>() == 4 { \"wasm\" } else { \"native\" };\n\
    format!(\"\\\"{} {world}\\\"\", voice::TEXT).parse().unwrap()\n}\n";

/// Cargo compiles what two macros use once, with the features that either enables.
#[test]
fn features_of_dependencies() {
    let work = workspace("unified");
    let registry = work.join("../registry");
    let dependency = "[dependencies]\nsaid = { package = \"voice\", version = \"1\" }\n";
    registry_macro(&registry, "speaker", "1.0.0", dependency);
    put(&registry, &[("speaker-1.0.0/src/lib.rs", &SPEAKER.replace("voice", "said"))]);
    let dependency = "[dependencies]\nvoice = { version = \"1\", features = [\"loud\"] }\n";
    registry_macro(&registry, "shouter", "1.0.0", dependency);
    let code =
        "pub const TEXT: &str = if cfg!(feature = \"loud\") { \"LOUD\" } else { \"low\" };\n";
    registry_library(&registry, "voice", "", code);
    let main = "fn main() { println!(\"{}\", speaker::speaker!()); }\n";
    put(&work, &[("app/src/main.rs", main)]);
    for (more, voice) in [("speaker", "low"), ("shouter", "LOUD")] {
        depend(&work, &format!("{more} = \"1\"\n"));
        ok(cargo(&work, home()).args(["generate-lockfile", "--quiet"]));
        let (out, err) = ok(&mut precast(&work, &["run"]));
        assert_eq!(out, format!("{voice} wasm\n"), "{err}");
        let (out, _) = ok(cargo(&work, home()).args(["run", "--quiet", "--locked"]));
        assert_eq!(out, format!("{voice} native\n"));
    }
}

/// A build script passes one variable on, the macro asks for another itself.
const ASKER: &str = "use proc_macro::TokenStream;\n#[proc_macro]\n\
    pub fn asker(_: TokenStream) -> TokenStream {\n\
    let world = if std::mem::size_of::<usize>() == 4 { \"wasm\" } else { \"native\" };\n\
    let asked = option_env!(\"PRECAST_TEST_ASKED\").unwrap_or(\"unset\");\n\
    format!(\"\\\"{asked} {} {world}\\\"\", env!(\"PASSED\")).parse().unwrap()\n}\n";
const PASSES: &str = "fn main() { println!(\"cargo:rerun-if-env-changed=PRECAST_TEST_PASSED\");\n\
    println!(\"cargo:rustc-env=PASSED={}\", std::env::var(\"PRECAST_TEST_PASSED\").unwrap_or_default()); }\n";

/// What a macro was made of is for those values alone: another is packed when it is seen, and each is found
/// again, by a build of ours as by a cargo that runs after it.
#[test]
fn variables_that_a_macro_was_compiled_with() {
    let work = workspace("asked");
    let registry = work.join("../registry");
    registry_macro(&registry, "asker", "1.0.0", "");
    put(&registry, &[("asker-1.0.0/src/lib.rs", ASKER), ("asker-1.0.0/build.rs", PASSES)]);
    let app = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
               [dependencies]\nasker = \"1\"\n";
    let main = "fn main() { println!(\"{}\", asker::asker!()); }\n";
    put(&work, &[("app/Cargo.toml", app), ("app/src/main.rs", main)]);
    let run = |variables: &[(&str, &str)], missing: &str| {
        let mut command = precast(&work, &["run"]);
        command.envs(variables.iter().copied()).env("PRECAST_MISSING", missing);
        ok(&mut command)
    };
    let asked = |value| ("PRECAST_TEST_ASKED", value);
    let passed = |value| ("PRECAST_TEST_PASSED", value);
    for (variables, expected) in [
        (&[][..], "unset  wasm\n"),
        (&[asked("one")], "one  wasm\n"),
        (&[asked("two"), passed("p")], "two p wasm\n"),
    ] {
        let (out, err) = run(variables, "pack");
        assert_eq!(out, expected, "{err}");
        assert!(err.contains("1 macro package precompiled"), "{err}");
    }
    // Nothing is packed for what is in the store.
    for (variables, expected) in [
        (&[asked("one")][..], "one  wasm\n"),
        (&[asked("two"), passed("p")], "two p wasm\n"),
        (&[], "unset  wasm\n"),
        (&[asked("three")], "three  native\n"),
        (&[asked("one")], "one  wasm\n"),
    ] {
        let (out, err) = run(variables, "source");
        assert_eq!(out, expected, "{err}");
    }
    // Cargo's configuration counts as the environment does.
    put(&work, &[("app/.cargo/config.toml", "[env]\nPRECAST_TEST_ASKED = \"four\"\n")]);
    let inside = |missing: &str| {
        let mut command = precast(&work.join("app"), &["run"]);
        ok(command.env("PRECAST_MISSING", missing))
    };
    assert_eq!(inside("pack").0, "four  wasm\n");
    assert_eq!(inside("source").0, "four  wasm\n");
}

/// A macro that a patch takes from a directory, here a copy of what was published, is replaced as any
/// other, and `Cargo.lock` stays. What cannot be packed is left to cargo.
#[cfg(unix)]
#[test]
fn a_patched_macro() {
    let work = workspace("patched");
    let base = work.join("..");
    registry_macro(&base, "tiny", "1.0.0", "[workspace]\n");
    put(&base.join("tiny-1.0.0"), &[("Cargo.toml.orig", "# as it was written")]);
    let manifest = work.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let patch = "\n[patch.crates-io]\nspare = { path = \"../tiny-1.0.0\", package = \"spare\" }\n";
    let copy = base.join("tiny-1.0.0/Cargo.toml");
    let renamed = fs::read_to_string(&copy).unwrap().replace("\"tiny\"", "\"spare\"");
    fs::write(&copy, renamed).unwrap();
    fs::write(&manifest, text + patch).unwrap();
    let main = "fn main() { println!(\"{}\", spare::tiny!()); }\n";
    put(&work, &[("app/src/main.rs", main)]);
    let with = ["--features", "spare", "--only", "spare", "--members"];
    ok(cargo(&work, home()).args(["generate-lockfile", "--quiet"]));
    let lock = fs::read(work.join("Cargo.lock")).unwrap();
    let (out, err) = ok(precast(&work, &["run", "--locked"]).args(with));
    assert_eq!(out, "tiny 1.0.0 wasm\n", "{err}");
    assert!(!err.contains("was not used"), "{err}");
    assert!(lock == fs::read(work.join("Cargo.lock")).unwrap());
    // Cargo builds a package with a file that has no place in an artifact.
    fs::remove_file(base.join("tiny-1.0.0/Cargo.toml.orig")).unwrap();
    put(&base.join("tiny-1.0.0"), &[(".cargo_vcs_info.json", "{}")]);
    assert_eq!(ok(precast(&work, &["run"]).args(with)).0, "tiny 1.0.0 wasm\n");
    put(&base.join("tiny-1.0.0"), &[("src/a:b", "")]);
    forget(&work);
    let (out, err) = ok(precast(&work, &["run"]).args(with));
    assert_eq!(out, "tiny 1.0.0 native\n", "{err}");
    assert!(err.contains("spare 1.0.0 is built from source: `src/a:b` is not"), "{err}");
}

/// The program takes precast's place, so that a signal to the one reaches the other.
#[cfg(unix)]
#[test]
fn a_running_program() {
    let work = workspace("running");
    let main = "fn main() { print!(\"{}\", std::process::id()); }\n";
    put(&work, &[("app/src/main.rs", main)]);
    let program = precast(&work, &["run"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let id = program.id().to_string();
    assert_eq!(texts(&program.wait_with_output().unwrap(), true).0, id);
}

/// Cargo's short names are passed on with all that follows, as the long ones.
#[test]
fn short_names() {
    let work = workspace("short");
    let (out, err) = ok(&mut precast(&work, &["t", "--quiet", "--", "--list"]));
    assert!(out.contains("succeeds: test") && !err.contains("Precast"), "{out}{err}");
    let output = precast(&work, &["r", "--", "7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let (out, _) = ok(&mut precast(&work, &["b", "--help"]));
    assert!(out.contains("with the macros precompiled"), "{out}");
}

/// The way out of what `--locked` forbids is not to be without network.
#[test]
fn a_stale_lock_file() {
    let work = workspace("stale");
    fs::remove_file(work.join("Cargo.lock")).unwrap();
    let check = ["check", "--locked"];
    let native = texts(&cargo(&work, home()).args(check).output().unwrap(), false);
    assert_eq!(texts(&precast(&work, &check).output().unwrap(), false), native);
    let (_, err) = texts(&precast(&work, &["vendor", "--locked"]).output().unwrap(), false);
    assert!(err.contains("help: leave `--locked` out once"), "{err}");
    assert!(!err.contains("network once"), "{err}");
}

/// A macro that does not compile without what another enables, of a package whose features else do not count.
#[test]
fn a_needed_feature_of_others() {
    let work = workspace("needy");
    let registry = work.join("../registry");
    registry_macro(&registry, "needy", "1.0.0", "[dependencies]\nquote = \"1\"\n");
    put(&registry, &[("needy-1.0.0/src/lib.rs", &SPEAKER.replace("voice", "quote"))]);
    let dependency = "[dependencies]\nquote = { version = \"1\", features = [\"loud\"] }\n";
    registry_macro(&registry, "caller", "1.0.0", dependency);
    let code = "#[cfg(feature = \"loud\")]\npub const TEXT: &str = \"LOUD\";\n";
    registry_library(&registry, "quote", "", code);
    depend(&work, "needy = \"1\"\ncaller = \"1\"\n");
    put(&work, &[("app/src/main.rs", "fn main() { println!(\"{}\", needy::speaker!()); }\n")]);
    ok(cargo(&work, home()).args(["generate-lockfile", "--quiet"]));
    for _ in 0..2 {
        let (out, err) = ok(&mut precast(&work, &["run"]));
        assert_eq!(out, "LOUD wasm\n", "{err}");
    }
}

/// A package of a repository needs no versions of the packages beside it, which it never publishes.
#[test]
fn an_unpublished_package() {
    let work = workspace("unpublished");
    let repository = work.join("../repository");
    let manifest = repository.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace(", version = \"0.3\" }", " }")).unwrap();
    let git = ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-am", "next"];
    ok(Command::new("git").current_dir(&repository).args(git));
    ok(cargo(&work, home()).args(["generate-lockfile", "--quiet"]));
    let (out, err) = ok(&mut precast(&work, &["run"]));
    assert!(out.contains("remote 0.3.0 wasm"), "{out}{err}");
}

/// What cargo does to the lock file is told as without us, once.
#[test]
fn changes_of_the_lock_file() {
    let work = workspace("locking");
    let said = |err: &str| -> Vec<String> {
        let is_meant =
            |line: &&str| ["Locking", "Adding"].iter().any(|word| line.trim().starts_with(word));
        err.lines().filter(is_meant).map(str::to_owned).collect()
    };
    let mut all = Vec::new();
    for run in [
        |work: &Path| {
            let mut run = cargo(work, home());
            run.arg("check");
            run
        },
        |work: &Path| precast(work, &["check"]),
    ] {
        fs::remove_file(work.join("Cargo.lock")).unwrap();
        all.push(said(&ok(&mut run(&work)).1));
    }
    assert!(!all[0].is_empty() && all[0] == all[1], "{all:?}");
    fs::remove_file(work.join("Cargo.lock")).unwrap();
    assert_eq!(said(&ok(&mut precast(&work, &["check", "--quiet"])).1), [""; 0]);
}

/// A member that nobody publishes may depend on a package in a directory without naming a version. Its build
/// script hands on a variable under the same name.
#[test]
fn a_member_that_nobody_publishes() {
    let work = workspace("unpublished-member");
    let manifest = fs::read_to_string(work.join("member/Cargo.toml")).unwrap();
    let manifest = manifest + "[dependencies]\nhelper = { path = \"helper\" }\n";
    let code = "use proc_macro::TokenStream;\n#[proc_macro]\n\
        pub fn member(_: TokenStream) -> TokenStream {\n\
        let world = if cfg!(target_family = \"wasm\") { \"wasm\" } else { \"native\" };\n\
        format!(\"\\\"{} {} {world}\\\"\", helper::TEXT, env!(\"SAID\")).parse().unwrap()\n}\n";
    let script = "fn main() {\nlet said = std::env::var(\"SAID\").unwrap_or(\"nothing\".into());\n\
        println!(\"cargo:rerun-if-env-changed=SAID\\ncargo:rustc-env=SAID={said}\");\n}\n";
    let helper = "[package]\nname = \"helper\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    put(
        &work,
        &[
            ("member/Cargo.toml", &manifest),
            ("member/src/lib.rs", code),
            ("member/build.rs", script),
            ("member/helper/Cargo.toml", helper),
            ("member/helper/src/lib.rs", "pub const TEXT: &str = \"one\";\n"),
            ("app/src/main.rs", "fn main() { println!(\"{}\", member::member!()); }\n"),
        ],
    );
    let command = || precast(&work, &["run", "--members", "--only", "member"]);
    assert_eq!(ok(command().env_remove("SAID")).0, "one nothing wasm\n");
    put(&work, &[("member/helper/src/lib.rs", "pub const TEXT: &str = \"two\";\n")]);
    assert_eq!(ok(command().env("SAID", "more")).0, "two more wasm\n");
}
