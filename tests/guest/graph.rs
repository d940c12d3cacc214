//! Several shims in one crate graph, two of them the same macro in two versions, with the compiler's
//! parallel front end: none sees another's state, and nothing depends on the order.

use super::{built, consumable, dylib, rustc, scratch, text};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Output;

/// A crate with 40 modules, each of which uses every macro library.
fn consumer() -> String {
    let mut source = String::new();
    for i in 0..40 {
        writeln!(source, "pub mod m{i} {{").unwrap();
        for library in ["one", "two", "portable"] {
            writeln!(
                source,
                "    pub mod {library} {{
                    #[derive({library}::Say)] #[say(x)] pub struct S{i}<'a>(&'a str, [u8; {i}]);
                    pub const COUNT: u32 = {library}::count!();
                    pub const MADE: &[&str] = &{library}::describe! {{ m{i} (a \"b\" {i}) {library} }};
                    pub mod inside {{ {library}::rebuild! {{ deep {{ pub fn f() -> u32 {{ {i} }} }} }} }}
                }}"
            )
            .unwrap();
        }
        source.push_str("}\n");
    }
    source + "fn main() {}\n"
}

fn compile(file: &Path, arguments: &[&str], libraries: [&Path; 3]) -> Output {
    let mut rustc = rustc();
    for (name, folder) in ["one", "two", "portable"].iter().zip(libraries) {
        rustc.arg("--extern").arg(format!("{name}={}", consumable(folder).display()));
    }
    rustc.args(["--edition", "2021"]).args(arguments).arg(file).output().unwrap()
}

#[test]
fn several_shims_and_threads() {
    let (second, folder) = (scratch("second"), scratch("graph"));
    let shim = scratch("out").join("guest-api-0.1.0/src/lib.rs");
    built();
    dylib(&shim, &second, &["-Cmetadata=two"]);
    let file = folder.join("consumer.rs");
    fs::write(&file, consumer()).unwrap();
    let libraries = [&*built().packed, &second, &built().portable];
    let expanded = "-Zunpretty=expanded";
    let one = compile(&file, &[expanded], libraries);
    assert!(one.status.success(), "{}", text(&one.stderr));
    // The state of each library is its own.
    assert_eq!(text(&one.stdout).matches("COUNT: u32 = 11;").count(), 3);
    for _ in 0..3 {
        let four = compile(&file, &["-Zthreads=4", expanded], libraries);
        assert_eq!(text(&four.stdout), text(&one.stdout));
    }
    let output = folder.join("output.rmeta");
    let arguments = ["-Zthreads=4", "--emit=metadata", "-o", output.to_str().unwrap()];
    let built = compile(&file, &arguments, libraries);
    assert!(built.status.success(), "{}", text(&built.stderr));
}
