//! The list of files that a crate depends on: the macros' files belong to it, and the compiler does
//! not know them.

use super::arguments::Arguments;
use super::compiler::Compiler;
use crate::base::error::{Context, Result};
use crate::base::scratch;
use crate::pack::wrapper::escaped;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where the compiler writes the list.
enum Place {
    Nowhere,
    Output,
    /// The first of these files that is there.
    Files(Vec<PathBuf>),
}

/// Runs the compiler, and adds the inputs to the list that it writes.
pub fn run(
    compiler: &Compiler,
    arguments: &Arguments,
    words: Vec<OsString>,
    inputs: Vec<PathBuf>,
) -> Result<i32> {
    match place(arguments) {
        Place::Nowhere => compiler.become_it(&words),
        Place::Output => {
            let (code, written) = compiler.wait(&words, true)?;
            let written = String::from_utf8_lossy(&written);
            let text = if code == 0 { with(&written, &inputs) } else { written.into_owned() };
            std::io::stdout()
                .write_all(text.as_bytes())
                .context("cannot write to standard output")?;
            Ok(code)
        }
        Place::Files(files) => {
            let code = compiler.run(&words)?;
            if code == 0 {
                if let Some(file) = files.iter().find(|file| file.is_file()) {
                    let text = std::fs::read_to_string(file).at("read", file)?;
                    scratch::replace(file, with(&text, &inputs).as_bytes())?;
                }
            }
            Ok(code)
        }
    }
}

/// As the compiler decides it.
fn place(arguments: &Arguments) -> Place {
    let mut named = arguments.emits.iter().filter(|(kind, _)| kind == "dep-info").peekable();
    if named.peek().is_none() {
        return Place::Nowhere;
    }
    if let Some(file) = named.find_map(|(_, file)| file.clone()) {
        return match file.as_os_str() == "-" {
            true => Place::Output,
            false => Place::Files(vec![file]),
        };
    }
    let mut unnamed: Vec<&str> = arguments
        .emits
        .iter()
        .filter(|(_, file)| file.is_none())
        .map(|(kind, _)| &**kind)
        .collect();
    unnamed.sort_unstable();
    unnamed.dedup();
    match &arguments.output {
        Some(output) if output.as_os_str() == "-" => Place::Output,
        Some(output) if unnamed.len() == 1 => Place::Files(vec![output.clone()]),
        // Some compilers take the dot in `a.b.so` for the beginning of an ending, and some do not.
        Some(output) => Place::Files(vec![
            output.with_extension("d"),
            output.with_extension("").with_extension("d"),
        ]),
        None => {
            let folder = arguments.out_dir.clone().unwrap_or_default();
            let file = |stem: &str| folder.join(format!("{stem}{}.d", arguments.extra_filename));
            let root = arguments.input.as_deref().and_then(Path::file_stem);
            let stem = match root.and_then(|stem| stem.to_str()) {
                None | Some("-") => "rust_out",
                Some(stem) => stem,
            };
            match &arguments.crate_name {
                Some(name) => Place::Files(vec![file(name)]),
                None => {
                    let mut files: Vec<PathBuf> =
                        named_inside(arguments).iter().map(|name| file(name)).collect();
                    files.push(file(stem));
                    Place::Files(files)
                }
            }
        }
    }
}

/// The name that a crate gives itself: `#![crate_name = "name"]`.
fn named_inside(arguments: &Arguments) -> Option<String> {
    let text = std::fs::read_to_string(arguments.input.as_deref()?).ok()?;
    let rest = text.split("crate_name").nth(1).filter(|_| text.contains("#!["))?;
    let name = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
    Some(name.split('"').next()?.to_owned())
}

/// The list with more files: each rule names them, and each has a rule of its own, as the compiler writes it.
fn with(list: &str, inputs: &[PathBuf]) -> String {
    let names: Vec<String> = inputs.iter().map(|file| escaped(&file.to_string_lossy())).collect();
    let mut out = String::new();
    let mut has_rules = false;
    for line in list.split_inclusive('\n') {
        let text = line.trim_end();
        let is_rule = !text.starts_with('#') && text.contains(": ");
        has_rules |= is_rule;
        match is_rule {
            true => out += &format!("{text} {}\n", names.join(" ")),
            false => out += line,
        }
    }
    if has_rules {
        // Before the variables, which come last.
        let rules: String = names.iter().map(|name| format!("{name}:\n\n")).collect();
        let at = out.find("# env-dep:").unwrap_or(out.len());
        let gap = if out[..at].ends_with("\n\n") { "" } else { "\n" };
        out.insert_str(at, &format!("{gap}{}", rules.strip_suffix('\n').unwrap_or(&rules)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_the_macros() {
        let list = "out/a.d: src/a.rs src/b\\ c.rs\n\nout/a: src/a.rs src/b\\ c.rs\n\nsrc/a.rs:\nsrc/b\\ c.rs:\n";
        let inputs = [PathBuf::from("x y.precast")];
        let expected = "out/a.d: src/a.rs src/b\\ c.rs x\\ y.precast\n\n\
            out/a: src/a.rs src/b\\ c.rs x\\ y.precast\n\nsrc/a.rs:\nsrc/b\\ c.rs:\n\nx\\ y.precast:\n";
        assert_eq!(with(list, &inputs), expected);
        assert_eq!(with("", &inputs), "");
        let list = "a: b.rs\n\nb.rs:\n\n# env-dep:HOME=/: x\n";
        let expected = "a: b.rs x\\ y.precast\n\nb.rs:\n\nx\\ y.precast:\n# env-dep:HOME=/: x\n";
        assert_eq!(with(list, &inputs), expected);
    }

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        let words = line.split_whitespace().map(OsString::from).collect();
        let found = match place(&Arguments::read(words)) {
            Place::Nowhere => None,
            Place::Output => Some("-".to_owned()),
            Place::Files(files) => files.first().map(|file| file.display().to_string()),
        };
        assert_eq!(found.as_deref(), expected, "{line}");
    }

    #[test]
    fn where_it_is_written() {
        check("a.rs", None);
        check("--emit=link a.rs", None);
        check("--emit dep-info,link src/a-b.rs", Some("a-b.d"));
        check("--emit dep-info,link --out-dir o -C extra-filename=-1 a.rs", Some("o/a-1.d"));
        check("--emit dep-info --crate-name n a.rs --out-dir o", Some("o/n.d"));
        check("--emit dep-info,link -o o/b.x a.rs", Some("o/b.d"));
        check("--emit dep-info -o o/b.x a.rs", Some("o/b.x"));
        check("--emit link --emit dep-info=c.d,metadata -o o/b.x a.rs", Some("c.d"));
        check("--emit dep-info=-,link a.rs", Some("-"));
        check("--emit dep-info -", Some("rust_out.d"));
    }
}
