//! Whole crates, source to source: the result compiles with a rustc that is given no macro crate, and does
//! the same.

use precast::expand::whole::{self, Options, Origin, Whole};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn module(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign").join(file)
}

/// A folder with these files.
fn folder(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("whole").join(test);
    let _ = fs::remove_dir_all(&folder);
    for (file, text) in files {
        let file = folder.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    folder
}

/// The crate in `lib.rs`, which knows the macros in C as `inc`, those in AssemblyScript as `ints`, and the
/// libraries that are named.
fn expand(folder: &Path, libraries: &[&str]) -> precast::Result<Whole> {
    let mut options = Options {
        root: folder.join("lib.rs"),
        edition: "2021".into(),
        arguments: vec!["--cfg".into(), "test".into()],
        ..Options::default()
    };
    options.add("inc", Origin::Packed(module("macros-c.wasm")), BTreeSet::new())?;
    options.add("ints", Origin::Packed(module("macros-ts.wasm")), BTreeSet::new())?;
    let reason = "odd 1.0.0, which cannot be packed: it is odd".to_owned();
    options.add("odd", Origin::Unpacked(reason), BTreeSet::new())?;
    for name in libraries {
        let file = folder.join(name).join("lib.rs");
        options.add(name, Origin::Source(file), BTreeSet::from(["more".to_owned()]))?;
    }
    whole::expand(&options)
}

/// Expands, and writes the result to `out/`.
fn written(folder: &Path, libraries: &[&str]) -> Whole {
    let whole = expand(folder, libraries).unwrap();
    for (file, text) in whole::placed(&whole, folder).unwrap() {
        let file = folder.join("out").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    whole
}

/// Compiles the result's tests without any macro crate, and runs them.
fn passes(folder: &Path, more: &[&str]) {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(folder).args(["--edition=2021", "--test", "-Awarnings", "out/lib.rs"]);
    let output = rustc.args(["-o", "tests"]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(folder.join("tests")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

const ROOT: &str = "#!/usr/bin/env anything
//! Every position, every kind, and names of every kind.

use inc::{named as renamed, sum, Answer};
#[macro_use]
extern crate ints;
extern crate inc as other;

mod deep;
mod inline {
    pub mod further;
    pub use ints::*;
}
#[path = \"elsewhere.rs\"]
mod placed;
#[cfg(any())]
mod missing;

/// Documented.
#[derive(Debug, Answer, Clone)] // A comment.
#[answer(7)]
pub struct S {
    pub field: u8, // Another one.
}

#[cfg_attr(all(), derive(other::Answer, PartialEq), answer(8))]
#[derive(::ints::Named)]
pub enum E { #[allow(dead_code)] A }

#[cfg(any())]
#[derive(Answer, NoSuchThing)]
struct Gone;

#[renamed(called)]
pub fn first(x: i32) -> i32 {
    use std::fmt;
    let six = sum!(1 2 3); // Six.
    let y = sum!(1 1) * 10; // Precedence stays.
    reversed!(; 1 = z let);
    let ty: reversed!(i32) = z;
    match x {
        reversed!(2 | 1) => six + y + ty,
        _ => 0,
    }
}

reversed! { ; { reversed!((2 1) ! sum) } = i32 : ITEM const }

struct Methods;
impl Methods {
    #[inc::named(method)]
    fn nobody(&self) -> u32 { line!() }
    reversed! { ; 3 = i32 : MADE const }
}

macro_rules! plus { ($($x:expr)*) => { 100 $(+ $x)* } }

#[test]
fn it_does_the_same() {
    assert_eq!((S::ANSWER, E::ANSWER, E::NAME), (7, 8, \"E\"));
    assert_eq!((called(1), called(3)), (27, 0));
    assert_eq!((ITEM, Methods.method(), Methods::MADE), (3, 52, 3));
    assert_eq!(plus!(1), 101, \"{}\", vec![inc::sum!(1 2)].len());
    assert_eq!(deep::below() + inline::further::below() + placed::below(), 5 + 6 + 9);
    {
        use inline::Named;
        #[derive(Named)]
        struct Local;
        assert_eq!(Local::NAME, \"Local\");
    }
    assert!(matches!(Some(sum!(1 2)), Some(reversed!(4 | 3)) if sum!(1) == 1,));
    assert_eq!(stringify!(sum!(1)), \"sum!(1)\");
    let told = std::panic::catch_unwind(|| assert!(sum!(1 2) == 4)).unwrap_err();
    assert_eq!(told.downcast_ref::<&str>(), Some(&\"assertion failed: sum!(1 2) == 4\"));
    assert_eq!(line!(), 75);
}
";

#[test]
fn every_position() {
    let files = [
        ("lib.rs", ROOT),
        ("deep/mod.rs", "pub use inner::*;\nmod inner;\n"),
        ("deep/inner.rs", "use crate::Answer as A;\n#[derive(A)]\n#[answer(5)]\nstruct D;\npub fn below() -> i32 { D::ANSWER }\n"),
        ("inline/further.rs", "use super::*;\npub fn below() -> i32 { reversed!(6) }\n"),
        ("elsewhere.rs", "#![allow(dead_code)]\nmod x;\npub fn below() -> i32 { x::X::ANSWER }\n"),
        ("x.rs", "#[derive(inc::Answer)]\n#[answer(9)]\npub struct X;\n"),
    ];
    let folder = folder("positions", &files);
    let whole = written(&folder, &[]);
    assert_eq!(whole.files.len(), 6);
    passes(&folder, &[]);
    let text = fs::read_to_string(folder.join("out/lib.rs")).unwrap();
    assert_eq!(text.lines().count(), ROOT.lines().count());
    for kept in [
        "#!/usr/bin/env anything\n//! Every",
        "/// Documented.\n#[derive(Debug , Clone)]",
        "// Another one.\n",
        "// Six.\n",
        "struct Gone;\n",
    ] {
        assert!(text.contains(kept), "`{kept}` is not in {text}");
    }
    // What is asserted is also told as text.
    let text: Vec<&str> = text.lines().filter(|line| !line.contains("assertion failed")).collect();
    let text = text.join("\n");
    for gone in ["use inc", "extern crate", "use ints", "reversed", "#[answer", "inc ::"] {
        let there = text.replace("#[derive(Answer, NoSuchThing)]", "");
        assert!(!there.contains(gone), "`{gone}` is in {text}");
    }
}

/// A library that re-exports macros, beside traits of the same names.
#[test]
fn libraries_that_re_export() {
    let library = "
        macro_rules! items { () => { pub use inner::Answer; }; }
        items!();
        mod inner { pub trait Answer { fn ask(&self) -> i32; } impl Answer for u8 { fn ask(&self) -> i32 { 1 } } }
        #[cfg(feature = \"more\")] pub use inc::{Answer, sum};
        #[cfg(not(feature = \"more\"))] pub use none::*;
        pub mod prelude { pub use super::sum as add; pub use inc::named; }
        mod lib { use inc::sum as hidden; }
        #[macro_export] macro_rules! lib { () => { 1 } }
    ";
    let root = "
        use lib::{sum, Answer};
        use lib::prelude::*;
        #[derive(Answer)] #[answer(2)] struct S;
        #[named(f)] fn g() -> i32 { sum!(1 2) + add!(1 1) }
        // To others, the library has a macro of its name and no module.
        mod near {
            use lib::lib;
            #[lib::prelude::named(h)] #[cfg_attr(test, inline)] #[cfg(test)]
            fn g() -> i32 { lib!() - lib::sum!(1) }
            #[test] fn test() { assert_eq!(h(), 0); }
        }
        #[test] fn test() { assert_eq!(7u8.ask() + S::ANSWER + f(), 8); }
    ";
    let folder = folder("re-exports", &[("lib.rs", root), ("lib/lib.rs", library)]);
    written(&folder, &["lib"]);
    let text = fs::read_to_string(folder.join("out/lib.rs")).unwrap();
    assert!(text.contains("use lib::{ Answer};"), "the trait is still imported: {text}");
    // The compiler evaluates an item's conditions before a macro sees it.
    assert!(text.contains("inline") && !text.contains("cfg"), "{text}");
    let bare = "#[macro_export] macro_rules! lib { () => { 1 } } pub mod prelude {} mod inner { pub trait Answer { fn ask(&self) -> i32; } \
        impl Answer for u8 { fn ask(&self) -> i32 { 1 } } } pub use inner::Answer;";
    fs::write(folder.join("bare.rs"), bare).unwrap();
    let mut rustc = Command::new("rustc");
    rustc.current_dir(&folder).args(["--crate-type=lib", "--crate-name=lib", "bare.rs"]);
    assert!(rustc.status().unwrap().success());
    passes(&folder, &["--extern", "lib=liblib.rlib"]);
}

#[test]
fn what_cannot_be_told() {
    let check = |root: &str, message: &str, help: &str| {
        let folder = folder("errors", &[("lib.rs", root)]);
        let error = expand(&folder, &[]).unwrap_err();
        let text = error.to_string();
        let place = format!("{}:", folder.join("lib.rs").display());
        assert!(
            text.starts_with(&place) && text.contains(message),
            "`{text}` does not say `{message}`"
        );
        assert!(error.help_text().unwrap_or_default().contains(help), "{error:?}");
    };
    check(
        "use unknown::Answer;\n\n#[derive(Answer)] struct S;\n",
        ":3:10: `Answer` may be a packed macro or come from unknown, which cannot be told",
        "--extern unknown=PATH/src/lib.rs",
    );
    check("use unknown::*;\nfn f() { sum!(1); }\n", ":2:10: `sum` may be", "--extern");
    check(
        "#[derive(Answer)] struct S;\n",
        ":1:10: `Answer` is imported from nowhere",
        "--extern-feature",
    );
    check(
        "use inc::sum;\nmod a { macro_rules! m { ($x:expr) => {} } }\nmod b { macro_rules! m { ($x:expr) => { $x } } }\nfn f() { m!(sum!(1)) }\n",
        ":4:13: the packed macro `sum` stands in the tokens of another macro",
        "",
    );
    check("use inc::sum;\nfn f() { m!(a, sum!(1)); }\n", ":2:16: the packed macro `sum`", "");
    // A path is no helper of a derive.
    check("mod m {}\n#[m::named(f)] fn g() {}\n", ":2:3: `named` is imported from nowhere", "");
    // A macro crate that cannot be packed matters where it is used.
    let odd = "is of odd 1.0.0, which cannot be packed: it is odd";
    check("#[odd::since(1)] fn g() {}\n", &format!(":1:3: `since` {odd}"), "in its place");
    check("use odd::Odd as O;\n#[derive(O)] struct S;\n", &format!(":2:10: `O` {odd}"), "");
    check(
        "#[macro_use] extern crate odd;\n#[derive(Answer)] struct S;\n",
        "`Answer` is imported",
        "",
    );
    check("mod none;\n", ":1:1: the module `none` has no file", "");
    check("#[cfg(version(\"1.0\"))] mod m {}\n", "the condition `version` cannot be told", "");
    check("fn f( {}\n", ":1:", "");
    check(
        "use inc::Answer;\n#[derive(Answer)]\nenum E {}\n",
        ":2:10: `Answer` panicked: no answer",
        "",
    );
    check(
        "use ints::reversed;\nreversed!(1);\n",
        ":2:1: the macro wrote what is not Rust here",
        "",
    );
    check(
        "use inc::sum;\nmacro_rules! sum { () => {} }\nfn f() { sum!(1); }\n",
        ":3:10: `sum` may be a packed macro or come from `macro_rules! sum`",
        "another name",
    );
    // Text is text, and a library that nobody asks for macros need not be known.
    let root = "use unknown::other;\nuse inc::sum;\nfn f() { other!(1); stringify!(sum!(1)); }\n";
    expand(&folder("text", &[("lib.rs", root)]), &[]).unwrap();
}

/// What `macro_rules!` writes is told by its rules: packed macros in them and in what they are given, items and
/// modules that they declare, of this crate and of others; their own names stay apart.
#[test]
fn macros_by_example() {
    let choose = "
        #[macro_export] macro_rules! choose {
            ($(if #[cfg($m:meta)] { $($t:tt)* }) else+) => { $crate::choose! { @each $( [$m] { $($t)* } )* } };
            (@each [$m:meta] { $($t:tt)* } $($rest:tt)*) => {
                #[cfg($m)] $crate::choose! { @same $($t)* }
                $crate::choose! { @each $($rest)* }
            };
            (@each) => {};
            (@same $($t:tt)*) => { $($t)* };
        }
    ";
    let root = "
        use inc::{sum, Answer};
        macro_rules! answers { ($($(#[$m:meta])* $name:ident = $n:literal),* $(,)?) => {
            $( #[derive(Answer)] #[answer($n)] $(#[$m])* pub struct $name; )*
        } }
        answers! { #[allow(dead_code)] A = 4, B = 5, }
        macro_rules! modules { ($($vis:vis $name:ident),*) => { $( $vis mod $name; )* } }
        modules!(pub one, two);
        choice::choose! {
            if #[cfg(test)] { mod three; } else if #[cfg(all())] { mod four { use crate::Answer; #[derive(Answer)] #[answer(1)] struct X; } }
        }
        macro_rules! twice { ($e:expr) => { { let x = 2; x * $e } } }
        macro_rules! outer { ($($t:tt)*) => { inner!($($t)* 1) } }
        macro_rules! inner { ($($t:tt)*) => { sum!($($t)*) } }
        include!(concat!(\"parts\", \"/named.rs\"));
        include!(\"parts/plain.rs\");
        macro_rules! untouched { ($e:expr) => { $e + 1 } }
        #[test] fn test() {
            let x = 10;
            assert_eq!(twice!(x + sum!(1 1)), 24);
            assert_eq!(outer!(5 5), 11);
            assert_eq!(A::ANSWER + B::ANSWER + one::ONE::ANSWER + two::two() + three::three(), 4 + 5 + 6 + 7 + 8);
            assert_eq!(untouched!(x) + Named::ANSWER + PLAIN, 11 + 9 + 1);
            assert_eq!(include!(\"parts/sum.rs\"), 3);
        }
    ";
    let files = [
        ("lib.rs", root),
        ("one.rs", "#[derive(crate::Answer)] #[answer(6)] pub struct ONE;"),
        ("two.rs", "pub fn two() -> i32 { inc::sum!(3 4) }"),
        ("three.rs", "pub fn three() -> i32 { use inc::sum as s; s!(8) }"),
        ("parts/named.rs", "/// Text.\n#[derive(Answer)] #[answer(9)] pub struct Named;"),
        ("parts/plain.rs", "pub const PLAIN: i32 = 1;"),
        ("parts/sum.rs", "sum!(1 2)"),
        ("choice/lib.rs", choose),
    ];
    let folder = folder("rules", &files);
    let whole = written(&folder, &["choice"]);
    assert_eq!(whole.files.len(), 4);
    let text = fs::read_to_string(folder.join("out/lib.rs")).unwrap();
    fs::create_dir(folder.join("out/parts")).unwrap();
    fs::copy(folder.join("parts/plain.rs"), folder.join("out/parts/plain.rs")).unwrap();
    assert!(text.contains("modules!(pub one, two);") && text.contains("untouched!(x)"), "{text}");
    let mut rustc = Command::new("rustc");
    rustc.current_dir(&folder).args(["--crate-type=lib", "--crate-name=choice", "choice/lib.rs"]);
    assert!(rustc.status().unwrap().success());
    passes(&folder, &["--extern", "choice=libchoice.rlib"]);
}

/// In a package, cargo says which crates there are, with which features.
#[test]
fn a_package() {
    let manifest = |name: &str, more: &str| {
        format!("[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    let dependencies = "[dependencies]\nlib = { path = \"lib\", features = [\"more\"] }\n\
        renamed = { package = \"macros\", path = \"macros-1.0.0\" }\n[workspace]\n\
        [features]\nextra = []\n";
    let root = "
        use lib::Answer;
        #[derive(Answer)] #[answer(2)] struct S;
        #[cfg_attr(feature = \"extra\", renamed::named(two))] fn one() -> i32 { renamed::sum!(1 1) }
        #[cfg(not(feature = \"extra\"))] pub fn all() -> i32 { S::ANSWER + one() }
        #[cfg(feature = \"extra\")] pub fn all() -> i32 { S::ANSWER + two() }
    ";
    let library = "#[cfg(feature = \"more\")] pub use macros::Answer;\n";
    let of_library = manifest(
        "lib",
        "[dependencies]\nmacros = { path = \"../macros-1.0.0\" }\n[features]\nmore = []\n",
    );
    let folder = folder(
        "package",
        &[
            ("Cargo.toml", &manifest("user", dependencies)),
            ("src/lib.rs", root),
            ("lib/Cargo.toml", &of_library),
            ("lib/src/lib.rs", library),
        ],
    );
    let options = precast::pack::ModuleOptions {
        name: "macros".into(),
        version: "1.0.0".into(),
        ..Default::default()
    };
    precast::pack::pack_module(&module("macros-c.wasm"), &options, &folder).unwrap();
    for (more, out) in [(&[][..], "plain"), (&["--features", "extra"][..], "extra")] {
        let mut expand = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
        expand.current_dir(&folder).args(["expand", "--crate", "src/lib.rs", "-o", out]).args(more);
        expand.env("PRECAST_CACHE_DIR", folder.join("cache"));
        let output = expand.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut rustc = Command::new("rustc");
        rustc.current_dir(&folder).args(["--edition=2021", "--crate-type=lib"]);
        rustc.arg(format!("{out}/lib.rs")).arg("--emit=metadata").arg("--out-dir=.");
        if !more.is_empty() {
            rustc.arg("--cfg=feature=\"extra\"");
        }
        assert!(rustc.status().unwrap().success(), "{out}");
    }
    assert!(fs::read_to_string(folder.join("extra/lib.rs")).unwrap().contains("fn two"));
}

/// Macros read what cargo tells the compiler: clap's `about` is the package's description.
#[cfg(unix)]
#[test]
fn variables_of_a_package() {
    use precast::project::sources::{self, Scripts, Wanted};
    let manifest = "[package]\nname = \"fully-described\"\nversion = \"1.2.3-rc.1\"\nedition = \"2021\"\n\
        authors = [\"A <a@b>\", \"C\"]\ndescription = \"Two\\nlines.\"\nhomepage = \"https://h\"\nrepository = \"https://r\"\n\
        license = \"MIT\"\nreadme = \"R.md\"\nrust-version = \"1.70\"\n[[bin]]\nname = \"pro-gram\"\npath = \"main.rs\"\n[workspace]\n";
    let wrapper =
        "#!/bin/sh\nif [ \"$CARGO_CRATE_NAME\" ]; then env -0 > variables; fi\nexec \"$@\"\n";
    let files =
        [("Cargo.toml", manifest), ("main.rs", "fn main() {}"), ("wrapper", wrapper), ("R.md", "")];
    let folder = folder("variables", &files);
    let run =
        |command: &mut Command| assert!(command.current_dir(&folder).status().unwrap().success());
    run(Command::new("chmod").args(["+x", "wrapper"]));
    run(Command::new("cargo")
        .args(["check", "--quiet"])
        .env("RUSTC_WRAPPER", folder.join("wrapper")));
    let told = fs::read(folder.join("variables")).unwrap();
    let told = String::from_utf8(told).unwrap();
    let is_of_package = |name: &str| {
        let starts = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_NAME",
            "CARGO_CRATE_NAME",
            "CARGO_PRIMARY_PACKAGE",
        ];
        starts.iter().any(|start| name.starts_with(start))
    };
    let told = told.split('\0').filter_map(|pair| pair.split_once('='));
    let told: BTreeMap<String, String> = told
        .filter(|(name, _)| is_of_package(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let store = precast::cache::Store::open(Some(&folder.join("cache"))).unwrap();
    let root = folder.join("main.rs");
    let package =
        sources::of(Wanted::Root(&root), &[], &store, &|_: &str| {}, &|_| Ok(Scripts::new()))
            .unwrap();
    let ours: BTreeMap<String, String> = package
        .variables
        .into_iter()
        .map(|(name, value)| (name, value.into_string().unwrap()))
        .collect();
    assert_eq!(ours, told);
}
