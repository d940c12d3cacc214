//! A workspace with macros from everywhere, which needs no network: its registries are directories,
//! its repository is a file. Each macro tells whether it runs as wasm.

#[path = "../cli/output.rs"]
pub mod output;

pub use output::texts;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A directory of its own for each test, empty.
pub fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("project").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

pub fn put(directory: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The code of a macro crate: a function-like macro that expands to a text.
fn code(name: &str) -> String {
    format!(
        "use proc_macro::TokenStream;\n#[proc_macro]\npub fn {name}(_: TokenStream) -> TokenStream {{\n\
         let world = if std::mem::size_of::<usize>() == 4 {{ \"wasm\" }} else {{ \"native\" }};\n\
         let loud = if cfg!(feature = \"loud\") {{ \" loud\" }} else {{ \"\" }};\n\
         format!(\"\\\"{name} {{}} {{world}}{{loud}}\\\"\", env!(\"CARGO_PKG_VERSION\")).parse().unwrap()\n}}\n"
    )
}

/// A macro package of a directory source.
pub fn registry_macro(registry: &Path, name: &str, version: &str, more: &str) {
    let place = registry.join(format!("{name}-{version}"));
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n\
         license = \"MIT\"\n[lib]\nproc-macro = true\n[features]\nloud = []\n{more}"
    );
    let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", checksum(name, version));
    put(
        &place,
        &[
            ("Cargo.toml", &manifest),
            ("src/lib.rs", &code(&name.replace('-', "_"))),
            (".cargo-checksum.json", &checksum),
        ],
    );
}

/// A package of a directory source that is no macro.
pub fn registry_library(registry: &Path, name: &str, more: &str, code: &str) {
    registry_macro(registry, name, "1.0.0", more);
    let place = registry.join(format!("{name}-1.0.0"));
    let manifest = fs::read_to_string(place.join("Cargo.toml")).unwrap();
    let manifest = manifest.replace("[lib]\nproc-macro = true\n", "");
    put(&place, &[("Cargo.toml", &manifest), ("src/lib.rs", code)]);
}

/// Gives the workspace's application more dependencies.
pub fn depend(work: &Path, dependencies: &str) {
    let app = work.join("app/Cargo.toml");
    let text = fs::read_to_string(&app).unwrap();
    let head = "[dependencies]\n";
    fs::write(&app, text.replace(head, &format!("{head}{dependencies}"))).unwrap();
}

/// No package file exists; its hash is made up.
fn checksum(name: &str, version: &str) -> String {
    let digits: String = format!("{name}{version}").bytes().map(|b| format!("{b:02x}")).collect();
    format!("{digits:0<64}")[..64].to_owned()
}

const APP: &str = "\
[package]
name = \"app\"
version = \"0.1.0\"
edition = \"2021\"

[dependencies]
tiny = \"1\"
renamed = { package = \"tiny\", version = \"2\", features = [\"loud\"] }
broken = \"1\"
foreign = { version = \"1\", registry = \"other\" }
remote = { git = \"REPOSITORY\" }
nearby = { path = \"../../nearby\" }
member = { path = \"../member\" }
spare = { version = \"1\", optional = true }

[target.'cfg(not(unix))'.dependencies]
tiny-elsewhere = \"1\"
";

const MAIN: &str = "\
fn main() {
    println!(\"{}\", [tiny::tiny!(), renamed::tiny!(), broken::broken!(), foreign::foreign!(),
        remote::remote!(), nearby::nearby!(), member::member!()].join(\"\\n\"));
    let code = std::env::args().nth(1).map_or(0, |code| code.parse().unwrap());
    std::process::exit(code);
}

#[test]
fn succeeds() {}

#[test]
fn fails() {
    assert!(std::env::var_os(\"FAIL\").is_none());
}
";

/// What the program prints without precast.
pub const NATIVE: &str = "tiny 1.0.0 native\ntiny 2.0.0 native loud\nbroken 1.0.0 native\n\
    foreign 1.0.0 native\nremote 0.3.0 native\nnearby 0.1.0 native\nmember 0.1.0 native\n";

fn package(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [lib]\nproc-macro = true\n[features]\nloud = []\n"
    )
}

/// Writes the workspace and all that it depends on; returns the workspace's directory.
pub fn workspace(name: &str) -> PathBuf {
    let base = directory(name);
    let (registry, other) = (base.join("registry"), base.join("other"));
    registry_macro(&registry, "tiny", "1.0.0", "");
    registry_macro(&registry, "tiny", "2.0.0", "");
    registry_macro(&registry, "tiny-elsewhere", "1.0.0", "");
    registry_macro(&registry, "spare", "1.0.0", "");
    registry_macro(&registry, "broken", "1.0.0", "");
    // One module cannot be that of both.
    let script =
        "fn main() { println!(\"cargo:rustc-env=P={}\", std::env::var(\"PROFILE\").unwrap()); }";
    put(&registry.join("broken-1.0.0"), &[("build.rs", script)]);
    registry_macro(&other, "foreign", "1.0.0", "");
    let repository = base.join("repository");
    let inherits = "[package]\nname = \"remote\"\nversion.workspace = true\nedition.workspace = true\n\
                    [lib]\nproc-macro = true\n[features]\nloud = []\n[dependencies]\nbeside.workspace = true\n";
    put(
        &repository,
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"remote\", \"beside\"]\nresolver = \"2\"\n\
                 [workspace.package]\nversion = \"0.3.0\"\nedition = \"2021\"\n\
                 [workspace.dependencies]\nbeside = { path = \"beside\", version = \"0.3\" }\n",
            ),
            ("remote/Cargo.toml", inherits),
            ("remote/src/lib.rs", &code("remote")),
            ("beside/Cargo.toml", "[package]\nname = \"beside\"\nversion.workspace = true\nedition.workspace = true\n"),
            ("beside/src/lib.rs", ""),
        ],
    );
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
        let status =
            Command::new("git").current_dir(&repository).args(identity).args(args).status();
        assert!(status.unwrap().success());
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    let nearby = package("nearby") + "[workspace]\n";
    put(&base, &[("nearby/Cargo.toml", &nearby), ("nearby/src/lib.rs", &code("nearby"))]);
    let work = base.join("work");
    let url = format!("file://{}", repository.display());
    let config = format!(
        "# The user's own words.\n[source.crates-io]\nreplace-with = \"mirror\"\n\n\
         [source.mirror]\ndirectory = \"{}\"\n\n\
         [registries.other]\nindex = \"https://other.invalid/index\"\n\n\
         [source.of-others]\nregistry = \"https://other.invalid/index\"\nreplace-with = \"others\"\n\n\
         [source.others]\ndirectory = \"{}\"\n\n[build]\njobs = 2\n",
        registry.display(),
        other.display()
    );
    let app = APP.replace("REPOSITORY", &url);
    put(
        &work,
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"app\", \"member\"]\ndefault-members = [\"app\"]\nresolver = \"2\"\n",
            ),
            (".cargo/config.toml", &config),
            ("app/Cargo.toml", &app),
            ("app/src/main.rs", MAIN),
            ("member/Cargo.toml", &package("member")),
            ("member/src/lib.rs", &code("member")),
        ],
    );
    let home = home();
    let status = cargo(&work, home).args(["generate-lockfile", "--quiet"]).status().unwrap();
    assert!(status.success());
    work
}

/// A cargo home of the tests' own: what others configure does not matter.
pub fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("project-home");
        fs::create_dir_all(&home).unwrap();
        home
    })
}

fn clean(command: &mut Command, directory: &Path, home: &Path) {
    command.current_dir(directory).env("CARGO_HOME", home).env("NO_COLOR", "1");
    for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
}

pub fn cargo(directory: &Path, home: &Path) -> Command {
    let mut command = Command::new("cargo");
    clean(&mut command, directory, home);
    command.env("PRECAST_CACHE_DIR", store_place());
    command
}

fn store_place() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pack-cache")
}

/// The store of all tests, beside what packing has built for others: the standard library, for which
/// the network may be needed once.
pub fn store() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = store_place();
        let place = directory("warm");
        registry_macro(&place, "plain", "1.0.0", "[workspace]\n");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
        command.current_dir(place.join("plain-1.0.0")).env("PRECAST_CACHE_DIR", &store);
        for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(name);
        }
        ok(command.args(["pack", ".", "-o", "../out"]));
        forget_other_recipes(&store);
        store
    })
}

/// Whoever works on how macros are packed does not want those that were packed before: for users they are as good.
fn forget_other_recipes(store: &Path) {
    let (mark, recipe) = (store.join("recipe"), precast::pack::artifact_recipe());
    if fs::read_to_string(&mark).is_ok_and(|known| known == recipe) {
        return;
    }
    for kind in ["artifact", "shim"] {
        let _ = fs::remove_dir_all(store.join(kind));
    }
    fs::write(mark, recipe).unwrap();
}

pub fn precast(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    clean(&mut command, directory, home());
    command.env("PRECAST_CACHE_DIR", store()).env("PRECAST_MISSING", "pack");
    command.arg("precast").args(args);
    command
}

/// Forgets what was built: what cargo finds fresh stays as it is.
pub fn forget(work: &Path) {
    let _ = fs::remove_dir_all(work.join("target/debug"));
}

/// Standard output and error of a command that succeeds.
pub fn ok(command: &mut Command) -> (String, String) {
    let (out, err) = texts(&command.output().unwrap(), true);
    (out, err)
}

/// Every file of the project, without what is built.
pub fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.file_name().unwrap() != "target" => open.push(path),
                true => {}
                false => found.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}
