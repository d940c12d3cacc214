//! What a packed macro does is what the native one does: each test builds the same package both ways,
//! and compares what a user of it prints.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A package and its user, in a directory of their own.
struct Case {
    directory: PathBuf,
}

const MANIFEST: &str = "[package]\nname = \"mac\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                        license = \"MIT\"\n[lib]\nproc-macro = true\n[workspace]\n";
/// What macros begin with.
const HEAD: &str = "use proc_macro::*;\n\
                    fn lit(s: &str) -> TokenStream { TokenTree::Literal(Literal::string(s)).into() }\n";

impl Case {
    /// `files` are those of the package `mac`, without the usual manifest and beginning.
    fn new(name: &str, files: &[(&str, &str)], user: &str) -> Case {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fidelity").join(name);
        let _ = fs::remove_dir_all(&directory);
        let put = |path: &str, text: &str| {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("mac/Cargo.toml", MANIFEST);
        for (path, text) in files {
            let head = if *path == "src/lib.rs" { HEAD } else { "" };
            put(&format!("mac/{path}"), &format!("{head}{text}"));
        }
        for (folder, source) in [("native", "../mac"), ("packed", "../out/mac-0.1.0")] {
            let manifest = format!(
                "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n\
                 [dependencies]\nmac = {{ path = \"{source}\" }}\n"
            );
            put(&format!("{folder}/Cargo.toml"), &manifest);
            put(&format!("{folder}/src/main.rs"), user);
        }
        Case { directory }
    }

    fn command(&self, program: &str, folder: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.join(folder)).env("NO_COLOR", "1");
        for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(name);
        }
        command
    }

    fn precast(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_cargo-precast"), "mac");
        command.env("PRECAST_CACHE_DIR", cache()).args(args);
        command
    }

    fn pack(&self, environment: &[(&str, &str)]) -> Output {
        let mut command = self.precast(&["pack", ".", "-o", "../out", "--json"]);
        command.envs(environment.iter().copied()).output().unwrap()
    }

    /// What the user prints, and what cargo says meanwhile.
    fn run(&self, folder: &str, environment: &[(&str, &str)]) -> (String, String) {
        let mut cargo = self.command("cargo", folder);
        cargo.args(["run", "--quiet", "--offline"]).envs(environment.iter().copied());
        let output = cargo.env("CARGO_TARGET_DIR", self.directory.join("target")).output().unwrap();
        let texts = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        let [said, complaint] = texts;
        assert!(output.status.success(), "{folder}: {complaint}");
        (said, complaint)
    }

    /// Packs, and compares; gives what both print and what was packed.
    fn same(&self, environment: &[(&str, &str)]) -> (String, Value) {
        let packed = ok(self.pack(environment));
        let native = self.run("native", environment);
        assert_eq!(self.run("packed", environment), native);
        (native.0, packed)
    }
}

/// Shared by all tests here: the guest and what it needs are compiled once.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("fidelity-cache")
}

/// The one packed package.
fn ok(output: Output) -> Value {
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value[0].take()
}

/// A module is good for the values that it was made with, and no others.
#[test]
fn variables_that_were_read() {
    let code = "#[proc_macro] pub fn opt(_: TokenStream) -> TokenStream {\n\
                lit(&format!(\"{} {}\", option_env!(\"PROBE\").unwrap_or(\"unset\"), env!(\"MADE\"))) }\n";
    let script = "fn main() { println!(\"cargo:rerun-if-env-changed=SCRIPT\"); println!(\n\
                  \"cargo:rustc-env=MADE={}\", std::env::var(\"SCRIPT\").unwrap_or_default()); }\n";
    let files = [("src/lib.rs", code), ("build.rs", script)];
    let case = Case::new("environment", &files, "fn main() { println!(\"{}\", mac::opt!()); }\n");
    let [one, two] = [[("PROBE", "one"), ("SCRIPT", "a")], [("PROBE", "two"), ("SCRIPT", "a")]];
    let recorded = |packed: &Value| packed["manifest"]["environment"].clone();
    let (said, packed) = case.same(&one);
    assert_eq!(said, "one a\n");
    assert_eq!(recorded(&packed), serde_json::json!({"PROBE": "one", "SCRIPT": "a"}));
    assert_eq!(case.same(&two).0, "two a\n");
    let (said, packed) = case.same(&[]);
    assert_eq!(said, "unset \n");
    assert_eq!(recorded(&packed), serde_json::json!({"PROBE": null, "SCRIPT": null}));
    // What was made before is not made again.
    let new = std::process::id().to_string();
    let new_one = [("PROBE", new.as_str())];
    for (environment, expected) in [(&one[..], true), (&two, true), (&new_one, false)] {
        let packed = ok(case.pack(environment));
        assert_eq!(packed["cached"], expected, "{environment:?}");
    }
    // Whoever rebuilds has other values.
    let mut verify = case.precast(&["verify", "--rebuild", "../out/mac-0.1.0.precast"]);
    let output = verify.env("PROBE", "other").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let path = case.directory.join("out/mac-0.1.0.precast");
    let artifact = precast::artifact::read(&fs::read(path).unwrap()).unwrap();
    let with = |value: Option<&str>| {
        let value = value.map(str::to_owned);
        artifact.manifest.environment_holds(|name| value.clone().filter(|_| name == "PROBE"))
    };
    assert!(with(Some(&new)) && !with(Some("one")) && !with(None));
}
