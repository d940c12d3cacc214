//! One package's consumer, built natively and with the shim, and what each source does on a side.

use super::mutants;
use super::package::{manifest, Package, RESOLVER};
use super::sources::{copy, Source};
use crate::corpus::compare::{canonical, shown};
use crate::corpus::record::{self, Record};
pub use crate::corpus::Side;
use crate::run::{cargo, clear, read, scratch, write, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Packages for which that is not enough are large programs in other clothes.
const BUILD_SECONDS: u64 = 200;
const TOO_LONG: &str = "it takes too long to build";
const PROGRAM_SECONDS: u64 = 20;
/// Of each source that compiles.
const MUTANTS: usize = 3;

pub struct Sides<'a> {
    package: &'a Package,
    pub folder: PathBuf,
    records: PathBuf,
    /// Which of the package's dependencies its consumer has: all, unless they do not build.
    dependencies: usize,
}

/// What one source did on one side.
pub struct Run {
    /// Empty where it does not compile.
    pub expanded: String,
    pub hygiene: String,
    pub diagnostics: String,
    /// What the compiler says of wrong uses.
    pub misuse: String,
    /// The program's, if there is one and it ended.
    pub output: String,
    /// What the compiler or the program wrote, with contents.
    pub files: String,
}

type Tree = BTreeMap<PathBuf, Vec<u8>>;

impl Sides<'_> {
    pub fn new(package: &Package) -> Result<Sides<'_>> {
        let folder = scratch("strangers").join("work").join(&package.name);
        clear(&folder)?;
        copy(package, &folder)?;
        write(&folder.join("consumer.rs"), "fn main() {}\n")?;
        let records = scratch("strangers").join("records");
        Ok(Sides { package, folder, records, dependencies: 1 })
    }

    /// Builds all that the sources need, and records how the compiler is called.
    pub fn build(&mut self, side: Side, shim: Option<&Path>) -> Result {
        match self.build_once(side, shim) {
            Err(why) if side == Side::Native && why != TOO_LONG => {
                self.dependencies = 0;
                self.build_once(side, shim).map_err(|e| format!("not built natively: {e}"))
            }
            result => result,
        }
    }

    fn build_once(&self, side: Side, shim: Option<&Path>) -> Result {
        let Package { name, edition, dependencies, .. } = self.package;
        let mut text = manifest("stranger", edition, &dependencies[self.dependencies]);
        text += "\n[[bin]]\nname = \"stranger\"\npath = \"consumer.rs\"\n";
        if let Some(shim) = shim {
            write!(text, "\n[patch.crates-io]\n{name:?} = {{ path = '{}' }}\n", shim.display())
                .expect("a string takes all");
        }
        write(&self.folder.join("Cargo.toml"), &text)?;
        let records = self.records.join(side.name());
        std::fs::create_dir_all(&records).map_err(|e| format!("{}: {e}", records.display()))?;
        let wrapper = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut build = cargo();
        build.current_dir(&self.folder).args(["build", "--quiet", "--target-dir"]);
        build.arg(scratch("strangers").join("target"));
        build.env("RUSTC_WORKSPACE_WRAPPER", wrapper).env(record::FOLDER, &records);
        build.env(RESOLVER.0, RESOLVER.1);
        let output = limited(build, BUILD_SECONDS)?.ok_or(TOO_LONG)?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let from = said.find("error").unwrap_or(0);
            return Err(said[from..].lines().take(12).collect::<Vec<_>>().join("\n"));
        }
        match side == Side::Shim && said.contains("was not used in the crate graph") {
            true => Err("cargo does not use the patch".into()),
            false => Ok(()),
        }
    }

    /// Expands, compiles and runs one source, and leaves the folder as it was.
    pub fn run(&self, side: Side, source: &Source) -> Result<Run> {
        let record = Record::load(&self.records.join(side.name()), "stranger")?;
        let before = tree(&self.folder);
        let own = self.package.features.iter().filter(|feature| !feature.contains('/'));
        let own: Vec<String> = own.map(|feature| format!("feature={feature:?}")).collect();
        let mut extra: Vec<&str> = own.iter().flat_map(|cfg| ["--cfg", cfg]).collect();
        extra.extend(source.is_test.then_some("--test"));
        let unpretty = |form: &str| -> Result<String> {
            let output = record.replay(&source.file, &[&extra[..], &[form]].concat())?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(if output.status.success() { text } else { String::new() })
        };
        let expanded = unpretty("-Zunpretty=expanded")?;
        let hygiene = match expanded.is_empty() {
            true => String::new(),
            false => canonical(&unpretty("-Zunpretty=expanded,hygiene")?),
        };
        let place = scratch("strangers").join("run");
        clear(&place)?;
        std::fs::create_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
        let program = scratch("strangers").join("program");
        let _ = std::fs::remove_file(&program);
        let to = program.to_string_lossy();
        let compiled = record.replay(&source.file, &[&extra[..], &["-o", &to]].concat())?;
        let (mut output, mut misuse) = (String::new(), String::new());
        if compiled.status.success() {
            misuse = self.misused(&record, source, &extra)?;
            let mut command = Command::new(&program);
            command.current_dir(&place).env("RUST_BACKTRACE", "0").env_remove("DISPLAY");
            if source.is_test {
                command.args(["--test-threads", "1"]);
            }
            // What does not end by itself, or cannot be started, says nothing of the macro.
            if let Ok(Some(ended)) = limited(command, PROGRAM_SECONDS) {
                let text = shown(&ended);
                let untimed = text.lines().filter(|line| !line.starts_with("test result"));
                let mut untimed: Vec<&str> = untimed.collect();
                // A program that prints a hash map has another order each time; that of what macros write is
                // compared above.
                untimed.sort_unstable();
                output = untimed.join("\n");
            }
        }
        let files = self.written(&before)? + &told(&tree(&place));
        let diagnostics = String::from_utf8_lossy(&compiled.stderr).into_owned();
        let diagnostics = without_hashes(&diagnostics);
        Ok(Run { expanded, hygiene, diagnostics, misuse, output, files })
    }

    fn misused(&self, record: &Record, source: &Source, extra: &[&str]) -> Result<String> {
        // Beside the source, for that may have modules.
        let file = source.file.with_file_name("mutant.rs");
        let made = scratch("strangers").join("mutant.rmeta");
        let made = made.to_string_lossy();
        let mut told = String::new();
        for mutant in mutants::of(&read(&source.file)?, MUTANTS) {
            write(&file, &mutant.text)?;
            let output =
                record.replay(&file, &[extra, &["--emit=metadata", "-o", &made]].concat())?;
            let text = without_hashes(&String::from_utf8_lossy(&output.stderr));
            told += &format!("== {}\n{text}", mutant.what);
        }
        let _ = std::fs::remove_file(&file);
        Ok(told)
    }

    /// What is not as it was before, which this makes it again.
    fn written(&self, before: &Tree) -> Result<String> {
        let after = tree(&self.folder);
        let is_new = |(path, body): &(&PathBuf, &Vec<u8>)| before.get(*path) != Some(body);
        let new: Tree = after.iter().filter(is_new).map(|(p, b)| (p.clone(), b.clone())).collect();
        for path in new.keys() {
            let result = match before.get(path) {
                Some(body) => std::fs::write(self.folder.join(path), body),
                None => std::fs::remove_file(self.folder.join(path)),
            };
            result.map_err(|e| format!("{}: {e}", path.display()))?;
        }
        Ok(told(&new))
    }
}

/// Names of crates with cargo's hash differ between the sides.
fn without_hashes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("target/debug/deps/") {
        let end =
            rest[at..].find(|c: char| c.is_whitespace() || c == '`').map_or(rest.len(), |n| at + n);
        let path = &rest[at..end];
        out += &rest[..at];
        out += path.rsplit_once('-').map_or(path, |(name, _)| name);
        rest = &rest[end..];
    }
    out + rest
}

fn tree(folder: &Path) -> Tree {
    let mut found = Tree::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(place) = todo.pop() {
        for entry in std::fs::read_dir(&place).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(path);
            } else if let Ok(body) = std::fs::read(&path) {
                let inside = path.strip_prefix(folder).unwrap_or(&path);
                found.insert(inside.to_owned(), body);
            }
        }
    }
    found
}

fn told(tree: &Tree) -> String {
    let lines = tree
        .iter()
        .map(|(path, body)| format!("{}: {}\n", path.display(), String::from_utf8_lossy(body)));
    lines.collect()
}

/// Runs to the end, or ends it after so many seconds.
pub fn limited(mut command: Command, seconds: u64) -> Result<Option<Output>> {
    let place = scratch("strangers");
    let (out, err) = (place.join("stdout"), place.join("stderr"));
    let create = |path: &Path| File::create(path).map_err(|e| format!("{}: {e}", path.display()));
    command.stdin(Stdio::null()).stdout(create(&out)?).stderr(create(&err)?);
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let start = Instant::now();
    let status: Option<ExitStatus> = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break Some(status);
        }
        if start.elapsed() > Duration::from_secs(seconds) {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let bytes = |path: &Path| std::fs::read(path).unwrap_or_default();
    Ok(status.map(|status| Output { status, stdout: bytes(&out), stderr: bytes(&err) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_libraries_are_left_out() {
        let text = "crate `a` in /x/target/debug/deps/liba-0123.so\nand `target/debug/deps/b-4`.";
        let told = "crate `a` in /x/target/debug/deps/liba\nand `target/debug/deps/b`.";
        assert_eq!(without_hashes(text), told);
    }

    #[test]
    fn endless_programs_end() {
        std::fs::create_dir_all(scratch("strangers")).unwrap();
        let mut endless = Command::new("sleep");
        endless.arg("60");
        assert!(limited(endless, 0).unwrap().is_none());
    }
}
