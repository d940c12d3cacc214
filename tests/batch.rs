//! Macros of a project, packed at once: versions and features are those of the project, modules do not
//! depend on each other, and one failure is one failure. Real compilers, packages in directories.
//!
//! The test is its own program, since cargo runs it as the compiler's wrapper.

use precast::base::error::{Class, Error};
use precast::cache::entries::Cache;
use precast::cache::{Locked, Wanted};
use precast::pack::{pack_wanted, wrapper, Packed, Project};
use std::fs;
use std::path::Path;

const SHARED: &str = "pub fn text() -> String { let mut text = String::from(\"x\");\n\
    if cfg!(feature = \"a\") { text += \"a\" }\nif cfg!(feature = \"b\") { text += \"b\" }\n\
    format!(\"{text:?}\") }\n";
const MACRO: &str = "#[proc_macro]\npub fn make(_: proc_macro::TokenStream) -> \
    proc_macro::TokenStream { shared::text().parse().unwrap() }\n";
const BAD: &str = "#[proc_macro]\npub fn make(_: proc_macro::TokenStream) -> \
    proc_macro::TokenStream { no_such_function() }\n";
const LOCK: &str = "version = 4\n\n\
    [[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"bad\",\n \"one\",\n \"two\",\n]\n\n\
    [[package]]\nname = \"bad\"\nversion = \"0.1.0\"\n\n\
    [[package]]\nname = \"one\"\nversion = \"0.1.0\"\ndependencies = [\n \"shared\",\n]\n\n\
    [[package]]\nname = \"shared\"\nversion = \"0.1.0\"\n\n\
    [[package]]\nname = \"two\"\nversion = \"0.1.0\"\ndependencies = [\n \"shared\",\n]\n";

fn main() {
    wrapper::run();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("batch");
    let _ = fs::remove_dir_all(&root);
    write(&root);
    type Test = (&'static str, fn(&Path));
    let tests: [Test; 3] = [
        ("features_are_those_of_the_project", features_are_those_of_the_project),
        ("a_module_does_not_depend_on_its_group", a_module_does_not_depend_on_its_group),
        ("a_killed_compiler_is_no_fault_of_a_package", a_killed_compiler_is_no_fault_of_a_package),
    ];
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    for (name, test) in tests.iter().filter(|(name, _)| name.contains(&wanted)) {
        test(&root);
        println!("test {name} ... ok");
    }
}

fn write(root: &Path) {
    let package = |name: &str, more: &str, code: &str| {
        let folder = root.join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        let head =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        fs::write(folder.join("Cargo.toml"), head + more).unwrap();
        fs::write(folder.join("src/lib.rs"), code).unwrap();
    };
    let using = |feature: &str| {
        format!(
            "[lib]\nproc-macro = true\n[workspace]\n[dependencies]\nshared = {{ version = \"0.1\", \
             path = \"../shared\", features = [\"{feature}\"] }}\n"
        )
    };
    package("shared", "[features]\na = []\nb = []\n[workspace]\n", SHARED);
    package("one", &using("a"), MACRO);
    package("two", &using("b"), MACRO);
    package("bad", "[lib]\nproc-macro = true\n[workspace]\n", BAD);
}

fn locked(root: &Path, name: &str, features: &[&str]) -> Locked {
    Locked {
        name: name.into(),
        version: "0.1.0".into(),
        source: None,
        checksum: None,
        directory: root.join(name),
        features: features.iter().map(|feature| feature.to_string()).collect(),
    }
}

fn wanted(root: &Path, name: &str, features: &[&str]) -> Wanted {
    let dependencies = match name {
        "bad" => Vec::new(),
        _ => vec![locked(root, "shared", features)],
    };
    Wanted { package: locked(root, name, &[]), dependencies, macros: Vec::new() }
}

fn pack(root: &Path, cache: &str, wanted: &[Wanted]) -> Vec<Result<Packed, Error>> {
    let project = Project { directory: root, lockfile: LOCK, offline: true };
    let cache = Cache::open(Some(&root.join(cache))).unwrap();
    pack_wanted(wanted, &project, &cache, &|_: &str| {}).unwrap()
}

fn features(packed: &Result<Packed, Error>) -> String {
    let linked = &packed.as_ref().unwrap().artifact.manifest.linked;
    assert_eq!(linked.len(), 1, "{linked:?}");
    linked[0].features.join(",")
}

/// What the module writes.
fn contains(packed: &Result<Packed, Error>, text: &str) -> bool {
    packed.as_ref().unwrap().artifact.wasm.windows(text.len()).any(|part| part == text.as_bytes())
}

fn features_are_those_of_the_project(root: &Path) {
    let all = ["one", "bad", "two"].map(|name| wanted(root, name, &["a", "b"]));
    // Another build of the project has the same macro with less.
    let less = wanted(root, "one", &["a"]);
    let packed = pack(root, "cache", &[&all[..], &[less]].concat());
    assert_eq!([0, 2, 3].map(|at| features(&packed[at])), ["a,b", "a,b", "a"]);
    assert!(contains(&packed[0], "make") && packed[0].as_ref().unwrap().bytes.len() > 1000);
    let error = packed[1].as_ref().unwrap_err();
    assert_eq!(error.class(), Class::Package);
    let text = error.to_string();
    assert!(
        text.contains("no_such_function") && text.contains("could not compile `bad`"),
        "{text}"
    );
}

fn a_module_does_not_depend_on_its_group(root: &Path) {
    let all = ["one", "two"].map(|name| wanted(root, name, &["a", "b"]));
    let together = pack(root, "cache", &all);
    for (wanted, together) in all.iter().zip(&together) {
        let alone = pack(root, "other-cache", std::slice::from_ref(wanted));
        let bytes = |packed: &Result<Packed, Error>| packed.as_ref().unwrap().bytes.clone();
        assert!(bytes(&alone[0]) == bytes(together), "{}", wanted.package.name);
    }
}

#[cfg(not(unix))]
fn a_killed_compiler_is_no_fault_of_a_package(_: &Path) {}

/// A compiler that kills itself where the shared library is compiled.
#[cfg(unix)]
fn a_killed_compiler_is_no_fault_of_a_package(root: &Path) {
    use std::os::unix::fs::{symlink, PermissionsExt};
    let output = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let real = std::path::PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    if !real.join("lib/rustlib/wasm32-wasip1").is_dir() {
        // The machine has the target from sources, which another sysroot does not share.
        return;
    }
    let directory = root.join("killed");
    fs::create_dir_all(directory.join("bin")).unwrap();
    symlink(real.join("lib"), directory.join("lib")).unwrap();
    let script = directory.join("bin/rustc");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *'--crate-name shared '*) kill -9 $$;; esac\n\
         exec {} --sysroot {} \"$@\"\n",
        real.join("bin/rustc").display(),
        directory.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    std::env::set_var("PRECAST_RUSTC", &script);
    let all = ["one", "bad"].map(|name| wanted(root, name, &["a"]));
    let packed = pack(root, "killed-cache", &all);
    std::env::remove_var("PRECAST_RUSTC");
    let [one, bad] = [0, 1].map(|at| packed[at].as_ref().unwrap_err());
    assert_eq!((one.class(), bad.class()), (Class::Other, Class::Package), "{one}\n{bad}");
    assert!(one.to_string().contains("ended by signal 9 (SIGKILL)"), "{one}");
    assert!(one.to_string().contains("could not compile `shared`"), "{one}");
}
