//! Packing from end to end: real compilers, small packages. All tests share one cache, so that the
//! standard library and the guest are built once.

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

/// Everything about a package's form that staging must cope with, at once.
const SHAPES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[workspace]\nmembers = [\"shapes\", \"maker\", \"looks\", \"old\"]\nresolver = \"2\"\n\
         [workspace.package]\nversion = \"1.2.3\"\nedition = \"2015\"\nlicense = \"MIT\"\n\
         [workspace.dependencies]\nmaker = { path = \"maker\", version = \"0.1\" }\n\
         looks = { path = \"looks\", version = \"0.1\" }\n\
         [workspace.lints.rust]\nunsafe_code = \"forbid\"\n",
    ),
    (
        "maker/Cargo.toml",
        "[package]\nname = \"maker\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [features]\nmore = []\n",
    ),
    (
        // A library whose macro declares macros, as synstructure's does.
        "maker/src/lib.rs",
        "pub extern crate proc_macro;\n#[macro_export]\nmacro_rules! decl {\n\
         ([$name:ident $($rest:tt)*] => $inner:path) => {\n\
         #[proc_macro_derive($name $($rest)*)]\n#[allow(non_snake_case)]\n\
         pub fn $name(i: $crate::proc_macro::TokenStream) -> $crate::proc_macro::TokenStream {\n\
         $inner(i)\n}\n};\n}\n#[cfg(feature = \"more\")]\npub fn more() {}\n",
    ),
    (
        "looks/Cargo.toml",
        "[package]\nname = \"looks\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n",
    ),
    (
        // Only a macro may have this attribute, as `manyhow`.
        "looks/src/lib.rs",
        "use proc_macro::TokenStream;\n#[proc_macro_attribute]\n\
         pub fn checked(_: TokenStream, item: TokenStream) -> TokenStream {\n\
         if item.to_string().contains(\"[proc_macro]\") { return item; }\n\
         \"compile_error!(\\\"no macro\\\");\".parse().unwrap()\n}\n",
    ),
    (
        // As it was when no wasm target had `proc_macro`.
        "old/Cargo.toml",
        "[package]\nname = \"proc-macro2\"\nversion = \"1.0.56\"\nedition = \"2021\"\n\
         [features]\ndefault = [\"proc-macro\"]\nproc-macro = []\nloud = []\n",
    ),
    (
        "old/build.rs",
        "fn main() {\nif std::env::var(\"TARGET\").unwrap().contains(\"wasm32\") { return; }\n\
         println!(\"cargo:rustc-cfg=use_proc_macro\\ncargo:rustc-cfg=wrap_proc_macro\");\n}\n",
    ),
    (
        "old/src/lib.rs",
        "#[cfg(not(all(use_proc_macro, wrap_proc_macro)))]\ncompile_error!(\"no proc_macro\");\n",
    ),
    (
        "shapes/Cargo.toml",
        "[package]\nname = \"the-shapes\"\nversion.workspace = true\nedition.workspace = true\n\
         license.workspace = true\nbuild = \"make.rs\"\n\
         [lib]\nname = \"other_name\"\npath = \"code/root.rs\"\nproc-macro = true\n\
         [lints]\nworkspace = true\n\
         [features]\ndefault = [\"one\"]\none = []\ntwo = []\n\
         [dependencies]\nmaker = { workspace = true, features = [\"more\"] }\n\
         looks = { workspace = true }\n\
         old = { package = \"proc-macro2\", path = \"../old\", version = \"1\" }\n\
         [dev-dependencies]\nunpublished = { path = \"../nowhere\", optional = false }\n",
    ),
    ("shapes/make.rs", "fn main() { println!(\"cargo:rustc-cfg=made\"); }\n"),
    ("shapes/code/text.md", "Documentation from a file.\n"),
    (
        "shapes/code/root.rs",
        "#![forbid(unsafe_code)]\n#![deny(warnings)]\n#[macro_use] extern crate maker;\n\
         extern crate looks;\nextern crate proc_macro;\nmod deep;\n\
         use looks::checked;\nuse proc_macro::TokenStream;\n\
         #[checked] #[proc_macro] pub fn after(i: TokenStream) -> TokenStream { i }\n\
         #[proc_macro] #[checked] pub fn before(i: TokenStream) -> TokenStream { i }\n\
         #[doc = include_str!(\"text.md\")]\n#[proc_macro_attribute]\n\
         pub fn keep(_: TokenStream, item: TokenStream) -> TokenStream { deep::keep(item) }\n\
         #[cfg(made)] #[proc_macro] pub fn from_build_script(i: TokenStream) -> TokenStream { i }\n\
         #[cfg(not(made))] #[proc_macro] pub fn absent(i: TokenStream) -> TokenStream { i }\n\
         #[cfg_attr(feature = \"two\", proc_macro)] #[cfg(feature = \"two\")]\n\
         pub fn two(i: TokenStream) -> TokenStream { i }\n\
         macro_rules! derives { ($($feature:literal $t:ident $f:ident $($h:ident),*;)*) => { $(\n\
         #[cfg(feature = $feature)]\n#[proc_macro_derive($t, attributes($($h),*))]\n\
         pub fn $f(_: TokenStream) -> TokenStream { TokenStream::new() })* } }\n\
         derives! { \"one\" One derive_one a, b; \"two\" Two derive_two; }\n\
         fn inner(_: TokenStream) -> TokenStream { TokenStream::new() }\n\
         decl!([Made, attributes(made)] => inner);\n",
    ),
    (
        "shapes/code/deep.rs",
        "pub fn keep(i: ::proc_macro::TokenStream) -> ::proc_macro::TokenStream { i }\n",
    ),
];

#[test]
fn shapes_of_packages() {
    let directory = directory("shapes");
    put(&directory, SHAPES);
    let manifest = directory.join("shapes/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let unpublished = text.find("[dev-dependencies]").unwrap();
    fs::write(&manifest, &text[..unpublished]).unwrap();
    let value = ok(precast(&directory, cache(), &["shapes"]));
    assert_eq!(value["manifest"]["package"]["crate_name"], "other_name");
    assert_eq!(value["manifest"]["package"]["version"], "1.2.3");
    assert_eq!(value["manifest"]["features"], serde_json::json!(["default", "one"]));
    let default = [
        "bang after after ",
        "bang before before ",
        "attribute keep keep ",
        "bang from_build_script from_build_script ",
        "derive Made Made made",
        "derive One derive_one a,b",
    ];
    assert_eq!(names(&value), default);
    assert!(value["notes"][0].as_str().unwrap().starts_with("its build script ran here"));
    assert_eq!(value["manifest"]["linked"][0]["name"], "maker");
    let published = fs::read_to_string(directory.join("out/the-shapes-1.2.3/Cargo.toml")).unwrap();
    assert!(!published.contains("path = \"../maker\"") && !published.contains("workspace = true"));

    let value = ok(precast(&directory, cache(), &["shapes", "--features", "the-shapes/two"]));
    assert_eq!(names(&value).len(), 8, "{:?}", names(&value));

    let sets = ["", "one,two,old/loud", "default"].map(|set| ["--feature-set", set]);
    let sets = [&["shapes"], sets.as_flattened()].concat();
    let value = ok(precast(&directory, cache(), &sets));
    assert_eq!(names(&value), default);
    let more = value["manifest"]["sets"].as_array().unwrap();
    let features: Vec<_> = more.iter().map(|set| set["features"].to_string()).collect();
    assert_eq!(
        features,
        ["[]", "[\"old/loud\",\"one\",\"two\"]"],
        "the default set is not packed twice"
    );
    assert_eq!(more[1]["macros"].as_array().unwrap().len(), 8);
    let shim = directory.join("out/the-shapes-1.2.3");
    for path in [&shim, &directory.join("out/the-shapes-1.2.3.precast")] {
        let verdicts = precast::verify::all(path, Default::default(), &|_: &str| ()).unwrap();
        let checks = verdicts.iter().flat_map(|verdict| &verdict.checks);
        for check in checks {
            assert!(check.differences.is_empty(), "{}: {:?}", check.what, check.differences);
        }
    }
    // `one` alone: the smallest set with it is the default one; both: the last.
    for (features, has_two) in [(&["one"][..], false), (&["one", "two"], true), (&[], false)] {
        let mut rustc = Command::new("rustc");
        rustc.args([
            "--crate-type",
            "proc-macro",
            "--crate-name",
            "other_name",
            "--edition",
            "2015",
        ]);
        rustc.args(features.iter().flat_map(|name| ["--cfg".into(), format!("feature={name:?}")]));
        rustc.arg("--out-dir").arg(&directory).arg(shim.join("src/lib.rs"));
        assert!(rustc.status().unwrap().success());
        let library = directory.join(format!("libother_name{}", std::env::consts::DLL_SUFFIX));
        let user = directory.join("user.rs");
        fs::write(&user, "other_name::two!();\n").unwrap();
        let mut rustc = Command::new("rustc");
        rustc.args(["--crate-type", "lib", "--edition", "2021", "--emit", "metadata", "--extern"]);
        rustc.arg(format!("other_name={}", library.display()));
        rustc.arg("--out-dir").arg(&directory).arg(&user);
        assert_eq!(rustc.output().unwrap().status.success(), has_two, "{features:?}");
    }
}

/// Features of dependencies are nothing that a consumer could choose by.
#[test]
fn sets_that_no_consumer_can_tell_apart() {
    let directory = directory("alike");
    let helped =
        PLAIN[0].1.to_owned() + "[dependencies]\nhelp = { path = \"help\", version = \"1\" }\n";
    let help = "[package]\nname = \"help\"\nversion = \"1.0.0\"\n[features]\nloud = []\n";
    put(&directory, PLAIN);
    put(&directory, &[("Cargo.toml", &helped), ("help/Cargo.toml", help), ("help/src/lib.rs", "")]);
    let found = error(precast(&directory, cache(), &[".", "--feature-set", "help/loud"]));
    check_error(found, "usage", &["`` and `help/loud` differ in features of dependencies alone"]);
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

    // Damage is noticed, and mended.
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

#[cfg(unix)]
mod machine {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::{symlink, PermissionsExt};
    use std::process::Stdio;

    /// A compiler with a sysroot of our making: `host` links the real host's files.
    fn compiler(directory: &Path, target: Option<&Path>) -> PathBuf {
        let _ = fs::remove_dir_all(directory);
        let of = |args: &[&str]| {
            let output = Command::new("rustc").args(args).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let real = PathBuf::from(of(&["--print", "sysroot"]));
        let libraries = directory.join("lib/rustlib");
        fs::create_dir_all(&libraries).unwrap();
        fs::create_dir_all(directory.join("bin")).unwrap();
        let host = of(&["-vV"]);
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        symlink(real.join("lib/rustlib").join(host), libraries.join(host)).unwrap();
        let mut rustc = real.join("bin/rustc");
        if let Some(target) = target {
            // The one that built the target's library.
            symlink(target, libraries.join("wasm32-wasip1")).unwrap();
            rustc = PathBuf::from("/usr/bin/rustc");
        }
        let script = directory.join("bin/rustc");
        let text = format!(
            "#!/bin/sh\nexec '{}' --sysroot '{}' \"$@\"\n",
            rustc.display(),
            directory.display()
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        script
    }

    #[test]
    fn no_toolchain() {
        let directory = directory("no-toolchain/package");
        put(&directory, PLAIN);
        let rustc = compiler(&directory.with_file_name("toolchain"), None);
        let mut command = command(&directory, cache(), &[".", "--json"]);
        let found = error(command.env("PRECAST_RUSTC", rustc).output().unwrap());
        check_error(found, "toolchain", &["no compiler for wasm32-wasip1", "rustup target add"]);
    }

    /// The active toolchain has no target, as a nightly one mostly; another of rustup's has it.
    #[test]
    fn another_installed_toolchain() {
        let output = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let real = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        if !real.join("lib/rustlib/wasm32-wasip1").is_dir() {
            return;
        }
        let directory = directory("another-toolchain/package");
        put(&directory, PLAIN);
        let active = compiler(&directory.with_file_name("active"), None);
        let home = directory.with_file_name("home");
        fs::create_dir_all(home.join("toolchains")).unwrap();
        symlink(&real, home.join("toolchains/stable-host")).unwrap();
        let mut command = command(&directory, cache(), &[".", "--json"]);
        // Rustup's own cargo would look for its toolchains there.
        command.env("RUSTC", active).env("RUSTUP_HOME", &home).env("CARGO", real.join("bin/cargo"));
        let value = ok(command.output().unwrap());
        assert_eq!(names(&value), ["bang same same "]);
    }

    /// A toolchain which has the target, as rustup installs it.
    #[test]
    fn toolchain_with_the_target() {
        let cache = cache();
        let built = fs::read_dir(cache.join("sysroot")).into_iter().flatten();
        let mut built = built.map(|entry| entry.unwrap().path().join("lib/rustlib/wasm32-wasip1"));
        // Nothing was built where the machine's own toolchain has the target: then every other
        // test has used it.
        let Some(built) = built.find(|path| path.is_dir()) else { return };
        let directory = directory("with-target/package");
        put(&directory, PLAIN);
        let rustc = compiler(&directory.with_file_name("toolchain"), Some(&built));
        let mut command = command(&directory, cache, &[".", "--json"]);
        let value = ok(command.env("PRECAST_RUSTC", rustc).output().unwrap());
        assert_eq!(names(&value), ["bang same same "]);
    }

    #[test]
    fn an_interrupt_leaves_nothing() {
        let directory = directory("interrupt");
        put(&directory, PLAIN);
        // A compilation that does not end by itself.
        put(&directory, &[("build.rs", "fn main() { loop { std::thread::park(); } }")]);
        let mut child = command(&directory, cache(), &["."])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.starts_with("compiling plain")));
        let group = format!("-{}", child.id());
        // A machine may have no such program, but each shell has the command.
        let mut shell = Command::new("sh");
        assert!(shell.args(["-c", "kill -s INT -- \"$0\"", &group]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(!directory.join("out").exists(), "nothing was written");
    }

    /// Who ends precast alone ends cargo, too: nobody has to wait for what it would build.
    #[test]
    fn a_signal_ends_cargo() {
        let directory = directory("terminated");
        put(&directory, PLAIN);
        // Once it has ended by itself, a module made with it is kept; another run has another one.
        let endless = format!(
            "fn main() {{ std::thread::sleep(std::time::Duration::from_secs(100)); }} // {}",
            std::process::id()
        );
        put(&directory, &[("build.rs", &endless)]);
        let mut first = command(&directory, cache(), &["."]);
        let mut child = first.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.starts_with("compiling plain")));
        std::thread::sleep(std::time::Duration::from_secs(2));
        let kill = format!("kill -s TERM {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let start = std::time::Instant::now();
        put(&directory, &[("build.rs", "fn main() {}")]);
        ok(command(&directory, cache(), &[".", "--json"]).output().unwrap());
        assert!(start.elapsed().as_secs() < 80, "it waited for the first one's cargo");
    }

    use std::os::unix::process::CommandExt;
}
