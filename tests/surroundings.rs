//! What a macro asks of its surroundings: fixtures/surroundings, once built natively and once packed, hears
//! the same from real cargo, or the user is told.
#![cfg(unix)]

use precast::artifact::manifest::Capabilities;
use precast::{artifact, embed, verify};
use serde_json::{json, Value};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const NAME: &str = "surroundings-0.1.0";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/surroundings")
}

fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("surroundings")
}

/// The packed fixture.
fn artifact() -> &'static artifact::Artifact {
    static PACKED: OnceLock<artifact::Artifact> = OnceLock::new();
    PACKED.get_or_init(|| {
        let out = scratch().join("out");
        let mut pack = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
        pack.args(["pack", "--quiet"]).arg(fixture()).arg("-o").arg(&out);
        let output = pack.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        artifact::read(&fs::read(out.join(format!("{NAME}.precast"))).unwrap()).unwrap()
    })
}

/// A workspace with one member that asks, in a subfolder.
struct Project {
    folder: PathBuf,
}

impl Project {
    fn new(name: &str, questions: &[(&str, &str)]) -> Project {
        let folder = scratch().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("app/src")).unwrap();
        let ask = |(question, argument): &(&str, &str)| {
            format!("println!(\"{{}}\", surroundings::ask!({question:?} {argument:?}));\n")
        };
        let uses: String = questions.iter().map(ask).collect();
        fs::write(folder.join("app/src/main.rs"), format!("fn main() {{\n{uses}}}\n")).unwrap();
        let root = "[workspace]\nmembers = [\"app\"]\nexclude = [\"shim\"]\nresolver = \"2\"\n";
        fs::write(folder.join("Cargo.toml"), root).unwrap();
        Project { folder }
    }

    fn depend(&self, path: &Path) {
        let manifest = format!(
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
             [dependencies]\nsurroundings = {{ path = {path:?} }}\n"
        );
        fs::write(self.folder.join("app/Cargo.toml"), manifest).unwrap();
        let _ = fs::remove_file(self.folder.join("Cargo.lock"));
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(self.folder.join("app")).args(arguments).arg("--offline");
        cargo.env("PROBE_FLAG", "1").env("CARGO_TERM_COLOR", "never").env_remove("PROBE_NONE");
        for name in ["CARGO_TARGET_DIR", "RUSTFLAGS", "RUSTC_WRAPPER"] {
            cargo.env_remove(name);
        }
        cargo.output().unwrap()
    }

    fn native(&self) -> String {
        self.depend(&fixture());
        let output = self.cargo(&["run", "--target-dir", "../native"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn embed(&self, granted: &Capabilities) {
        let files = embed::embed_with(artifact(), granted).unwrap();
        embed::write_dir(&files, &self.folder.join("shim").join(NAME)).unwrap();
        self.depend(&self.folder.join("shim").join(NAME));
    }

    /// Standard output of the program, and standard error of cargo.
    fn packed(&self, granted: &Capabilities) -> (String, String) {
        self.embed(granted);
        let output = self.cargo(&["run", "--target-dir", "../packed"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn equal(packed: &str, native: &str) {
    for (packed, native) in packed.lines().zip(native.lines()) {
        assert_eq!(packed, native);
    }
    assert_eq!(packed.lines().count(), native.lines().count());
}

#[test]
fn answers_are_native() {
    let long = "long/".repeat(60) + &"n".repeat(300);
    let project = Project::new(
        "native",
        &[
            ("own", ""),
            ("system", ""),
            ("included", ""),
            ("literal", ""),
            ("args", ""),
            ("process", ""),
            ("consts", ""),
            ("math", ""),
            ("threads", ""),
            ("env", "PROBE_NONE"),
            ("env", "CARGO_CRATE_NAME"),
            ("env", "HOME"),
            // Of the workspace, by the directory of the compiler and by that of the crate.
            ("read", ".env"),
            ("read", "$BASE/../.env"),
            ("list", "$BASE/../frontend/dist"),
            ("exists", "frontend/dist"),
            // What does not exist is not there, wherever it is not.
            ("read", "$BASE/../../none/such"),
            ("shown", "/no/such/file"),
            ("exists", "/no/such/file"),
            ("shown", "$BASE/src/main.rs/none"),
            ("shown", "$BASE/d/loop"),
            ("shown", &format!("$BASE/{}", "n".repeat(300))),
            ("shown", &long),
            ("shown", "$BASE/d"),
            ("list", "$BASE/d"),
            ("list", "$BASE/src/main.rs"),
            ("link", "$BASE/d/link"),
            ("link", "$BASE/d/up"),
            ("link", "$BASE/d/up/app/d/link"),
            ("link", "$BASE/d/nowhere"),
            ("link", "$BASE/d/loop"),
            ("link", "$BASE/d/f"),
            ("link", "$BASE/d"),
            ("link", "$BASE/d/none"),
            ("link", "$BASE/../../none"),
        ],
    );
    let folder = &project.folder;
    fs::write(folder.join(".env"), "NAME=value\n").unwrap();
    fs::create_dir_all(folder.join("frontend/dist")).unwrap();
    fs::write(folder.join("frontend/dist/index.html"), "<p>").unwrap();
    let d = folder.join("app/d");
    fs::create_dir(&d).unwrap();
    fs::write(d.join("f"), "text").unwrap();
    fs::write(d.join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    for (target, name) in
        [("f", "link"), ("gone", "nowhere"), ("loop", "loop"), ("../..", "up"), ("/", "root")]
    {
        symlink(target, d.join(name)).unwrap();
    }
    let native = project.native();
    let (packed, stderr) = project.packed(&Capabilities::default());
    equal(&packed, &native);
    assert!(!stderr.contains("warning"), "there is nothing to tell of: {stderr}");
}

/// A macro that goes on without what it was refused is no error; the user hears of it.
#[test]
fn refusals_are_told() {
    let project = Project::new(
        "told",
        &[
            ("env", "PROBE_FLAG"),
            ("env", "PROBE_FLAG"),
            ("env", "PROBE_NONE"),
            ("read", "$BASE/../../told.txt"),
            ("read", "$BASE/../../untold.txt"),
            ("list", "$BASE/../.."),
            ("keep", "$BASE/out.txt"),
            ("thread", ""),
            ("clock", ""),
        ],
    );
    fs::write(project.folder.with_file_name("told.txt"), "mine").unwrap();
    let (packed, stderr) = project.packed(&Capabilities::default());
    let answers: Vec<&str> = packed.lines().collect();
    let permission = "Err(PermissionDenied)";
    assert_eq!(answers[..5], ["None", "None", "None", permission, "Err(NotFound)"]);
    assert_eq!(answers[6], permission);
    assert_eq!(answers[8], "false");
    assert!(!project.folder.join("app/out.txt").exists());
    let once = |text: &str| assert_eq!(stderr.matches(text).count(), 1, "{text}: {stderr}");
    once("may not use the environment variable `PROBE_FLAG`");
    once("env = [\"PROBE_FLAG\"]\n");
    once("/told.txt`\n");
    let above = project.folder.parent().unwrap().canonicalize().unwrap();
    once(&format!("may not read `{}`\n", above.display()));
    once("read = [\"..\"]\n");
    once("read = [\"../told.txt\"]\n");
    once("app/out.txt`\nonly directories below target can be granted to be written");
    once("cannot have this: `a thread`\nit runs in a sandbox\n");
    once("cannot have this: `the time of day`\nit runs in a sandbox\n");
    once("`app` (bin \"app\") generated 6 warnings");
    assert_eq!(stderr.matches("[workspace.metadata.precast.grants.surroundings]\n").count(), 3);
    // Cargo has kept them, for when nothing is compiled, and for programs.
    let again = project.cargo(&["build", "--target-dir", "../packed"]);
    assert!(text(&again.stderr).contains("generated 6 warnings"), "{}", text(&again.stderr));
    let again = project.cargo(&["build", "--target-dir", "../packed", "--message-format", "json"]);
    let messages: Vec<Value> =
        text(&again.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = messages.iter().filter(|message| message["reason"] == "compiler-message");
    let told: Vec<&Value> = told.map(|message| &message["message"]).collect();
    assert_eq!(told.len(), 6);
    assert!(told.iter().all(|message| message["level"] == "warning"));
    let rendered = told[0]["rendered"].as_str().unwrap();
    assert!(rendered.contains("may not use the environment variable `PROBE_FLAG`"), "{rendered}");
}

/// One that lists the environment sees what it may use.
#[test]
fn a_list_of_variables_is_told() {
    let project = Project::new("listed", &[("vars", "CARGO_PKG_")]);
    let native = project.native();
    assert_eq!(project.packed(&Capabilities::default()).0, native);
    let project = Project::new("listed", &[("vars", "PROBE_")]);
    let (packed, stderr) = project.packed(&Capabilities::default());
    assert_eq!(packed, "[]\n");
    assert!(
        stderr.contains("may not list all environment variables")
            && stderr.contains("env = [\"*\"]")
    );
    let granted = Capabilities { env: vec!["PROBE_*".into()], ..Capabilities::default() };
    assert_eq!(project.packed(&granted).0, "[(\"PROBE_FLAG\", \"1\")]\n");
    let all = Capabilities { env: vec!["*".into()], ..Capabilities::default() };
    let (packed, stderr) = project.packed(&all);
    assert_eq!(packed, "[(\"PROBE_FLAG\", \"1\")]\n");
    assert!(!stderr.contains("warning"), "{stderr}");
}

/// A workspace grants more than the manifest does; nothing is packed again.
#[test]
fn workspaces_grant() {
    let project = Project::new(
        "granted",
        &[
            ("env", "PROBE_FLAG"),
            ("read", "$BASE/../../granted.txt"),
            ("write", "target/notes/deep/a.txt"),
            ("keep", "target/notes/b.txt"),
        ],
    );
    fs::write(project.folder.with_file_name("granted.txt"), "mine").unwrap();
    let native = project.native();
    fs::remove_dir_all(project.folder.join("target")).unwrap();
    let settings = json!({ "grants": { "surroundings": {
        "env": ["PROBE_FLAG"], "read": ["../granted.txt"], "write": ["target/notes"],
    }}});
    let granted = Capabilities::granted(&settings, "surroundings").unwrap();
    let (packed, stderr) = project.packed(&granted);
    equal(&packed, &native);
    assert!(!stderr.contains("warning"), "{stderr}");
    for (file, text) in [("deep/a.kept", "12x456"), ("b.txt", "kept")] {
        let file = project.folder.join("target/notes").join(file);
        assert_eq!(fs::read_to_string(file).unwrap(), text);
    }
    // The shim says what it was granted, and still is what precast embeds.
    let shim = project.folder.join("shim").join(NAME);
    let verdict = verify::verify(&shim).unwrap();
    assert!(verdict.checks.iter().all(|check| check.differences.is_empty()), "{verdict:?}");
    let notes: Vec<&String> = verdict.checks.iter().flat_map(|check| &check.notes).collect();
    assert!(notes.iter().any(|note| note.contains("PROBE_FLAG")), "{notes:?}");
    assert!(notes.iter().any(|note| note.ends_with("to write: target/notes")), "{notes:?}");
    // Nobody grants more by changing the file alone.
    let grants = shim.join("precast/grants.json");
    let more = fs::read_to_string(&grants).unwrap().replace("target/notes", "target");
    fs::write(&grants, more).unwrap();
    let verdict = verify::verify(&shim).unwrap();
    assert!(verdict.checks.iter().any(|check| !check.differences.is_empty()));
}

/// What is granted to be written is all that is written.
#[test]
fn nothing_else_is_written() {
    let project = Project::new(
        "written",
        &[
            ("keep", "target/other.txt"),
            ("keep", "target/notes/../other.txt"),
            ("keep", "target/notes/out/other.txt"),
            ("keep", "target/notes/nowhere"),
            ("keep", "$BASE/other.txt"),
            ("keep", "/tmp/precast-must-not-write/other.txt"),
        ],
    );
    let notes = project.folder.join("target/notes");
    fs::create_dir_all(&notes).unwrap();
    symlink("../..", notes.join("out")).unwrap();
    symlink("../../nowhere", notes.join("nowhere")).unwrap();
    let granted = Capabilities { write: vec!["target/notes".into()], ..Capabilities::default() };
    let (packed, stderr) = project.packed(&granted);
    assert_eq!(packed, "Err(PermissionDenied)\n".repeat(5) + "Err(NotFound)\n");
    assert!(stderr.contains("write = [\"target\"]"), "{stderr}");
    for file in ["target/other.txt", "other.txt", "nowhere", "app/other.txt"] {
        assert!(!project.folder.join(file).exists(), "{file}");
    }
    assert!(!Path::new("/tmp/precast-must-not-write").exists());
}

/// Users and the compiler see where a package's own files are.
#[test]
fn own_paths_are_shown() {
    let project = Project::new("shown", &[("printed", ""), ("panic", "")]);
    project.embed(&Capabilities::default());
    let output = project.cargo(&["build", "--target-dir", "../packed"]);
    let words = project.folder.join("shim").join(NAME).join("source/words");
    let stderr = text(&output.stderr);
    for said in ["eprinted", "panicked at"] {
        assert!(stderr.contains(&format!("{said} {}", words.display())), "{stderr}");
    }
}

/// A macro that fails for what it was refused says what grants it.
#[test]
fn refused_writes_name_the_grant() {
    let project = Project::new("failed", &[("need", "$BASE/../../failed.txt")]);
    fs::write(project.folder.with_file_name("failed.txt"), "mine").unwrap();
    project.embed(&Capabilities::default());
    let output = project.cargo(&["build", "--target-dir", "../packed"]);
    let stderr = text(&output.stderr);
    assert!(!output.status.success());
    for line in ["may not read `", "read = [\"../failed.txt\"]", "--except surroundings`"] {
        assert!(stderr.contains(line), "{stderr}");
    }
    assert!(!stderr.contains("warning"), "the error says it all: {stderr}");
}

/// A package that cargo has unpacked reads nothing of the workspace that it is in.
#[test]
fn vendored_crates_keep_to_themselves() {
    let project = Project::new("vendored", &[("read", "$BASE/../.env"), ("read", ".env")]);
    fs::write(project.folder.join(".env"), "secret").unwrap();
    fs::write(project.folder.join("app/.cargo-checksum.json"), "{}").unwrap();
    project.embed(&Capabilities::default());
    // Cargo compiles such a package in its own directory.
    let app = project.folder.join("app");
    let shim = project.folder.join("shim").join(NAME);
    let stderr = compile(&app, &shim, &shim);
    assert!(stderr.contains("vendored/.env`\n"), "{stderr}");
    let program = Command::new(app.join("main")).output().unwrap();
    assert_eq!(text(&program.stdout), "Err(PermissionDenied)\nErr(NotFound)\n");
}

/// Compiled in the original's place, a shim finds the files beside the original.
#[test]
fn own_files_beside_the_original() {
    let project = Project::new("beside", &[("own", "")]);
    let native = project.native();
    project.embed(&Capabilities::default());
    let shim = project.folder.join("shim").join(NAME);
    fs::remove_dir_all(shim.join("source/words")).unwrap();
    let app = project.folder.join("app");
    assert_eq!(compile(&app, &shim, &fixture()), "");
    let program = Command::new(app.join("main")).output().unwrap();
    equal(&text(&program.stdout), &native);
}

/// Compiles the shim, as that of the package in `original`, and then the application, each in its own
/// directory; what the compiler says of that.
fn compile(app: &Path, shim: &Path, original: &Path) -> String {
    let rustc = |folder: &Path, package: &Path, arguments: &[&str]| {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(folder).env("CARGO_MANIFEST_DIR", package);
        rustc.arg("--edition=2021").args(arguments);
        let output = rustc.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let library = app.join(format!("libsurroundings{}", std::env::consts::DLL_SUFFIX));
    let library = library.to_str().unwrap();
    let own = ["--crate-type=proc-macro", "--crate-name=surroundings", "src/lib.rs", "-o", library];
    rustc(shim, original, &own);
    rustc(app, app, &["src/main.rs", "--extern", &format!("surroundings={library}")])
}
