//! One call of the compiler, as cargo makes it.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Options of the compiler that decide nothing about its output.
const TALK: [&str; 4] = ["--error-format", "--json", "--diagnostic-width", "--color"];

/// Options that are the same wherever they are given.
const PLAIN: [&str; 9] = [
    "--crate-name",
    "--edition",
    "--cfg",
    "--check-cfg",
    "--cap-lints",
    "--warn",
    "--allow",
    "--deny",
    "--forbid",
];

/// The same of `-C`. Not among them: what names files (`profile-use`) or this processor
/// (`target-cpu=native`).
const CODEGEN: [&str; 15] = [
    "codegen-units",
    "debug-assertions",
    "embed-bitcode",
    "extra-filename",
    "link-arg",
    "link-args",
    "linker",
    "linker-features",
    "linker-plugin-lto",
    "metadata",
    "opt-level",
    "overflow-checks",
    "panic",
    "prefer-dynamic",
    "strip",
];

/// A crate that cargo has compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The compiler, behind the wrappers that cargo puts before it.
    pub programs: Vec<String>,
    pub args: Vec<String>,
    pub crate_name: String,
    pub crate_types: Vec<String>,
    /// `dep-info`, `metadata`, `link`
    pub emits: Vec<String>,
    /// The crate's dependencies: its name for each, and the file.
    pub externs: Vec<(String, PathBuf)>,
    /// As cargo enabled them.
    pub features: Vec<String>,
    pub out: PathBuf,
    /// `-0123456789abcdef`
    pub extra_filename: String,
    /// Index of the crate's root file among the arguments.
    pub root: usize,
    pub opt_level: String,
    pub debuginfo: String,
    /// The compiler is to keep its work in a directory.
    pub is_incremental: bool,
    /// `--target`
    pub is_for_target: bool,
    /// Cargo wants to hear of each file that is written.
    pub tells_artifacts: bool,
    /// Its files have names of cargo's: none of a build script's own attempts, and neither a dynamic library
    /// of a member.
    pub is_named: bool,
    /// The arguments that decide what is written. None if one is among them of which that is not known.
    pub plain: Option<Vec<String>>,
}

impl Invocation {
    /// None for all that is not the compilation of a crate into a directory of cargo's: questions, and
    /// what build scripts try out.
    pub fn of(words: &[OsString]) -> Option<Invocation> {
        let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
        let words = words?;
        let start = words.iter().position(|word| word.starts_with('-'))?;
        if words[start] != "--crate-name" {
            return None;
        }
        let (programs, args) = words.split_at(start);
        let owned = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
        let mut found = Invocation {
            programs: owned(programs),
            args: owned(args),
            opt_level: "0".into(),
            debuginfo: "0".into(),
            ..Invocation::default()
        };
        let (mut root, mut plain) = (None, Some(Vec::new()));
        let mut rest = args.iter().enumerate();
        while let Some((at, word)) = rest.next() {
            if !word.starts_with('-') {
                root = Some(at);
                continue;
            }
            let (name, value) = match word.split_once('=').filter(|_| word.starts_with("--")) {
                Some(parts) => parts,
                None if is_flag(word) => (*word, ""),
                None if word.starts_with("--") || word.len() == 2 => (*word, *rest.next()?.1),
                None => word.split_at(2),
            };
            let is_plain = found.option(name, value);
            match (&mut plain, is_plain) {
                (Some(plain), Some(true)) => plain.push(format!("{name} {value}")),
                (_, Some(false)) => {}
                (_, Some(true)) => {}
                (_, None) => plain = None,
            }
        }
        found.root = root?;
        found.plain = plain;
        found.is_named = !found.extra_filename.is_empty();
        (found.out.components().count() > 0).then_some(found)
    }

    /// Takes in an option. Whether it decides about the output: true, false, or not known.
    fn option(&mut self, name: &str, value: &str) -> Option<bool> {
        match name {
            "--crate-name" => self.crate_name = value.to_owned(),
            "--crate-type" => self.crate_types.push(value.to_owned()),
            "--emit" => self.emits.extend(value.split(',').map(str::to_owned)),
            "--out-dir" => {
                self.out = PathBuf::from(value);
                return Some(false);
            }
            "--extern" => {
                if let Some((name, file)) = value.split_once('=') {
                    let name = name.rsplit(':').next().unwrap_or(name);
                    self.externs.push((name.to_owned(), PathBuf::from(file)));
                }
                return Some(false);
            }
            "--cfg" => {
                let feature = value.strip_prefix("feature=\"").and_then(|f| f.strip_suffix('"'));
                self.features.extend(feature.map(str::to_owned));
            }
            "--target" => {
                self.is_for_target = true;
                return None;
            }
            "--json" => {
                self.tells_artifacts |= value.split(',').any(|kind| kind == "artifacts");
                return Some(false);
            }
            "-L" => return value.starts_with("dependency=").then_some(false),
            "-C" | "--codegen" => return self.codegen(value),
            _ if TALK.contains(&name) => return Some(false),
            _ => return PLAIN.contains(&name).then_some(true),
        }
        Some(true)
    }

    fn codegen(&mut self, setting: &str) -> Option<bool> {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        match name {
            "extra-filename" => self.extra_filename = value.to_owned(),
            "opt-level" => self.opt_level = value.to_owned(),
            "debuginfo" => {
                self.debuginfo = value.to_owned();
                // What is for debuggers names files.
                return matches!(value, "0" | "none").then_some(true);
            }
            "split-debuginfo" => return Some(true),
            "incremental" => {
                self.is_incremental = true;
                return Some(false);
            }
            _ => {}
        }
        CODEGEN.contains(&name).then_some(true)
    }

    pub fn is(&self, crate_type: &str) -> bool {
        self.crate_types.iter().any(|found| found == crate_type)
    }

    pub fn emits(&self, kind: &str) -> bool {
        self.emits.iter().any(|found| found == kind)
    }

    pub fn has_cfg(&self, cfg: &str) -> bool {
        self.args.windows(2).any(|pair| pair[0] == "--cfg" && pair[1] == cfg)
    }

    /// The crate's root file.
    pub fn source(&self) -> &Path {
        Path::new(&self.args[self.root])
    }

    /// `syn-0123456789abcdef`
    pub fn stem(&self) -> String {
        format!("{}{}", self.crate_name, self.extra_filename)
    }

    pub fn dep_info(&self) -> PathBuf {
        self.out.join(format!("{}.d", self.stem()))
    }

    /// The file that others link to or load. None for what else the compiler can make.
    pub fn library(&self) -> Option<PathBuf> {
        use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
        let name = match () {
            () if self.crate_types == ["proc-macro"] => {
                format!("{DLL_PREFIX}{}{DLL_SUFFIX}", self.stem())
            }
            () if self.is_library() => format!("lib{}.rlib", self.stem()),
            () => return None,
        };
        Some(self.out.join(name))
    }

    /// It makes nothing but what Rust crates link to.
    pub fn is_library(&self) -> bool {
        !self.crate_types.is_empty()
            && self.crate_types.iter().all(|ty| ty == "lib" || ty == "rlib")
    }

    /// Files that the compiler would write, with what it says that each is.
    pub fn outputs(&self) -> Vec<(&'static str, PathBuf)> {
        let mut outputs = Vec::new();
        if self.emits("dep-info") {
            outputs.push(("dep-info", self.dep_info()));
        }
        if self.emits("metadata") {
            outputs.push(("metadata", self.out.join(format!("lib{}.rmeta", self.stem()))));
        }
        if let Some(library) = self.library().filter(|_| self.emits("link")) {
            outputs.push(("link", library));
        }
        outputs
    }

    /// The same, but for the directory of its files.
    pub fn at(&self, out: &Path) -> Invocation {
        let text = out.to_string_lossy().into_owned();
        let mut found = self.clone();
        let at = found.args.iter().position(|word| word == "--out-dir").map(|at| at + 1);
        match at {
            Some(at) => found.args[at] = text,
            None => {
                for word in &mut found.args {
                    if word.starts_with("--out-dir=") {
                        *word = format!("--out-dir={text}");
                    }
                }
            }
        }
        found.out = out.to_owned();
        found
    }
}

/// The words of a command line, with those from a file that cargo writes where they are too many for the
/// system. None if there is no such file.
pub fn expanded(words: &[OsString]) -> Option<Vec<OsString>> {
    let is_file = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with('@'));
    if !words.iter().any(is_file) {
        return None;
    }
    let mut found = Vec::new();
    for word in words {
        match word.to_str().and_then(|word| word.strip_prefix('@')) {
            Some(file) => {
                found.extend(std::fs::read_to_string(file).ok()?.lines().map(OsString::from))
            }
            None => found.push(word.clone()),
        }
    }
    Some(found)
}

/// Runs a compiler to its end. Arguments that are too many for the system go through a file, as cargo does
/// it.
pub fn output(
    args: &[String],
    start: impl Fn(&[String]) -> std::process::Command,
) -> std::io::Result<Output> {
    /// `E2BIG`, and `ERROR_FILENAME_EXCED_RANGE` of Windows.
    const TOO_LONG: i32 = if cfg!(windows) { 206 } else { 7 };
    match start(args).output() {
        Err(error) if error.raw_os_error() == Some(TOO_LONG) => {}
        other => return other,
    }
    let mut file = tempfile::Builder::new().prefix("precast-arguments-").tempfile()?;
    file.write_all((args.join("\n") + "\n").as_bytes())?;
    start(&[format!("@{}", file.path().display())]).output()
}

/// Options without a value, also where the next word could be one.
fn is_flag(word: &str) -> bool {
    matches!(word, "--test" | "-g" | "-O" | "--verbose" | "-v")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGS: &str = "wrapper /bin/rustc --crate-name m --edition=2021 /r/m-1.0.0/src/lib.rs \
        --error-format=json --json=diagnostic-rendered-ansi,artifacts --crate-type proc-macro \
        --emit=dep-info,link -C prefer-dynamic -Cembed-bitcode=no --cfg feature=\"a\" \
        --check-cfg cfg(docsrs,test) -C metadata=1 -C extra-filename=-1 --out-dir OUT \
        -L dependency=OUT --extern priv:syn=OUT/libsyn-2.rmeta --extern proc_macro --cap-lints allow";

    fn check(change: impl Fn(String) -> String) -> Option<Invocation> {
        let out = tempfile::tempdir().unwrap();
        let text = change(ARGS.to_owned()).replace("OUT", out.path().to_str().unwrap());
        let words: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        Invocation::of(&words)
    }

    #[test]
    fn cargos_own_calls() {
        let found = check(|args| args).unwrap();
        assert_eq!(found.programs, ["wrapper", "/bin/rustc"]);
        assert_eq!(found.stem(), "m-1");
        assert_eq!(found.features, ["a"]);
        assert!(found.externs.len() == 1 && found.externs[0].0 == "syn");
        assert!(found.tells_artifacts && found.emits("link") && found.is("proc-macro"));
        let kinds: Vec<&str> = found.outputs().iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, ["dep-info", "link"]);
        assert_eq!(found.source(), Path::new("/r/m-1.0.0/src/lib.rs"));
        let plain = found.plain.unwrap();
        let start = ["--crate-name m", "--edition 2021", "--crate-type proc-macro"];
        assert_eq!(&plain[..3], start);
        // What decides nothing about the output is not looked at.
        let same = check(|args| args + " --diagnostic-width=80 -L dependency=/other").unwrap();
        assert_eq!(same.plain.unwrap(), plain);
    }

    #[test]
    fn what_decides_is_known() {
        for more in ["-C target-cpu=native", "-Zx", "-L /x", "-Cdebuginfo=2"] {
            assert!(check(|args| format!("{args} {more}")).unwrap().plain.is_none(), "{more}");
        }
        assert!(check(|args| args + " --cfg more").unwrap().plain.unwrap().len() > 5);
    }

    #[test]
    fn all_else_is_the_compilers() {
        assert!(check(|args| args.replace("--crate-name m", "-vV")).is_none());
        assert!(!check(|args| args.replace("-C extra-filename=-1", "")).unwrap().is_named);
        assert!(check(|args| args.replace("--out-dir OUT", "")).is_none());
        let tests = check(|args| args.replace("--crate-type proc-macro", "--test")).unwrap();
        assert!(!tests.is_library() && tests.library().is_none());
    }
}
