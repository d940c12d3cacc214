//! Names that are no plain identifiers, and what a package takes from its workspace.

use super::fixture::{cargo, directory, ok, precast, put, SCRIPT};

const WORKSPACE: &str = "\
[workspace]
members = [\"my-Lib\"]
resolver = \"2\"
[workspace.package]
version = \"3.1.4\"
edition = \"2018\"
license = \"MIT\"
[workspace.lints.rust]
unused = \"deny\"
";

const MANIFEST: &str = "\
[package]
name = \"my-Lib\"
version.workspace = true
edition.workspace = true
license.workspace = true
[lib]
name = \"renamed\"
path = \"src/root.rs\"
[features]
with-dash = []
\"plus+one\" = []
[lints]
workspace = true
";

const MACROS: &str = "\
use proc_macro::TokenStream;
#[proc_macro]
pub fn r#match(_: TokenStream) -> TokenStream {
    let features = (cfg!(feature = \"with-dash\"), cfg!(feature = \"plus+one\"));
    format!(\"({}, {:?})\", std::mem::size_of::<usize>(), features).parse().unwrap()
}
#[proc_macro_derive(Zero)]
pub fn r#gen(item: TokenStream) -> TokenStream {
    let name = item.into_iter().nth(2).unwrap();
    format!(\"impl {} {{ pub const ZERO: u8 = 0; }}\", name).parse().unwrap()
}
";

const LIBRARY: &str = "\
//! ```
//! assert_eq!(renamed::HERE, proc_macro::r#match!());
//! ```
pub use proc_macro::{r#match as said, Zero};
pub const HERE: (usize, (bool, bool)) = proc_macro::r#match!();
#[derive(Zero)]
pub struct r#type;
#[test]
fn heard() {
    println!(\"heard {:?} {}\", HERE, r#type::ZERO);
}
";

#[test]
fn keywords_capitals_and_inheritance() {
    let place = directory("names");
    let library = &format!("#![allow(non_camel_case_types)]\n{LIBRARY}");
    put(
        &place,
        &[
            ("Cargo.toml", WORKSPACE),
            ("my-Lib/Cargo.toml", MANIFEST),
            ("my-Lib/build.rs", "fn main() {}\n"),
            ("my-Lib/procmacro/lib.rs", MACROS),
            ("my-Lib/src/root.rs", library),
        ],
    );
    let check = |out: String, expected: &str| {
        assert!(out.contains(&format!("heard {expected} 0\n")), "{expected}: {out}");
        assert!(out.contains("src/root.rs - (line 2) ... ok"), "{out}");
    };
    let package = place.join("my-Lib");
    let features = ["--features", "plus+one", "--", "--nocapture"];
    let width = std::mem::size_of::<usize>();
    let (out, _) = ok(&mut precast(&package, &[&["test"], &features[..]].concat()));
    check(out, &format!("({width}, (false, true))"));
    put(&package, &[("build.rs", &SCRIPT.replace("proc-macro", "procmacro"))]);
    ok(&mut precast(&package, &["pack", "--proc-macro"]));
    ok(&mut precast(&package, &["verify", "procmacro/precast"]));
    let (out, _) = ok(&mut cargo(&place, &[&["test"], &features[..]].concat()));
    check(out, "(4, (false, true))");
    let (out, _) = ok(&mut cargo(&package, &["test", "--all-features", "--", "--nocapture"]));
    check(out, "(4, (true, true))");
}
