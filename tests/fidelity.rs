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
        // A shim's dependencies are those of a registry.
        let others = files.iter().filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"));
        let patches: String = others
            .filter_map(|path| path.strip_prefix("../"))
            .map(|name| format!("[patch.crates-io.{name}]\npath = \"../{name}\"\n"))
            .collect();
        for (folder, source, patches) in
            [("native", "../mac", ""), ("packed", "../out/mac-0.1.0", patches.as_str())]
        {
            let manifest = format!(
                "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n\
                 [dependencies]\nmac = {{ path = \"{source}\" }}\n{patches}"
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
    // A shim that was made with other values says so.
    let mut cargo = case.command("cargo", "packed");
    cargo.args(["check", "--offline"]).env("PROBE", "other");
    let output = cargo.env("CARGO_TARGET_DIR", case.directory.join("target")).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{complaint}");
    let expected = "mac 0.1.0 was precompiled without the variable PROBE, which it reads when";
    assert!(complaint.contains(expected), "{complaint}");
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

/// No path leads past what stands for the parts of std that work otherwise in wasm.
#[test]
fn std_under_other_names() {
    let code = r#"
use std as s;
macro_rules! id { ($($t:tt)*) => { $($t)* } }
fn order(mut names: Vec<(u64, &'static str)>) -> String {
    names.sort_unstable();
    names.iter().map(|(_, name)| *name).collect()
}
fn hashed(of: usize) -> u64 {
    use s::hash::{Hash, Hasher};
    let mut hasher = s::collections::hash_map::DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
#[proc_macro] pub fn alias(_: TokenStream) -> TokenStream {
    let caught = s::panic::catch_unwind(|| if std::hint::black_box(true) { panic!("inner") });
    lit(caught.unwrap_err().downcast_ref::<&str>().unwrap())
}
#[proc_macro] pub fn argument(_: TokenStream) -> TokenStream {
    let caught = id!(std::panic::catch_unwind(|| if std::hint::black_box(true) { panic!("in") }));
    lit(&caught.is_err().to_string())
}
#[proc_macro] pub fn elsewhere(_: TokenStream) -> TokenStream {
    lit(&help::caught!(panic!("far")).is_err().to_string())
}
#[proc_macro] pub fn hashes(_: TokenStream) -> TokenStream {
    lit(&order(vec![(hashed(1), "a"), (hashed(2), "b"), (hashed(3), "c"), (hashed(4), "d")]))
}
#[proc_macro] pub fn made(_: TokenStream) -> TokenStream {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher};
    lit(&format!("{:x}", BuildHasherDefault::<DefaultHasher>::default().build_hasher().finish()))
}
#[proc_macro] pub fn consts(_: TokenStream) -> TokenStream {
    lit(&format!("{} {} {}", s::env::consts::OS, s::env::consts::ARCH, s::env::consts::DLL_SUFFIX))
}
"#;
    let manifest =
        format!("{MANIFEST}[dependencies]\nhelp = {{ path = \"../help\", version = \"0.1\" }}\n");
    let files = [
        ("Cargo.toml", manifest.as_str()),
        ("src/lib.rs", code),
        ("../help/Cargo.toml", "[package]\nname = \"help\"\nversion = \"0.1.0\"\n"),
        (
            "../help/src/lib.rs",
            "#[macro_export] macro_rules! caught { ($e:expr) => {\n\
             ::std::panic::catch_unwind(|| if ::std::hint::black_box(true) { $e }) } }\n",
        ),
    ];
    let user = "fn main() { println!(\"{} {} {} {} {} {}\", mac::alias!(), mac::argument!(),\n\
                mac::elsewhere!(), mac::hashes!(), mac::made!(), mac::consts!()); }\n";
    let (said, _) = Case::new("names-of-std", &files, user).same(&[]);
    assert!(said.starts_with("inner true true "), "{said}");
}

/// A `RandomState` makes the standard library's own hasher, and the names must fit.
#[test]
fn a_random_state() {
    let code = "use std::collections::hash_map::{DefaultHasher, RandomState};\n\
                use std::hash::{BuildHasher, Hasher};\n\
                #[proc_macro] pub fn same(_: TokenStream) -> TokenStream {\n\
                let state = RandomState::new(); let made: DefaultHasher = state.build_hasher();\n\
                lit(&(made.finish() == state.build_hasher().finish()).to_string()) }\n";
    let user = "fn main() { println!(\"{}\", mac::same!()); }\n";
    Case::new("random-state", &[("src/lib.rs", code)], user).same(&[]);
}

/// Attributes that a macro writes, hands on, or was given; what users are told comes with them.
#[test]
fn macros_that_macros_declare() {
    let code = r#"
macro_rules! one { ($(#[$m:meta])* fn $n:ident = $e:expr) => {
    $(#[$m])* pub fn $n(_: TokenStream) -> TokenStream { lit($e) } } }
macro_rules! all { ($($(#[$m:meta])* $n:ident;)*) => {
    $(#[proc_macro] $(#[$m])* pub fn $n(_: TokenStream) -> TokenStream { lit(stringify!($n)) })* } }
one! { #[proc_macro] fn handed = "handed" }
all! { /** Older. */ #[deprecated(note = "use new")] old; /** Newer. */ #[doc(hidden)] new; }
#[hack::declares] fn written() { "written" }
#[cfg_attr(all(), proc_macro_derive(Sized_, attributes(help)), doc = "Sized.")]
pub fn sized(input: TokenStream) -> TokenStream {
    let name = input.into_iter().nth(3).unwrap().to_string();
    format!("impl {name} {{ pub fn size() -> u8 {{ 7 }} }}").parse().unwrap()
}
"#;
    let hack = r#"
extern crate proc_macro;
use proc_macro::TokenStream;
use quote::quote;
#[proc_macro_attribute] pub fn declares(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut item = item.into_iter();
    let name: proc_macro2::TokenStream = TokenStream::from(item.nth(1).unwrap()).into();
    let body: proc_macro2::TokenStream = TokenStream::from(item.nth(1).unwrap()).into();
    quote! {
        /// Written by a macro.
        #[allow(unused_braces)] #[proc_macro] pub fn #name(_: TokenStream) -> TokenStream { lit(#body) }
    }.into()
}
"#;
    let manifest =
        format!("{MANIFEST}[dependencies]\nhack = {{ path = \"../hack\", version = \"0.1\" }}\n");
    let hacks = "[package]\nname = \"hack\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                 [lib]\nproc-macro = true\n[dependencies]\nquote = \"1\"\nproc-macro2 = \"1\"\n";
    let files = [
        ("Cargo.toml", manifest.as_str()),
        ("src/lib.rs", code),
        ("../hack/Cargo.toml", hacks),
        ("../hack/src/lib.rs", hack),
    ];
    let user =
        "#[derive(mac::Sized_)] #[help] struct S;\nfn main() { println!(\"{} {} {} {} {}\",\n\
                mac::handed!(), mac::old!(), mac::new!(), mac::written!(), S::size()); }\n";
    let (said, packed) = Case::new("declared", &files, user).same(&[]);
    assert_eq!(said, "handed old new written 7\n");
    let macros = packed["manifest"]["macros"].as_array().unwrap().iter();
    let told: Vec<String> =
        macros.map(|item| format!("{} {}", item["function"], item["attributes"])).collect();
    let expected = [
        r#""handed" null"#,
        r#""sized" ["///Sized."]"#,
        r##""new" ["/// Newer. ","#[doc(hidden)]"]"##,
        r##""old" ["/// Older. ","#[deprecated(note = \"use new\")]"]"##,
        r#""written" ["/// Written by a macro."]"#,
    ];
    assert_eq!(told, expected);
}

/// What the macro crate asks of its system and its kind is answered as natively.
#[test]
fn cfgs_of_the_macro_crate() {
    let code = "#[proc_macro] pub fn how(_: TokenStream) -> TokenStream {\n\
                lit(&format!(\"{} {} {} {}\", cfg!(proc_macro), cfg!(unix), cfg!(windows),\n\
                if cfg!(target_pointer_width = \"64\") { 64 } else { 0 })) }\n\
                #[cfg(unix)] use std::os::unix::ffi::OsStrExt;\n\
                #[cfg(unix)] #[proc_macro] pub fn bytes(_: TokenStream) -> TokenStream {\n\
                lit(&format!(\"{:?}\", std::ffi::OsStr::new(\"ab\").as_bytes())) }\n\
                #[cfg(not(unix))] #[proc_macro] pub fn bytes(_: TokenStream) -> TokenStream { lit(\"\") }\n";
    let user = "fn main() { println!(\"{} {}\", mac::how!(), mac::bytes!()); }\n";
    let (said, packed) = Case::new("cfgs", &[("src/lib.rs", code)], user).same(&[]);
    assert!(said.starts_with("true "), "{said}");
    assert_eq!(packed["notes"], serde_json::json!([]));
}

/// What a build script passes on of cargo's variables.
const SCRIPT: &str = "fn main() {\n\
    for (to, from) in [(\"OS\", \"CARGO_CFG_TARGET_OS\"), (\"BITS\", \"CARGO_CFG_TARGET_POINTER_WIDTH\"),\n\
    (\"FAMILY\", \"CARGO_CFG_TARGET_FAMILY\"), (\"LEVEL\", \"OPT_LEVEL\"), (\"INFO\", \"DEBUG\")] {\n\
    println!(\"cargo:rustc-env={to}={}\", std::env::var(from).unwrap()); }\n\
    println!(\"cargo:rustc-check-cfg=cfg(at_home)\");\n\
    if std::env::var(\"TARGET\") == std::env::var(\"HOST\") { println!(\"cargo:rustc-cfg=at_home\"); }\n\
    let out = std::path::PathBuf::from(std::env::var(\"OUT_DIR\").unwrap());\n\
    std::fs::write(out.join(\"made.rs\"), format!(\"{:?}\", std::env::var_os(\"CARGO_CFG_UNIX\"))).unwrap(); }\n";
const ASKED: &str =
    "concat!(env!(\"OS\"), env!(\"BITS\"), env!(\"FAMILY\"), env!(\"LEVEL\"), env!(\"INFO\"),\n\
    cfg!(at_home), stringify!(include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"))))";

#[test]
fn build_scripts_see_the_host() {
    let manifest =
        format!("{MANIFEST}[dependencies]\nhelp = {{ path = \"../help\", version = \"0.1\" }}\n");
    let code = format!(
        "#[proc_macro] pub fn own(_: TokenStream) -> TokenStream {{ lit({ASKED}) }}\n\
         #[proc_macro] pub fn other(_: TokenStream) -> TokenStream {{ lit(help::ASKED) }}\n\
         #[proc_macro] pub fn made(_: TokenStream) -> TokenStream {{\n\
         let made: Option<&str> = include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
         lit(&format!(\"{{made:?}}\")) }}\nfn _f() -> Option<&'static str> {{ None }}\n"
    );
    let help = format!("pub const ASKED: &str = {ASKED};\n");
    let files = [
        ("Cargo.toml", manifest.as_str()),
        ("src/lib.rs", code.as_str()),
        ("build.rs", SCRIPT),
        (
            "../help/Cargo.toml",
            "[package]\nname = \"help\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
        ),
        ("../help/src/lib.rs", help.as_str()),
        ("../help/build.rs", SCRIPT),
    ];
    let user = "fn main() { println!(\"{} {} {}\", mac::own!(), mac::other!(), mac::made!()); }\n";
    let (said, _) = Case::new("script", &files, user).same(&[]);
    assert!(said.starts_with(std::env::consts::OS), "{said}");
}

/// A dependency whose script chooses what only the host has gets what it chooses for wasm, and the user
/// is told.
#[test]
fn a_script_that_chooses_a_system() {
    let manifest =
        format!("{MANIFEST}[dependencies]\nhelp = {{ path = \"../help\", version = \"0.1\" }}\n");
    // As rustix does it, it also tries what does not compile, and gives the crate no name.
    let script = r#"
use std::{env::var, io::Write, process::{Command, Stdio}};
fn main() {
    println!("cargo:rustc-check-cfg=cfg(own)");
    let rustc = var("RUSTC").unwrap();
    let mut compiler = match var("RUSTC_WRAPPER") {
        Ok(wrapper) if !wrapper.is_empty() => Command::new(wrapper),
        _ => Command::new("env"),
    };
    let out = var("OUT_DIR").unwrap() + "/probe";
    compiler.arg(rustc).args(["--crate-type=rlib", "--emit=metadata", "-o", &out, "--target"]);
    compiler.arg(var("TARGET").unwrap()).arg("-").stdin(Stdio::piped()).stderr(Stdio::null());
    let mut compiler = compiler.spawn().unwrap();
    compiler.stdin.take().unwrap().write_all(b"no Rust").unwrap();
    let compiles = compiler.wait().unwrap().success();
    if !compiles && var("CARGO_CFG_TARGET_ARCH").unwrap() != "wasm32" {
        println!("cargo:rustc-cfg=own");
    }
}
"#;
    let help = "#[cfg(own)] #[allow(unused_unsafe)] pub fn pid() -> u32 { unsafe { std::arch::x86_64::_mm_pause() }; 1 }\n\
                #[cfg(not(own))] pub fn pid() -> u32 { 1 }\n";
    let files = [
        ("Cargo.toml", manifest.as_str()),
        ("src/lib.rs", "#[proc_macro] pub fn pid(_: TokenStream) -> TokenStream { lit(&help::pid().to_string()) }\n"),
        ("../help/Cargo.toml", "[package]\nname = \"help\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("../help/src/lib.rs", help),
        ("../help/build.rs", script),
    ];
    let case = Case::new("system", &files, "fn main() { println!(\"{}\", mac::pid!()); }\n");
    let packed = ok(case.pack(&[]));
    let note = packed["notes"][0].as_str().unwrap_or_default();
    assert!(
        note.starts_with("`help` does not compile for wasm as it would for this machine"),
        "{packed}"
    );
    if cfg!(target_arch = "x86_64") {
        case.same(&[]);
    }
}

/// A module is the same in each of cargo's profiles, so who decides by it is built from source.
#[test]
fn a_script_that_asks_for_the_profile() {
    let script =
        "fn main() { println!(\"cargo:rustc-env=P={}\", std::env::var(\"PROFILE\").unwrap()); }\n";
    let code = "#[proc_macro] pub fn p(_: TokenStream) -> TokenStream { lit(env!(\"P\")) }\n";
    let files = [("build.rs", script), ("src/lib.rs", code)];
    let case = Case::new("profile", &files, "fn main() { println!(\"{}\", mac::p!()); }\n");
    let output = case.pack(&[]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [class, message] = ["class", "message"].map(|name| value["error"][name].as_str().unwrap());
    assert_eq!(class, "package");
    assert!(
        message.contains("gives something else in another profile of cargo (PROFILE)"),
        "{message}"
    );
    // Asking is no fault.
    let script =
        "fn main() { let _ = std::env::var(\"PROFILE\"); println!(\"cargo:rustc-env=P=x\"); }\n";
    fs::write(case.directory.join("mac/build.rs"), script).unwrap();
    case.same(&[]);
}

/// A package without macros by default is packed with the sets that have some.
#[test]
fn no_macro_by_default() {
    let manifest = format!("{MANIFEST}[features]\na = []\nb = []\nfull = [\"a\", \"b\"]\n");
    let code = "#[cfg(feature = \"a\")]\n\
                #[proc_macro] pub fn a(_: TokenStream) -> TokenStream { lit(\"a\") }\n\
                #[cfg(feature = \"b\")]\n\
                #[proc_macro] pub fn b(_: TokenStream) -> TokenStream { lit(\"b\") }\n\
                pub(crate) fn _used() -> TokenStream { lit(\"\") }\n";
    let files = [("Cargo.toml", manifest.as_str()), ("src/lib.rs", code)];
    let case = Case::new("no-default", &files, "fn main() {}\n");
    let sets = ["--feature-set", "a", "--feature-set", "full"];
    let mut pack = case.precast(&["pack", ".", "-o", "../out", "--json"]);
    let packed = ok(pack.args(sets).output().unwrap());
    assert_eq!(packed["manifest"]["features"], serde_json::json!(["a"]));
    assert_eq!(packed["manifest"]["sets"][0]["features"], serde_json::json!(["a", "b", "full"]));
    let verify = case.precast(&["verify", "../out/mac-0.1.0"]).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    for (features, main) in [
        ("[]", "fn main() {}\n"),
        ("[\"a\"]", "fn main() { println!(\"{}\", mac::a!()); }\n"),
        ("[\"full\"]", "fn main() { println!(\"{}{}\", mac::a!(), mac::b!()); }\n"),
    ] {
        for folder in ["native", "packed"] {
            let path = case.directory.join(folder).join("Cargo.toml");
            let text = fs::read_to_string(&path).unwrap();
            let start = &text[..text.find(", features").or(text.find(" }")).unwrap()];
            fs::write(&path, format!("{start}, features = {features} }}\n")).unwrap();
            fs::write(case.directory.join(folder).join("src/main.rs"), main).unwrap();
        }
        assert_eq!(case.run("packed", &[]).0, case.run("native", &[]).0, "{features}");
    }
}

/// Documentation that links to the macros finds them where the original says that its own is.
#[test]
fn links_to_documentation() {
    let root = "#![doc(html_root_url = \"https://docs.example.org/mac/0.1.0\", test(no_crate_inject))]\n\
                #![cfg_attr(all(), doc(html_logo_url = \"https://example.org/logo.png\"))]\n\
                use proc_macro::*;\n/// Nothing.\n#[proc_macro] pub fn no(_: TokenStream) -> TokenStream {\n\
                TokenStream::new() }\n";
    let case = Case::new("links", &[("src/root.rs", root)], "");
    let manifest = MANIFEST.replace("[lib]\n", "[lib]\npath = \"src/root.rs\"\n");
    fs::write(case.directory.join("mac/Cargo.toml"), manifest).unwrap();
    ok(case.pack(&[]));
    let page = |folder: &str| {
        let user = case.directory.join(folder);
        fs::rename(user.join("src/main.rs"), user.join("src/lib.rs")).unwrap();
        fs::write(user.join("src/lib.rs"), "//! See [`mac::no`].\n").unwrap();
        let mut cargo = case.command("cargo", folder);
        let output = cargo.args(["doc", "--no-deps", "--offline"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(user.join("target/doc/user/index.html")).unwrap()
    };
    let native = page("native");
    assert!(native.contains("https://docs.example.org/mac/0.1.0/mac/macro.no.html"), "{native}");
    assert_eq!(page("packed"), native);
}

/// A dependency that knows only the systems it was written for (home) gets this machine's.
#[test]
fn a_dependency_that_knows_no_wasi() {
    let manifest =
        format!("{MANIFEST}[dependencies]\nhelp = {{ path = \"../help\", version = \"0.1\" }}\n");
    let help =
        "#[cfg(any(unix, windows))] fn inner() -> bool { std::env::var_os(\"HOME\").is_some() }\n\
                pub fn at_home() -> bool { inner() }\n\
                #[cfg(unix)] pub fn n_bytes(s: &std::ffi::OsStr) -> usize {\n\
                std::os::unix::ffi::OsStrExt::as_bytes(s).len() }\n\
                #[cfg(windows)] pub fn n_bytes(s: &std::ffi::OsStr) -> usize { s.len() }\n";
    let files = [
        ("Cargo.toml", manifest.as_str()),
        (
            "src/lib.rs",
            "#[proc_macro] pub fn n(_: TokenStream) -> TokenStream {\n\
             let _: fn() -> bool = help::at_home;\n\
             lit(&help::n_bytes(std::ffi::OsStr::new(\"abc\")).to_string()) }\n",
        ),
        (
            "../help/Cargo.toml",
            "[package]\nname = \"help\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
        ),
        ("../help/src/lib.rs", help),
    ];
    let case = Case::new("no-wasi", &files, "fn main() { println!(\"{}\", mac::n!()); }\n");
    assert_eq!(case.same(&[]).0, "3\n");
}
