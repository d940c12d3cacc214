//! One document of all macros: what the build would do, what each package is, in the form of the schema.

use super::fixture::{depend, directory, ok, precast, put, registry_macro, texts, workspace};
use super::schema::errors;
use serde_json::{json, Value};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A macro that another package has as well, with all that can be said of one.
const DOCUMENTED: &str = "use proc_macro::TokenStream;\n/// As little.\n///\n///     tiny!()\n\
    #[deprecated(note = \"too small\")]\n#[proc_macro]\n\
    pub fn tiny(_: TokenStream) -> TokenStream { TokenStream::new() }\n\
    /// Small.\n#[proc_macro_derive(Small, attributes(less))]\n\
    pub fn small(_: TokenStream) -> TokenStream { TokenStream::new() }\n";

fn document(command: &mut Command) -> Value {
    let value: Value = serde_json::from_str(&ok(command).0).unwrap();
    assert_eq!(errors(&value), None, "{value:#}");
    value
}

fn package<'a>(document: &'a Value, name: &str, version: &str) -> &'a Value {
    let packages = document["packages"].as_array().unwrap();
    let is_it = |package: &&Value| package["name"] == name && package["version"] == version;
    packages.iter().find(is_it).unwrap_or_else(|| panic!("{name} in {document:#}"))
}

fn build(package: &Value) -> (&str, &str) {
    (package["build"]["from"].as_str().unwrap(), package["build"]["why"].as_str().unwrap())
}

fn names(document: &Value) -> Vec<String> {
    let packages = document["packages"].as_array().unwrap().iter();
    packages.map(|package| package["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_a_build_would_do() {
    let work = workspace("metadata");
    let registry = work.join("../registry");
    registry_macro(&registry, "minute", "1.0.0", "");
    put(&registry, &[("minute-1.0.0/src/lib.rs", DOCUMENTED)]);
    depend(&work, "minute = \"1\"\n");
    let cold = super::store::cold("metadata-store");
    let run = |args: &[&str]| {
        let mut command = precast(&work, args);
        command.env("PRECAST_CACHE_DIR", &cold);
        command
    };
    let before = document(&mut run(&["metadata"]));
    let minute = package(&before, "minute", "1.0.0");
    assert_eq!(build(minute), ("packed", "missing"));
    assert_eq!((&minute["macros_from"], &minute["artifact"]), (&json!("source"), &Value::Null));
    assert_eq!((&minute["used_by"], &minute["edition"]), (&json!(["app 0.1.0"]), &json!("2021")));
    let later = document(run(&["metadata"]).env("PRECAST_MISSING", "later"));
    assert_eq!(build(package(&later, "minute", "1.0.0")), ("source", "missing"));
    let same = json!({ "kind": "bang", "name": "tiny", "packages": ["minute", "tiny"] });
    assert_eq!(before["duplicates"], json!([same]));

    let grants = "[workspace.metadata.precast.grants.foreign]\nenv = [\"FOREIGN\"]\n";
    let manifest = fs::read_to_string(work.join("Cargo.toml")).unwrap();
    put(&work, &[("Cargo.toml", &(manifest + grants))]);
    put(&work, &[("precast.toml", "[policy]\n")]);
    ok(&mut run(&["check", "--members"]));
    let after = document(&mut run(&["metadata"]));
    let packed = package(&after, "minute", "1.0.0");
    assert_eq!(build(packed), ("packed", "stored"));
    // What was told of the source is what the module has.
    assert_eq!(
        (&packed["macros"], &packed["macros_from"]),
        (&minute["macros"], &json!("artifact"))
    );
    assert_eq!(packed["macros"][0]["documentation"], "As little.\n\n    tiny!()");
    assert_eq!(packed["macros"][0]["deprecated"], "too small");
    assert_eq!(packed["macros"][1]["helpers"], json!(["less"]));
    assert_eq!(packed["signature"]["state"], "local");
    assert!(Path::new(packed["artifact"]["path"].as_str().unwrap()).is_file());
    let (broken, member) = (package(&after, "broken", "1.0.0"), package(&after, "member", "0.1.0"));
    assert_eq!(build(broken), ("source", "refused"));
    assert!(broken["build"]["reason"].as_str().unwrap().contains("build script"), "{broken}");
    assert_eq!(build(member), ("source", "refused"));
    assert_eq!(package(&after, "tiny", "2.0.0")["features"], json!(["loud"]));
    let foreign = package(&after, "foreign", "1.0.0");
    assert_eq!(foreign["capabilities"]["granted"]["env"], json!(["FOREIGN"]));
    let problem = "it may read the environment variable FOREIGN";
    assert_eq!((&foreign["problems"], &packed["problems"]), (&json!([problem]), &json!([])));

    // Built again from its sources, of which the document tells from then on.
    let of_member = |args: &[&str]| {
        let all = document(&mut run(&[&["metadata", "--members"], args].concat()));
        package(&all, "member", "0.1.0").clone()
    };
    let member = of_member(&["--offline"]);
    assert_eq!(
        (build(&member), &member["rebuild"]["state"]),
        (("packed", "stored"), &json!("unknown"))
    );
    let artifact = member["artifact"]["path"].as_str().unwrap();
    ok(&mut run(&["verify", "--rebuild", "--offline", artifact]));
    assert_eq!(of_member(&[])["rebuild"]["state"], "same");
}

#[test]
fn options_as_cargo_has_them() {
    let work = workspace("metadata-options");
    let elsewhere = directory("metadata-elsewhere");
    let manifest = work.join("Cargo.toml");
    let manifest = manifest.to_str().unwrap();
    let run =
        |args: &[&str]| names(&document(&mut precast(&work, &[&["metadata"], args].concat())));
    let plain = run(&["--offline", "--locked"]);
    assert_eq!(plain, ["broken", "foreign", "member", "nearby", "remote", "tiny", "tiny"]);
    assert!(run(&["--features", "app/spare"]).contains(&"spare".to_owned()));
    assert!(run(&["--target", "x86_64-pc-windows-gnu"]).contains(&"tiny-elsewhere".to_owned()));
    // Cargo finds the configuration from where it runs.
    let config = work.join(".cargo/config.toml");
    let config = ["--manifest-path", manifest, "--config", config.to_str().unwrap()];
    let args = [&["metadata"][..], &config].concat();
    assert_eq!(names(&document(&mut precast(&elsewhere, &args))), plain);
    let refused = document(&mut precast(&work, &["metadata", "--except", "foreign"]));
    assert_eq!(build(package(&refused, "foreign", "1.0.0")), ("source", "refused"));

    let fails = |place: &Path, args: &[&str]| {
        let output = precast(place, &[&["--json", "metadata"], args].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        value["error"]["message"].as_str().unwrap().to_owned()
    };
    assert!(fails(&work, &["--format-version", "2"]).contains("version 2"));
    assert!(fails(&work, &["--only", "nobody"]).contains("called nobody"));
    put(&elsewhere, &[("Cargo.toml", "[package")]);
    assert!(fails(&elsewhere, &[]).contains("cargo cannot read the workspace"));
    let (_, err) = texts(&precast(&work, &["metadata", "--bins"]).output().unwrap(), false);
    assert!(err.contains("--bins"), "{err}");
}

/// `NAME/` is a dependency with all that it depends on.
#[test]
fn subtrees() {
    let work = workspace("metadata-subtrees");
    let registry = work.join("../registry");
    let more = "[dependencies]\ntiny = \"1\"\nspare = \"1\"\n";
    super::fixture::registry_library(&registry, "facade", more, "");
    depend(&work, "facade = \"1\"\n");
    let packed = |args: &[&str]| {
        let all = document(&mut precast(&work, &[&["metadata"], args].concat()));
        let packages = all["packages"].as_array().unwrap().iter();
        let packed = packages.filter(|package| package["build"]["from"] == "packed");
        // Whether it is known yet that this one cannot be packed, depends on other tests.
        let packed = packed.filter(|package| package["name"] != "broken");
        packed.map(|package| package["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(packed(&["--only", "facade/"]), ["spare", "tiny", "tiny"]);
    assert_eq!(packed(&["--except", "facade/"]), ["foreign", "remote"]);
    let manifest = fs::read_to_string(work.join("Cargo.toml")).unwrap();
    let settings = "[workspace.metadata.precast]\nonly = [\"facade/\"]\n";
    put(&work, &[("Cargo.toml", &format!("{manifest}{settings}"))]);
    assert_eq!(packed(&[]), ["spare", "tiny", "tiny"]);
    put(&work, &[("Cargo.toml", &manifest)]);
    let policy = "[policy]\nunlisted = \"deny\"\n[policy.packages.\"facade/\"]\n\
        [policy.packages.spare]\nallow = false\n";
    put(&work, &[("precast.toml", policy)]);
    assert_eq!(packed(&[]), ["tiny", "tiny"]);
    let output = precast(&work, &["metadata", "--only", "app/", "--except", "nobody/"]).output();
    let (_, err) = texts(&output.unwrap(), false);
    assert!(err.contains("no macro package is in the subtree of nobody"), "{err}");
}
