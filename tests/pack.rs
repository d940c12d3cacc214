//! Packing from end to end: real compilers, small packages. All tests share one cache, so that the
//! standard library and the guest are built once.

#[cfg(unix)]
#[path = "pack/machine.rs"]
mod machine;
#[path = "pack/shapes.rs"]
mod shapes;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// A directory of its own for each test, empty.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pack").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// The cache, warm: the first test that asks packs something.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pack-cache");
        fs::create_dir_all(&path).unwrap();
        let directory = directory("warm");
        put(&directory, PLAIN);
        ok(precast(&directory, &path, &["."]));
        path
    })
}

fn put(directory: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn command(directory: &Path, cache: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    command.current_dir(directory).env("PRECAST_CACHE_DIR", cache).env("NO_COLOR", "1");
    // What `cargo test` sets must not be what makes it work.
    for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command.args(["pack", "-o", "out"]).args(args);
    command
}

fn precast(directory: &Path, cache: &Path, args: &[&str]) -> Output {
    command(directory, cache, args).arg("--json").output().unwrap()
}

/// The one packed package.
fn ok(output: Output) -> Value {
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value[0].take()
}

/// Class and text of the error, help included.
fn error(output: Output) -> (String, String) {
    assert!(!output.status.success());
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |name: &str| value["error"][name].as_str().unwrap_or_default().to_owned();
    (text("class"), format!("{}\nhelp: {}", text("message"), text("help")))
}

fn names(value: &Value) -> Vec<String> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    let macros = value["manifest"]["macros"].as_array().unwrap().iter();
    macros
        .map(|item| {
            let helpers = item["helpers"].as_array().into_iter().flatten();
            let helpers: Vec<_> = helpers.map(|helper| helper.as_str().unwrap()).collect();
            let (kind, name) = (text(item, "kind"), text(item, "name"));
            format!("{kind} {name} {} {}", text(item, "function"), helpers.join(","))
        })
        .collect()
}

const PLAIN: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         license = \"MIT\"\n[lib]\nproc-macro = true\n[workspace]\n",
    ),
    ("LICENSE", "Do what you like.\n"),
    (
        "src/lib.rs",
        "use proc_macro::TokenStream;\n\n/// Nothing changes.\n#[proc_macro]\n\
         pub fn same(input: TokenStream) -> TokenStream {\n    input\n}\n",
    ),
];

#[test]
fn a_plain_package() {
    let directory = directory("plain");
    put(&directory, PLAIN);
    let value = ok(precast(&directory, cache(), &["."]));
    assert_eq!(names(&value), ["bang same same "]);
    assert_eq!(value["manifest"]["macros"][0]["attributes"][0], "/// Nothing changes.");
    assert_eq!(value["manifest"]["package"]["source"]["kind"], "path");
    assert_eq!(value["notes"].as_array().unwrap().len(), 0);
    for path in ["plain-0.1.0.precast", "plain-0.1.0/Cargo.toml", "plain-0.1.0/src/lib.rs"] {
        assert!(directory.join("out").join(path).is_file(), "{path}");
    }
    let left: Vec<_> = fs::read_dir(directory.join("out")).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing but the two results: {left:?}");
    // What std would print of a panic asks for the current directory.
    let root = fs::read_to_string(directory.join("out/plain-0.1.0/src/lib.rs")).unwrap();
    let files = root.lines().find(|line| line.trim_start().starts_with("(files "));
    assert!(files.unwrap().ends_with("{ $($without)* };"), "no macro here reads files: {files:?}");
}

fn artifact(directory: &Path) -> Vec<u8> {
    fs::read(directory.join("out/plain-0.1.0.precast")).unwrap()
}

#[test]
fn equal_bytes_from_anywhere() {
    let first = directory("here");
    put(&first, PLAIN);
    ok(precast(&first, cache(), &["."]));
    let second = directory("elsewhere").join("and/deeper");
    put(&second, PLAIN);
    let value = ok(precast(&second, cache(), &["."]));
    assert_eq!(value["cached"], true);
    assert!(artifact(&first) == artifact(&second));

    // A cache with nothing but the standard library, in another place: the guest is compiled again,
    // while another directory is the current one.
    let cold = directory("cold").join("cache");
    if cache().join("sysroot").exists() {
        copy(&cache().join("sysroot"), &cold.join("sysroot"));
    }
    let value = ok(precast(&second, &cold, &["."]));
    assert_eq!(value["cached"], false);
    assert!(artifact(&first) == artifact(&second));

    // Damage is noticed, and repaired.
    let modules = fs::read_dir(cold.join("module")).unwrap();
    let mut modules = modules.map(|entry| entry.unwrap().path().join("module.wasm"));
    let module = modules.find(|path| path.is_file()).unwrap();
    let mut bytes = fs::read(&module).unwrap();
    bytes[100] ^= 1;
    fs::write(&module, bytes).unwrap();
    let value = ok(precast(&second, &cold, &["."]));
    assert_eq!(value["cached"], false);
    assert!(artifact(&first) == artifact(&second));
    assert_eq!(ok(precast(&second, &cold, &["."]))["cached"], true);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.file_name().unwrap() != ".precast-lock" {
            fs::copy(&path, target).unwrap();
        }
    }
}

/// Cargo is asked again after each change, also of a package that the macro depends on by its path.
#[test]
fn changed_sources_are_compiled_again() {
    let directory = directory("changed");
    let manifest = "[package]\nname = \"changed\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                    [workspace]\n[lib]\nproc-macro = true\n[dependencies]\nhelper = { path = \"helper\", version = \"0.1\" }\n";
    let helper = "[package]\nname = \"helper\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    put(&directory, &[("Cargo.toml", manifest), ("helper/Cargo.toml", helper)]);
    let mut modules = Vec::new();
    for (text, number) in [("1", 1), ("2", 1), ("2", 2), ("2", 3)] {
        // What catches panics is compiled from a rewritten copy.
        let helper = format!(
            "pub fn text() -> String {{ \
             std::panic::catch_unwind(|| \"{number}\".into()).unwrap_or_default() }}\n"
        );
        let code = format!(
            "#[proc_macro]\npub fn make(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{ \
             (helper::text() + \"{text}\").parse().unwrap() }}\n"
        );
        put(&directory, &[("src/lib.rs", &code), ("helper/src/lib.rs", &helper)]);
        ok(precast(&directory, cache(), &["."]));
        modules.push(fs::read(directory.join("out/changed-0.1.0/precast/module.wasm")).unwrap());
    }
    for pair in modules.windows(2) {
        assert!(pair[0] != pair[1], "the same module after a change");
    }
}

const TWO: &[(&str, &str)] = &[
    PLAIN[0],
    (
        "src/lib.rs",
        "use proc_macro::TokenStream;\n\
         #[proc_macro]\npub fn first(_: TokenStream) -> TokenStream { \"1\".parse().unwrap() }\n\
         #[proc_macro]\npub fn second(i: TokenStream) -> TokenStream { i.into_iter().take(1).collect() }\n",
    ),
    ("first.rs", "fn f() { first!(x); }\n"),
    ("second.rs", "const X: u8 = [plain::second!{x y}, 2].len();\n"),
];

/// Indexes of the functions `first` and `second`.
fn places(directory: &Path) -> [u32; 2] {
    let module = fs::read(directory.join("out/plain-0.1.0/precast/module.wasm")).unwrap();
    let mut places = [0; 2];
    for payload in wasmparser::Parser::new(0).parse_all(&module) {
        if let wasmparser::Payload::ExportSection(exports) = payload.unwrap() {
            for export in exports.into_iter().map(Result::unwrap) {
                let names = ["first", "second"];
                if let Some(at) = names.iter().position(|name| *name == export.name) {
                    places[at] = export.index;
                }
            }
        }
    }
    places
}

#[test]
fn a_profile_comes_first() {
    let directory = directory("profile");
    put(&directory, TWO);
    for profile in ["first.rs", "second.rs"] {
        ok(precast(&directory, cache(), &[".", "--profile", profile]));
        let [first, second] = places(&directory);
        assert_eq!(first < second, profile == "first.rs", "{profile}: {first}, {second}");
        let mut verify = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
        verify.current_dir(&directory).args(["verify", "out/plain-0.1.0"]);
        assert!(verify.output().unwrap().status.success());
    }
    let (class, text) = error(precast(&directory, cache(), &[".", "--profile", "none.rs"]));
    assert_eq!(class, "other");
    assert!(text.contains("none.rs"), "{text}");
}

#[test]
fn two_at_once() {
    let directory = directory("two");
    put(&directory, PLAIN);
    let manifest = directory.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"plain\"", "\"twin\"");
    fs::write(&manifest, text).unwrap();
    let children: Vec<_> = (0..2)
        .map(|_| {
            let mut command = command(&directory, cache(), &[".", "--quiet"]);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(directory.join("out/twin-0.1.0.precast").is_file());
}

/// A package that differs from the plain one in `files`; the error of packing it.
fn broken(name: &str, files: &[(&str, &str)], args: &[&str]) -> (String, String) {
    let directory = directory(name);
    put(&directory, PLAIN);
    put(&directory, files);
    let found = error(precast(&directory, cache(), args));
    assert!(
        !directory.join("out").exists()
            || fs::read_dir(directory.join("out")).unwrap().count() == 0
    );
    found
}

fn check_error(found: (String, String), class: &str, parts: &[&str]) {
    assert_eq!(found.0, class, "{}", found.1);
    for part in parts {
        assert!(found.1.contains(part), "`{part}` is not in: {}", found.1);
    }
}

#[test]
fn not_a_macro_crate() {
    let library = "[package]\nname = \"library\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                   [dependencies]\nlibrary_derive = \"1\"\n[workspace]\n";
    check_error(
        broken("library", &[("Cargo.toml", library)], &["."]),
        "package",
        &["library 0.1.0 is not a proc-macro crate", "may come from: library_derive"],
    );
}

#[test]
fn no_such_package() {
    check_error(broken("nothing", &[], &["./nothing"]), "usage", &["has no Cargo.toml"]);
    check_error(broken("partial", &[], &["serde_derive@1.0"]), "usage", &["serde_derive@^1.0"]);
    check_error(
        broken("unknown", &[], &["precast-there-is-no-such-package"]),
        "package",
        &["precast-there-is-no-such-package"],
    );
    check_error(
        broken("future", &[], &["serde_derive@999.0.0"]),
        "package",
        &["the registry has no serde_derive@999.0.0", "help: check the name and the version"],
    );
}

#[test]
fn a_c_library() {
    let script = "fn main() { panic!(\"the library zzz was not found\"); }";
    check_error(
        broken("c-library", &[("build.rs", script)], &["."]),
        "package",
        &["the build script of plain v0.1.0", "zzz was not found", "cannot link C libraries"],
    );
}

/// A macro that wants the network compiles: the standard library has it on no wasm host, and says so
/// when it is used.
#[test]
fn a_network_macro() {
    let directory = directory("network");
    put(&directory, PLAIN);
    let code = "use std::{io::Write, net::TcpStream};\n\
                fn ask() -> std::io::Result<()> {\n\
                TcpStream::connect(\"127.0.0.1:5432\")?.write_all(b\"?\") }\n\
                #[proc_macro] pub fn query(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n\
                ask().expect(\"no database\"); Default::default() }\n";
    put(&directory, &[("src/lib.rs", code)]);
    ok(precast(&directory, cache(), &["."]));
    let artifact = directory.join("out/plain-0.1.0.precast");
    let call = precast::expand::Call::Bang { name: "query", tokens: "" };
    let error = precast::expand::expand(&artifact, &call).unwrap_err();
    let text = format!("{error} {}", error.help_text().unwrap_or_default());
    for part in ["`query` panicked: no database", "no network"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

/// Only where it is asked for, since a stable compiler cannot be told without changing the expansion.
#[test]
fn files_that_were_read_can_be_tracked() {
    let directory = directory("tracked");
    put(&directory, PLAIN);
    let code = "#[proc_macro_derive(Text)]\n\
                pub fn text(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n\
                let folder = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap();\n\
                std::fs::read_to_string(folder + \"/text.rs\").unwrap().parse().unwrap() }\n";
    put(&directory, &[("src/lib.rs", code), ("text.rs", "const TEXT: u8 = 1;")]);
    ok(precast(&directory, cache(), &["."]));
    put(
        &directory,
        &[(
            "user.rs",
            "#![deny(warnings)]\n#[derive(plain::Text)]\npub struct S;\npub use self::TEXT as T;\n",
        )],
    );
    put(&directory, &[("text.rs", "pub const TEXT: u8 = 1;")]);
    for is_tracked in [false, true] {
        let cfg = if is_tracked { "precast_track" } else { "nothing" };
        let rustc = |args: &[&str]| {
            let mut rustc = Command::new("rustc");
            rustc.current_dir(&directory).args(["--edition", "2021", "--out-dir", "."]).args(args);
            let output = rustc.env("CARGO_MANIFEST_DIR", &directory).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let library = format!("plain=libplain{}", std::env::consts::DLL_SUFFIX);
        let shim = "out/plain-0.1.0/src/lib.rs";
        rustc(&["--crate-type", "proc-macro", "--crate-name", "plain", "--cfg", cfg, shim]);
        let emit = "--emit=metadata,dep-info";
        rustc(&["--crate-type", "lib", "--extern", &library, emit, "user.rs"]);
        let info = fs::read_to_string(directory.join("user.d")).unwrap();
        assert_eq!(info.contains("text.rs"), is_tracked, "{info}");
    }
}

/// A macro that asks for debug assertions, itself or in a package of its repository, gets cargo's answer.
#[test]
fn debug_assertions_are_those_of_the_profile() {
    let directory = directory("asks");
    let package = |name: &str, more: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
             license = \"MIT\"\nrepository = \"https://example.org/asks\"\n{more}"
        )
    };
    let asks = package("asks", "[features]\nmore = []\n[lib]\nproc-macro = true\n[dependencies]\ninner = { path = \"../inner\", version = \"0.1\" }\n");
    let code = "use proc_macro::TokenStream;\n\
                #[proc_macro] pub fn own(_: TokenStream) -> TokenStream {\n\
                #[cfg(debug_assertions)] return \"true\".parse().unwrap();\n\
                #[cfg(not(debug_assertions))] return \"false\".parse().unwrap(); }\n\
                #[proc_macro] pub fn other(_: TokenStream) -> TokenStream {\n\
                inner::asks().parse().unwrap() }\n\
                #[cfg(feature = \"more\")]\n\
                #[proc_macro] pub fn more(input: TokenStream) -> TokenStream { other(input) }\n";
    let inner = "pub fn asks() -> String { cfg!(debug_assertions).to_string() }\n";
    put(
        &directory,
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"asks\", \"inner\"]\nexclude = [\"out\", \"plain\", \"more\"]\n"),
            ("asks/Cargo.toml", &asks),
            ("asks/src/lib.rs", code),
            ("inner/Cargo.toml", &package("inner", "")),
            ("inner/src/lib.rs", inner),
            (
                "plain/src/main.rs",
                "fn main() { println!(\"{} {}\", asks::own!(), asks::other!()) }",
            ),
            ("more/src/main.rs", "fn main() { println!(\"{} {}\", asks::own!(), asks::more!()) }"),
        ],
    );
    let sets = ["asks", "--feature-set", "", "--feature-set", "more"];
    let packed = ok(precast(&directory, cache(), &sets));
    assert_eq!(packed["manifest"]["sets"].as_array().unwrap().len(), 3, "{packed}");
    for (user, features) in [("plain", ""), ("more", "\"more\"")] {
        for source in ["../asks", "../out/asks-0.1.0"] {
            let manifest = format!(
                "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n\
                 [dependencies]\nasks = {{ path = \"{source}\", features = [{features}] }}\n"
            );
            fs::write(directory.join(user).join("Cargo.toml"), manifest).unwrap();
            for (profile, expected) in [("dev", "true true\n"), ("release", "false false\n")] {
                let mut cargo = Command::new("cargo");
                cargo.current_dir(directory.join(user)).env_remove("RUSTFLAGS");
                cargo.env("CARGO_TARGET_DIR", directory.join("target"));
                let run = cargo.args(["run", "--quiet", "--profile", profile]).output().unwrap();
                let said = String::from_utf8_lossy(&run.stdout);
                let complaint = String::from_utf8_lossy(&run.stderr);
                assert_eq!(said, expected, "{user} {source} {profile}: {complaint}");
            }
        }
    }
}

/// A crate for sockets of a system does not compile for wasm at all.
#[test]
fn a_dependency_with_sockets() {
    let manifest = "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                    [lib]\nproc-macro = true\n[dependencies]\nsockets = { path = \"sockets\", version = \"0.1\" }\n[workspace]\n";
    let sockets = "[package]\nname = \"sockets\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    let code = "pub fn open() -> std::os::unix::net::UnixStream { todo!() }\n";
    let files =
        [("Cargo.toml", manifest), ("sockets/Cargo.toml", sockets), ("sockets/src/lib.rs", code)];
    check_error(
        broken("sockets", &files, &["."]),
        "package",
        &[
            "does not compile for wasm",
            "`sockets` must compile for wasm32-wasip1: there are no sockets",
        ],
    );
}

#[test]
fn a_crate_of_c() {
    let script = "fn main() { let o = std::process::Command::new(std::env::var(\
                  \"CC_wasm32_wasip1\").unwrap()).status(); o.expect(\"no C compiler\"); }";
    check_error(
        broken("c-code", &[("build.rs", script)], &["."]),
        "package",
        &["the build script of plain v0.1.0", "no C compiler", "cannot link C libraries"],
    );
}

#[test]
fn an_import_nobody_has() {
    let code = "#[link(wasm_import_module = \"net\")] extern \"C\" { fn dial(x: i32) -> i32; }\n\
                #[proc_macro] pub fn call(i: proc_macro::TokenStream) -> proc_macro::TokenStream {\n\
                if unsafe { dial(1) } == 2 { panic!() } i }\n";
    check_error(
        broken("import", &[("src/lib.rs", code)], &["."]),
        "package",
        &["imports what no host provides: net.dial", "used by:"],
    );
}

#[test]
fn no_macro_enabled() {
    let code = "#[cfg(any())] #[proc_macro] \
                pub fn f(i: proc_macro::TokenStream) -> proc_macro::TokenStream { i }\n";
    check_error(
        broken("no-macro", &[("src/lib.rs", code)], &["."]),
        "package",
        &["the package exports no macro", "--features"],
    );
}

#[test]
fn code_that_does_not_compile() {
    check_error(
        broken("mistake", &[("src/lib.rs", "fn f() -> u8 { \"\" }")], &["."]),
        "package",
        &["does not compile for wasm", "mismatched types", "src/lib.rs:1:16"],
    );
}
