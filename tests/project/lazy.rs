//! Libraries that were put off: who asks for one has it, whoever that is, and nothing is built twice.

use super::fixture::{
    cargo, depend, forget, home, ok, precast, put, registry_library, registry_macro, texts,
    workspace,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SPEAKER: &str = "use proc_macro::TokenStream;\n#[proc_macro]\n\
    pub fn speaker(_: TokenStream) -> TokenStream {\n\
    let world = if cfg!(target_family = \"wasm\") { \"wasm\" } else { \"native\" };\n\
    format!(\"\\\"{} {world}\\\"\", voice::text()).parse().unwrap()\n}\n";
const VOICE: &str =
    "pub use tone::tone;\npub fn text() -> String { format!(\"voice {}\", tone()) }\n";
const TONE: &str = "pub fn tone() -> u8 { 7 }\n";

/// What the sources of a package of a directory source begin with.
fn library(registry: &Path, name: &str, dependencies: &str, code: &str) {
    registry_library(registry, name, &format!("[dependencies]\n{dependencies}"), code);
}

/// The fixture's workspace with one macro, and libraries that only it needs. Cargo compiles a library once
/// for macros and for others, as their options do not differ.
fn project(name: &str) -> PathBuf {
    let work = workspace(name);
    let manifest = work.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text + "[profile.dev]\ndebug = 0\n").unwrap();
    let registry = work.join("../registry");
    library(&registry, "tone", "", TONE);
    library(&registry, "voice", "tone = \"1\"\n", VOICE);
    registry_macro(&registry, "speaker", "1.0.0", "[dependencies]\nvoice = \"1\"\n");
    put(&registry, &[("speaker-1.0.0/src/lib.rs", SPEAKER)]);
    let app = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
        [dependencies]\nspeaker = \"1\"\n";
    let main = "fn main() { println!(\"{}\", speaker::speaker!()); }\n";
    put(&work, &[("app/Cargo.toml", app), ("app/src/main.rs", main)]);
    work
}

/// Libraries of this name that are empty so far.
fn put_off(work: &Path, name: &str) -> usize {
    let files =
        fs::read_dir(work.join("target/debug/deps")).unwrap().map(|file| file.unwrap().path());
    let is_meant = |file: &PathBuf| {
        let found = file.file_name().unwrap().to_string_lossy().into_owned();
        found.starts_with(&format!("lib{name}-")) && found.ends_with(".rlib")
    };
    files.filter(is_meant).filter(|file| fs::metadata(file).unwrap().len() < 200).count()
}

/// Cargo without precast's command, as the shell of the user's runs it.
fn plain(work: &Path, args: &[&str]) -> Command {
    let mut command = cargo(work, home());
    command.args(args);
    command
}

fn run(command: &mut Command) -> (String, Vec<String>) {
    let (out, err) = ok(command);
    let built = err.lines().map(str::trim).filter(|line| {
        line.starts_with("Compiling ")
            || line.starts_with("Checking ")
            || line.starts_with("Dirty ")
    });
    (out, built.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect())
}

/// Plain cargo and precast in turn: only what natively would be built is built.
#[test]
fn nothing_is_built_twice() {
    let work = project("turns");
    let registry = work.join("../registry");
    let all = ["tone", "voice", "speaker", "app"];
    let (_, built) = run(&mut plain(&work, &["build"]));
    assert!(all.iter().all(|name| built.iter().any(|found| found == name)), "{built:?}");
    // The macro is packed; what cargo has built stays.
    let (_, built) = run(&mut precast(&work, &["build"]));
    assert_eq!(built, [""; 0]);
    let (_, built) = run(&mut precast(&work, &["check"]));
    assert_eq!(built, ["app"]);
    ok(&mut precast(&work, &["on"]));
    assert_eq!(run(&mut plain(&work, &["build"])).1, [""; 0]);

    library(&registry, "added", "", "pub fn added() {}\n");
    let added = ["add", "added@1", "--package", "app", "--offline"];
    ok(&mut plain(&work, &added));
    ok(&mut plain(&work, &["update", "--offline"]));
    assert!(fs::read_to_string(work.join("app/Cargo.toml")).unwrap().contains("added = "));
    let (_, built) = run(&mut plain(&work, &["build"]));
    assert!(
        built.iter().all(|name| name == "added" || name == "app") && built.len() == 2,
        "{built:?}"
    );

    let moved = work.with_file_name("moved");
    fs::rename(&work, &moved).unwrap();
    let work = moved;
    // Cargo itself builds members anew elsewhere.
    let (_, built) = run(&mut plain(&work, &["build"]));
    assert!(built.iter().all(|name| name == "app"), "{built:?}");
    ok(&mut precast(&work, &["off"]));
    let (out, _) = run(&mut plain(&work, &["run"]));
    assert_eq!(out, "voice 7 native\n");
    assert_eq!(run(&mut precast(&work, &["build"])).1, [""; 0]);

    // From nothing, with the macro in the store: a library that was put off is built once for cargo alone.
    forget(&work);
    assert_eq!(run(&mut precast(&work, &["run"])).0, "voice 7 wasm\n");
    assert_eq!((put_off(&work, "voice"), put_off(&work, "tone")), (1, 1));
    assert_eq!(run(&mut precast(&work, &["build"])).1, [""; 0]);
    assert_eq!(run(&mut plain(&work, &["run"])).0, "voice 7 native\n");
    assert_eq!(put_off(&work, "voice"), 0);
    assert_eq!(run(&mut precast(&work, &["build"])).1, [""; 0]);
    assert_eq!(run(&mut plain(&work, &["build"])).1, [""; 0]);
}

/// How a cargo command is run.
type Run = fn(&Path, &[&str]) -> Command;

/// A workspace in which both libraries were put off, and how cargo is run in it: with `on`, and as
/// `cargo precast`.
fn lazily_built(name: &str) -> [(PathBuf, Run); 2] {
    let with = [("on", plain as Run), ("precast", precast as Run)];
    with.map(|(how, run)| {
        let work = project(&format!("{name}-{how}"));
        ok(&mut precast(&work, &["build"]));
        forget(&work);
        if how == "on" {
            ok(&mut precast(&work, &["on"]));
        }
        ok(&mut run(&work, &["build"]));
        assert_eq!(put_off(&work, "voice"), 1, "{how}");
        (work, run)
    })
}

#[test]
fn who_needs_them_later() {
    for (work, cargo) in lazily_built("later") {
        let registry = work.join("../registry");
        // A build script.
        let app = work.join("app/Cargo.toml");
        let before = fs::read_to_string(&app).unwrap();
        let more = "[build-dependencies]\nvoice = \"1\"\n";
        fs::write(&app, format!("{before}{more}")).unwrap();
        let script = "fn main() { println!(\"cargo::rustc-env=SAID={}\", voice::text()); }\n";
        let main = "fn main() { println!(\"{} {}\", speaker::speaker!(), env!(\"SAID\")); }\n";
        put(&work, &[("app/build.rs", script), ("app/src/main.rs", main)]);
        assert_eq!(ok(&mut cargo(&work, &["run"])).0, "voice 7 wasm voice 7\n");

        // A macro from source, and another version of a library.
        let member = work.join("member/Cargo.toml");
        let text = fs::read_to_string(&member).unwrap();
        fs::write(&member, text + "[dependencies]\nvoice = \"1\"\ntone = \"2\"\n").unwrap();
        let code = "use proc_macro::TokenStream;\n#[proc_macro]\n\
            pub fn member(_: TokenStream) -> TokenStream {\n\
            format!(\"{:?}\", format!(\"{} {}\", voice::text(), tone::tone())).parse().unwrap() }\n";
        registry_library(&registry, "tone", "", TONE);
        fs::rename(registry.join("tone-1.0.0"), registry.join("tone-2.0.0")).unwrap();
        let second = fs::read_to_string(registry.join("tone-2.0.0/Cargo.toml")).unwrap();
        let checksum = format!("{{\"files\":{{}},\"package\":\"{:0<64}\"}}", "70e2");
        put(
            &registry.join("tone-2.0.0"),
            &[
                ("Cargo.toml", &second.replace("1.0.0", "2.0.0")),
                ("src/lib.rs", &TONE.replace('7', "8")),
                (".cargo-checksum.json", &checksum),
            ],
        );
        library(&registry, "tone", "", TONE);
        put(&work, &[("member/src/lib.rs", code)]);
        depend(&work, "member = { path = \"../member\" }\n");
        let main = "fn main() { println!(\"{} {}\", speaker::speaker!(), member::member!()); }\n";
        put(&work, &[("app/src/main.rs", main)]);
        assert_eq!(ok(&mut cargo(&work, &["run"])).0, "voice 7 wasm voice 7 8\n");
    }
}

/// Rustdoc reads libraries as well: of a documentation's examples, and of what is re-exported.
#[test]
fn who_documents_them() {
    for (work, cargo) in lazily_built("documented") {
        let manifest = "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
            [lib]\ntest = false\n[dev-dependencies]\nvoice = \"1\"\n";
        let code = "//! ```\n//! assert_eq!(voice::text(), \"voice 7\");\n//! ```\n";
        put(&work, &[("member/Cargo.toml", manifest), ("member/src/lib.rs", code)]);
        let (out, _) = ok(&mut cargo(&work, &["test", "--doc", "--package", "member"]));
        assert!(out.contains("1 passed"), "{out}");

        let manifest = manifest.replace("dev-dependencies", "dependencies");
        put(
            &work,
            &[("member/Cargo.toml", &manifest), ("member/src/lib.rs", "pub use voice::text;\n")],
        );
        ok(&mut cargo(&work, &["doc", "--no-deps", "--package", "member"]));
        let page = fs::read_to_string(work.join("target/doc/member/fn.text.html"));
        assert!(page.is_ok_and(|page| page.contains("String")));
        ok(&mut cargo(&work, &["doc"]));
        assert!(work.join("target/doc/speaker/macro.speaker.html").is_file());
    }
}

/// The compiler names no file of its own for a member's dynamic library, and cargo gives it arguments in a
/// file where they are many.
#[cfg(unix)]
#[test]
fn unusual_calls() {
    for (work, cargo) in lazily_built("unusual") {
        let manifest = "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
            [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nvoice = \"1\"\n";
        let code = "#[no_mangle]\npub extern \"C\" fn n() -> usize { voice::text().len() }\n";
        put(&work, &[("member/Cargo.toml", manifest), ("member/src/lib.rs", code)]);
        ok(&mut cargo(&work, &["build", "--package", "member"]));
        assert!(work.join("target/debug/libmember.so").is_file() || cfg!(target_os = "macos"));

        let features: String = (0..40_000).map(|n| format!("a{n:0>60} = []\n")).collect();
        let manifest = format!(
            "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
             [dependencies]\nrenamed = {{ package = \"tone\", version = \"1\" }}\n[features]\n{features}"
        );
        let code = "pub fn n() -> u8 { renamed::tone() }\n";
        forget(&work);
        ok(&mut cargo(&work, &["build"]));
        put(&work, &[("member/Cargo.toml", &manifest), ("member/src/lib.rs", code)]);
        ok(&mut cargo(&work, &["build", "--package", "member"]));
    }
}

/// A target directory outlives what is around it: packages that lie elsewhere, and the store.
#[test]
fn what_is_around_has_changed() {
    for (work, cargo) in lazily_built("around") {
        // The packages of the registry have moved, as with another home of cargo's.
        let registry = work.join("../registry");
        fs::rename(&registry, work.join("../elsewhere")).unwrap();
        let config = work.join(".cargo/config.toml");
        let text = fs::read_to_string(&config).unwrap();
        assert!(text.contains("/registry\""));
        fs::write(&config, text.replace("/registry\"", "/elsewhere\"")).unwrap();
        depend(&work, "voice = \"1\"\n");
        let main = "fn main() { println!(\"{} {}\", speaker::speaker!(), voice::text()); }\n";
        put(&work, &[("app/src/main.rs", main)]);
        let (out, err) = ok(&mut cargo(&work, &["run"]));
        assert_eq!(out, "voice 7 wasm voice 7\n", "{err}");
    }
    // Without a store nothing is known of macros, but still what was put off is made.
    let [(work, cargo), _] = lazily_built("no-store");
    depend(&work, "voice = \"1\"\n");
    put(
        &work,
        &[("app/src/main.rs", "fn main() { println!(\"{}\", voice::text()); }\n"), ("file", "")],
    );
    let mut command = cargo(&work, &["run"]);
    let (out, _) = ok(command.env("PRECAST_CACHE_DIR", work.join("file/store")));
    assert_eq!(out, "voice 7\n");
}

/// A wrapper for members that is found by its name, and one with a path of the configuration's.
#[cfg(unix)]
#[test]
fn wrappers() {
    let work = project("wrappers");
    let script = |name: &str| {
        let notes = work.join(format!("target/{name}"));
        let text = format!("#!/bin/sh\necho noted >> '{}'\nexec \"$@\"\n", notes.display());
        put(&work, &[(&format!("tools/{name}"), &text)]);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(work.join("tools").join(name), mode).unwrap();
        notes
    };
    fs::create_dir(work.join("target")).unwrap();
    let (members, all) = (script("members-wrapper"), script("all-wrapper"));
    let path = format!("{}:{}", work.join("tools").display(), std::env::var("PATH").unwrap());
    let mut build = precast(&work, &["build"]);
    ok(build.env("PATH", path).env("RUSTC_WORKSPACE_WRAPPER", "members-wrapper"));
    assert!(members.is_file());
    let config = work.join(".cargo/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let relative = text.replace("[build]\n", "[build]\nrustc-wrapper = \"tools/all-wrapper\"\n");
    fs::write(&config, &relative).unwrap();
    for how in [plain as Run, precast as Run] {
        ok(&mut precast(&work, &["on"]));
        forget(&work);
        let _ = fs::remove_file(&all);
        let (out, _) = ok(&mut how(&work.join("app"), &["run"]));
        assert_eq!(out, "voice 7 wasm\n");
        assert!(all.is_file());
        ok(&mut precast(&work, &["off"]));
        assert_eq!(fs::read_to_string(&config).unwrap(), relative);
    }
}

/// An entry of the store that is damaged is no entry: what its compilation needs is made first.
#[test]
fn a_damaged_script() {
    let work = project("damaged-script");
    let registry = work.join("../registry");
    let more = "[build-dependencies]\nvoice = \"1\"\n";
    registry_library(&registry, "scripted", more, "pub const SAID: &str = env!(\"SAID\");\n");
    let script = "fn main() { println!(\"cargo::rustc-env=SAID={}\", voice::text()); }\n";
    put(&registry, &[("scripted-1.0.0/build.rs", script)]);
    depend(&work, "scripted = \"1\"\n");
    put(&work, &[("app/src/main.rs", "fn main() { println!(\"{}\", scripted::SAID); }\n")]);
    let store = super::store::cold("damaged-script-store");
    let with = || {
        forget(&work);
        let mut command = precast(&work, &["run"]);
        command.env("PRECAST_CACHE_DIR", &store);
        command
    };
    assert_eq!(ok(&mut with()).0, "voice 7\n");
    let kept = |name: &str| -> Vec<PathBuf> {
        let entries =
            fs::read_dir(store.join("compiled")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.to_string_lossy().contains(name)).collect()
    };
    assert_eq!(ok(&mut with()).0, "voice 7\n");
    for entry in kept("scripted-1.0.0-build") {
        for file in fs::read_dir(entry.join("out")).into_iter().flatten() {
            fs::write(file.unwrap().path(), "half").unwrap();
        }
    }
    assert_eq!(ok(&mut with()).0, "voice 7\n");
}

/// Kills at any moment leave nothing half.
#[cfg(unix)]
#[test]
fn kills() {
    use std::os::unix::process::CommandExt;
    let work = project("kills");
    ok(&mut precast(&work, &["build"]));
    depend(&work, "voice = \"1\"\n");
    let lazy = fs::read_to_string(work.join("app/src/main.rs")).unwrap();
    let eager = "fn main() { println!(\"{} {}\", speaker::speaker!(), voice::text()); }\n";
    let mut state = 7u32;
    for round in 0..12 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if round % 4 == 0 {
            forget(&work);
        }
        put(&work, &[("app/src/main.rs", if round % 2 == 0 { &lazy } else { eager })]);
        let mut build = precast(&work, &["build"]);
        build
            .process_group(0)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut build = build.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(u64::from(state >> 23)));
        // Cargo, the wrappers and the compilers with it.
        let group = format!("-{}", build.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).output();
        build.wait().unwrap();
        if round % 3 == 2 {
            put(&work, &[("app/src/main.rs", eager)]);
            assert_eq!(ok(&mut precast(&work, &["run"])).0, "voice 7 wasm voice 7\n");
        }
    }
    // Two at once share what they do not lock.
    forget(&work);
    let start = |args: &[&str]| {
        let mut command = precast(&work, args);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let children =
        [start(&["run"]), start(&["run", "--release"]), start(&["run", "--target-dir", "there"])];
    for child in children {
        assert_eq!(texts(&child.wait_with_output().unwrap(), true).0, "voice 7 wasm voice 7\n");
    }
}

/// A library that was put off is compiled anew when a variable changes that its sources name.
#[test]
fn a_variable_of_a_library() {
    let work = project("variable");
    let tone = "pub fn tone() -> &'static str { option_env!(\"TONE\").unwrap_or(\"none\") }\n";
    put(&work.join("../registry"), &[("tone-1.0.0/src/lib.rs", tone)]);
    let with = |mut run: Command, value: &str| ok(run.env("TONE", value));
    assert_eq!(with(precast(&work, &["run"]), "a").0, "voice a wasm\n");
    forget(&work);
    with(precast(&work, &["on"]), "a");
    with(plain(&work, &["build"]), "a");
    assert_eq!(put_off(&work, "tone"), 1);
    // A build script needs the library by now.
    let script = "fn main() { println!(\"cargo::warning={}\", tone::tone()); }\n";
    let manifest = fs::read_to_string(work.join("app/Cargo.toml")).unwrap();
    let manifest = manifest + "[build-dependencies]\ntone = \"1\"\n";
    put(&work, &[("app/build.rs", script), ("app/Cargo.toml", &manifest)]);
    for value in ["a", "b"] {
        let (_, err) = with(plain(&work, &["build"]), value);
        assert!(err.contains(&format!("app@0.1.0: {value}")), "{err}");
    }
}

/// Distributions patch what they unpack, and leave the checksum of the package as it was.
#[test]
fn a_patched_package() {
    let work = project("patched");
    for voice in ["\"low\"", "\"high\""] {
        let tone = format!("pub fn tone() -> &'static str {{ {voice} }}\n");
        put(&work.join("../registry"), &[("tone-1.0.0/src/lib.rs", &tone)]);
        forget(&work);
        let expected = format!("voice {} wasm\n", voice.trim_matches('"'));
        assert_eq!(ok(&mut precast(&work, &["run"])).0, expected);
    }
    // The macro package itself.
    let code = SPEAKER.replace("voice::text()", "format!(\"new\")");
    assert_ne!(code, SPEAKER);
    put(&work.join("../registry"), &[("speaker-1.0.0/src/lib.rs", &code)]);
    forget(&work);
    let (out, err) = ok(&mut precast(&work, &["run"]));
    assert!(out.starts_with("new"), "{out}{err}");
    // Nothing is packed again where nothing is new.
    forget(&work);
    let (_, err) = ok(&mut precast(&work, &["run"]));
    assert!(!err.contains("packed now"), "{err}");
}
