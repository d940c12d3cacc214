//! Macros that name their library, as each consumer knows it.

use super::fixture::{cargo, edit, lone, ok, precast, put, SCRIPT};
use std::path::Path;

const MACROS: &str = "\
use proc_macro::{TokenStream, TokenTree};

/// With the library's path as its first token.
#[proc_macro]
pub fn make(input: TokenStream) -> TokenStream {
    let library: TokenTree = input.into_iter().next().unwrap();
    let path: TokenStream = \"::hidden::VALUE\".parse().unwrap();
    std::iter::once(library).chain(path).collect()
}

fn value() -> TokenStream {
    let usual = concat!(\"::\", env!(\"CARGO_PKG_NAME\"));
    let mut path = precast_macro::path_of_use().unwrap_or_else(|| usual.parse().unwrap());
    path.extend(\"::hidden::VALUE\".parse::<TokenStream>());
    path
}

#[proc_macro_derive(Make)]
pub fn derive(_: TokenStream) -> TokenStream {
    let mut all: TokenStream = \"const _: u32 =\".parse().unwrap();
    all.extend(value());
    all.extend(\";\".parse::<TokenStream>());
    all
}

#[proc_macro_attribute]
pub fn mark(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut all = derive(TokenStream::new());
    all.extend(item);
    all
}
";

const LIBRARY: &str = "\
extern crate self as own;
#[doc(hidden)]
pub use proc_macro::make as __make;
pub use proc_macro::{mark, Make};
#[doc(hidden)]
#[allow(non_snake_case)]
pub mod Make { pub use crate::hidden; }
#[doc(hidden)]
pub mod mark { pub use crate::hidden; }
#[macro_export]
macro_rules! make { ($($input:tt)*) => { $crate::__make!($crate $($input)*) }; }
#[macro_export]
macro_rules! declare { ($name:ident) => { #[derive($crate::Make)] struct $name; }; }
#[doc(hidden)]
pub mod hidden { pub const VALUE: u32 = 42; }
pub const OWN: u32 = make!();
#[derive(Make)]
pub struct S;
#[crate::mark]
pub struct T;
declare!(U);
";

const PROGRAM: &str = "\
#[derive(own::Make)]
struct S;
#[own::mark(of = [1])]
fn main() { println!(\"{} {}\", own::make!(), own::OWN); }
";

/// The library has another name here, and the macros too.
const USER: &str = "\
use renamed::{mark as noted, Make as Other, *};
#[derive(Clone, renamed::Make)]
struct A;
#[derive(Other)]
struct B;
#[noted]
struct C;
mod inner {
    #[derive(super::Make)]
    #[::renamed::mark]
    pub struct D;
}
fn main() { println!(\"{}\", renamed::make!()); }
";

#[test]
fn path_of_the_library() {
    let place = lone("path");
    let test = "#[derive(own::Make)]\nstruct S;\n#[test]\nfn t() { assert_eq!(own::make!(), own::OWN); }\n";
    let files = [
        ("build.rs", SCRIPT),
        ("proc-macro/lib.rs", MACROS),
        ("src/lib.rs", LIBRARY),
        ("src/main.rs", PROGRAM),
        ("examples/example.rs", PROGRAM),
        ("tests/integration.rs", test),
        ("benches/bench.rs", "fn main() {}\n"),
        (
            "user/Cargo.toml",
            "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n\
            [dependencies]\nrenamed = { package = \"own\", path = \"..\" }\n",
        ),
        ("user/src/main.rs", USER),
    ];
    put(&place, &files);
    let help = Path::new(env!("CARGO_MANIFEST_DIR")).join("precast-macro");
    let table = format!(
        "[package.metadata.precast.proc-macro.dependencies]\nprecast-macro = {{ path = {:?}, version = \"0.1\" }}\n",
        help.to_str().unwrap()
    );
    edit(&place.join("Cargo.toml"), "[workspace]", &format!("{table}[workspace]"));
    ok(&mut precast(&place, &["pack", "--proc-macro"]));
    ok(&mut cargo(&place, &["test"]));
    assert_eq!(ok(&mut cargo(&place, &["run", "--example", "example"])).0, "42 42\n");
    assert_eq!(ok(&mut cargo(&place.join("user"), &["run"])).0, "42\n");
    assert_eq!(ok(&mut precast(&place, &["run", "--from-source"])).0, "42 42\n");
    assert_eq!(ok(&mut precast(&place.join("user"), &["run", "--from-source"])).0, "42\n");
}
