//! The compiler's command line, taken apart as far as macros need it.

use crate::base::error::{Class, Error, Result};
use crate::embed::input::MANIFEST;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Our option, as the fork of rustc that loads such modules itself spells it.
const OPTION: &str = "--wasm-proc-macro";

/// Options with a value in the next word, if not behind `=`.
const WITH_VALUE: [&str; 27] = [
    "--allow",
    "--cap-lints",
    "--cfg",
    "--check-cfg",
    "--codegen",
    "--color",
    "--crate-name",
    "--crate-type",
    "--deny",
    "--diagnostic-width",
    "--edition",
    "--emit",
    "--env-set",
    "--error-format",
    "--explain",
    "--extern",
    "--forbid",
    "--force-warn",
    "--json",
    "--out-dir",
    "--print",
    "--remap-path-prefix",
    "--remap-path-scope",
    "--sysroot",
    "--target",
    "--warn",
    OPTION,
];
const SHORT_WITH_VALUE: &str = "LloCAWDFZ";

/// Questions that the compiler answers only by compiling.
const COMPILED: [&str; 2] = ["native-static-libs", "link-args"];

/// A word of the command line, or what stands for a macro.
#[derive(Clone, Debug)]
pub enum Word {
    Plain(OsString),
    /// `modifiers` are those of `--extern`, such as `priv:`.
    Macro {
        modifiers: String,
        name: String,
        at: usize,
    },
}

/// A macro that is to come from an artifact, a module or a shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub path: PathBuf,
}

#[derive(Debug, Default)]
pub struct Arguments {
    /// All words, as they were given.
    pub given: Vec<OsString>,
    /// A compiler before all arguments, as cargo gives it to a wrapper.
    pub program: Option<OsString>,
    /// `+nightly`
    pub toolchain: Option<OsString>,
    pub macros: Vec<Wanted>,
    /// The compiler is to compile nothing.
    pub is_question: bool,
    pub asks_for_help: bool,
    /// Messages are JSON.
    pub is_json: bool,
    pub crate_name: Option<String>,
    pub extra_filename: String,
    pub sysroot: Option<OsString>,
    pub target: Option<String>,
    /// `linker=…`, `linker-flavor=…`
    pub linker: Vec<String>,
    pub out_dir: Option<PathBuf>,
    pub output: Option<PathBuf>,
    /// Kinds of output, with the file that is named for it.
    pub emits: Vec<(String, Option<PathBuf>)>,
    pub input: Option<PathBuf>,
    /// The other crates that are linked to, with their files.
    pub externs: Vec<(String, Option<PathBuf>)>,
    /// Folders of crates.
    pub search: Vec<PathBuf>,
    words: Vec<Word>,
    /// What is wrong with our own options.
    errors: Vec<Error>,
}

impl Arguments {
    pub fn read(mut words: Vec<OsString>) -> Arguments {
        let mut found = Arguments::default();
        if words.first().is_some_and(|word| is_compiler(word)) {
            found.program = Some(words.remove(0));
        }
        found.given = words.clone();
        if words.first().is_some_and(|word| word.to_string_lossy().starts_with('+')) {
            found.toolchain = Some(words.remove(0));
        }
        let mut rest = expanded(words).into_iter();
        while let Some(word) = rest.next() {
            found.word(word, &mut rest);
        }
        found
    }

    /// The command line with a library for each macro; macros without one are left out.
    pub fn words<'a>(&self, library: impl Fn(usize) -> Option<&'a OsStr>) -> Vec<OsString> {
        let mut words: Vec<OsString> = self.toolchain.iter().cloned().collect();
        for word in &self.words {
            match word {
                Word::Plain(word) => words.push(word.clone()),
                Word::Macro { at, .. } => {
                    let file = library(*at);
                    words.extend(file.and_then(|file| as_extern(word, file)).into_iter().flatten());
                }
            }
        }
        words
    }

    /// Whether our own options make sense.
    pub fn check(&self) -> Result<()> {
        if let Some(error) = self.errors.first() {
            return Err(error.again());
        }
        for (at, Wanted { name, path }) in self.macros.iter().enumerate() {
            check_name(name)?;
            let is_other = |other: &Wanted| other.name == *name && other.path != *path;
            if self.macros[..at].iter().any(is_other)
                || self.externs.iter().any(|(other, file)| other == name && file.is_some())
            {
                let message = format!("the crate `{name}` is given twice, with different files");
                return Err(usage(message, "give one of them another name: `--extern OTHER=PATH`"));
            }
            if !path.exists() {
                let message = format!("`{name}`: there is no {}", path.display());
                return Err(usage(message, "`cargo precast pack` makes .precast files"));
            }
        }
        Ok(())
    }

    fn word(&mut self, word: OsString, rest: &mut std::vec::IntoIter<OsString>) {
        let Some(text) = word.to_str().map(str::to_owned) else {
            return self.words.push(Word::Plain(word));
        };
        if text == "--" {
            self.input = rest.as_slice().first().map(PathBuf::from).or(self.input.take());
            self.words.push(Word::Plain(word));
            self.words.extend(rest.map(Word::Plain));
        } else if let Some((name, value)) = text.split_once('=').filter(|_| text.starts_with("--"))
        {
            self.option(name, value, vec![word.clone()]);
        } else if WITH_VALUE.contains(&&*text) {
            self.with_value(&text, word, rest);
        } else if text.starts_with("--") {
            self.option(&text, "", vec![word]);
        } else if text.len() > 1 && text.starts_with('-') {
            let at = text[1..].find(|c| SHORT_WITH_VALUE.contains(c)).map(|at| at + 1);
            let flags = &text[1..at.unwrap_or(text.len())];
            flags.chars().for_each(|flag| self.flag(flag));
            match at {
                // The value is the rest of the word, or the next one.
                Some(at) if at + 1 < text.len() => {
                    self.option(&format!("-{}", &text[at..at + 1]), &text[at + 1..], vec![word])
                }
                Some(at) => self.with_value(&format!("-{}", &text[at..]), word, rest),
                None => self.words.push(Word::Plain(word)),
            }
        } else {
            self.input = Some(PathBuf::from(&word));
            self.words.push(Word::Plain(word));
        }
    }

    fn with_value(&mut self, name: &str, word: OsString, rest: &mut std::vec::IntoIter<OsString>) {
        let Some(value) = rest.next() else {
            if name == OPTION {
                self.errors.push(no_path(""));
                return;
            }
            // The compiler says what is missing.
            return self.words.push(Word::Plain(word));
        };
        match value.to_str().map(str::to_owned) {
            Some(text) => self.option(name, &text, vec![word, value]),
            None => self.words.extend([word, value].map(Word::Plain)),
        }
    }

    fn flag(&mut self, flag: char) {
        self.is_question |= flag == 'V' || flag == 'h';
        self.asks_for_help |= flag == 'h';
    }

    /// Takes in an option, which the command line spells in these words.
    fn option(&mut self, name: &str, value: &str, words: Vec<OsString>) {
        let path = || PathBuf::from(value);
        match name {
            OPTION => return self.own(value),
            "--extern" if self.foreign(value) => return,
            "--help" => (self.is_question, self.asks_for_help) = (true, true),
            "--version" | "--explain" => self.is_question = true,
            "--print" => {
                let kind = value.split('=').next().unwrap_or(value);
                self.is_question |= !COMPILED.contains(&kind);
            }
            "--error-format" => self.is_json = value == "json",
            "--crate-name" => self.crate_name = Some(value.to_owned()),
            "--sysroot" => self.sysroot = Some(value.into()),
            "--target" => self.target = Some(value.to_owned()),
            "--out-dir" => self.out_dir = Some(path()),
            "-o" => self.output = Some(path()),
            "--emit" => {
                self.emits.extend(value.split(',').map(|kind| match kind.split_once('=') {
                    Some((kind, file)) => (kind.to_owned(), Some(PathBuf::from(file))),
                    None => (kind.to_owned(), None),
                }))
            }
            "-C" | "--codegen" => match value.split_once('=') {
                Some(("extra-filename", text)) => self.extra_filename = text.to_owned(),
                Some(("linker" | "linker-flavor", _)) => self.linker.push(value.to_owned()),
                _ => {}
            },
            "-L" => match value.split_once('=') {
                Some(("native" | "framework" | "dependency", _)) => {}
                Some(("crate" | "all", folder)) => self.search.push(folder.into()),
                _ => self.search.push(path()),
            },
            _ => {}
        }
        self.words.extend(words.into_iter().map(Word::Plain));
    }

    /// `--wasm-proc-macro NAME=PATH`
    fn own(&mut self, value: &str) {
        match value.split_once('=') {
            Some((name, path)) if !path.is_empty() => self.wanted("", name, path),
            _ => self.errors.push(no_path(value)),
        }
    }

    /// Takes in an `--extern`; whether it names a macro of ours.
    fn foreign(&mut self, value: &str) -> bool {
        let (left, path) = match value.split_once('=') {
            Some((left, path)) => (left, Some(path)),
            None => (value, None),
        };
        let (modifiers, name) = match left.rfind(':') {
            Some(at) => left.split_at(at + 1),
            None => ("", left),
        };
        match path {
            Some(path) if is_ours(Path::new(path)) => {
                self.wanted(modifiers, name, path);
                true
            }
            path => {
                self.externs.push((name.to_owned(), path.map(PathBuf::from)));
                false
            }
        }
    }

    fn wanted(&mut self, modifiers: &str, name: &str, path: &str) {
        let wanted = Wanted { name: name.to_owned(), path: path.into() };
        let (modifiers, name) = (modifiers.to_owned(), name.to_owned());
        let at = self.macros.iter().position(|other| *other == wanted);
        let at = at.unwrap_or_else(|| {
            self.macros.push(wanted);
            self.macros.len() - 1
        });
        self.words.push(Word::Macro { modifiers, name, at });
    }
}

/// What the compiler is given for a word of ours: an option and its value.
fn as_extern(word: &Word, file: &OsStr) -> Option<[OsString; 2]> {
    let Word::Macro { modifiers, name, .. } = word else { return None };
    let mut value = OsString::from(format!("{modifiers}{name}="));
    value.push(file);
    Some(["--extern".into(), value])
}

/// As cargo and others start a wrapper: the compiler comes first.
fn is_compiler(word: &OsStr) -> bool {
    let stem = Path::new(word).file_stem().and_then(OsStr::to_str);
    matches!(stem, Some("rustc" | "clippy-driver"))
        && Path::new(word).extension() != Some("rs".as_ref())
}

fn is_ours(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    matches!(ending, Some("wasm" | "precast")) || path.join(MANIFEST).is_file()
}

/// The words with those of argument files, one a line. A file that cannot be read is left to the
/// compiler, which says so.
fn expanded(words: Vec<OsString>) -> Vec<OsString> {
    let read = |word: &OsString| -> Option<Vec<OsString>> {
        let text = std::fs::read_to_string(word.to_str()?.strip_prefix('@')?).ok()?;
        Some(text.lines().map(OsString::from).collect())
    };
    words.into_iter().flat_map(|word| read(&word).unwrap_or_else(|| vec![word])).collect()
}

fn check_name(name: &str) -> Result<()> {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain && syn::parse_str::<syn::Ident>(name).is_ok() {
        return Ok(());
    }
    let other: String = name.replace('-', "_");
    let help = match syn::parse_str::<syn::Ident>(&other).is_ok() && other.is_ascii() {
        true => format!("write `{other}`"),
        false => "write a name as in `use NAME::Macro`".to_owned(),
    };
    Err(usage(format!("`{name}` is no name of a crate"), help))
}

fn no_path(value: &str) -> Error {
    usage(format!("`{OPTION} {value}` names no file"), format!("write `{OPTION} NAME=PATH`"))
}

fn usage(message: impl Into<String>, help: impl Into<String>) -> Error {
    Error::new(Class::Usage, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Arguments {
        Arguments::read(line.split_whitespace().map(OsString::from).collect())
    }

    fn shown(arguments: &Arguments) -> String {
        let words = arguments.words(|_| Some(OsStr::new("LIB")));
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ours_among_the_compilers() {
        let found = read(
            "+nightly --wasm-proc-macro a=x.precast --extern noprelude:b=y.wasm -Ldeps \
            --extern c=libc.rlib -C linker=cc -gO --wasm-proc-macro=d=z -o out m.rs --extern e",
        );
        assert_eq!(
            shown(&found),
            "+nightly --extern a=LIB --extern noprelude:b=LIB -Ldeps --extern c=libc.rlib -C linker=cc \
             -gO --extern d=LIB -o out m.rs --extern e"
        );
        let names: Vec<&str> = found.macros.iter().map(|wanted| wanted.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d"]);
        assert_eq!(found.externs.len(), 2);
        assert_eq!(found.linker, ["linker=cc"]);
        assert_eq!(found.input.as_deref(), Some(Path::new("m.rs")));
        assert!(!found.is_question);
    }

    #[test]
    fn values_are_no_options() {
        for line in
            ["-o --wasm-proc-macro m.rs", "--cfg --extern -- a=x.wasm", "--crate-name -V m.rs"]
        {
            let found = read(line);
            assert!(found.macros.is_empty() && !found.is_question, "{line}");
            assert_eq!(shown(&found), line);
        }
    }

    #[test]
    fn questions() {
        for line in ["-vV", "--version", "--print cfg", "--print=file-names m.rs", "-h"] {
            assert!(read(line).is_question, "{line}");
        }
        assert!(!read("--print native-static-libs m.rs").is_question);
        assert!(read("/usr/bin/rustc -vV").program.is_some());
        assert!(read("rustc.rs").program.is_none());
    }

    #[test]
    fn what_is_wrong() {
        for (line, message) in [
            ("--wasm-proc-macro a", "`--wasm-proc-macro a` names no file"),
            ("--wasm-proc-macro", "`--wasm-proc-macro ` names no file"),
            ("--wasm-proc-macro a-b=Cargo.toml", "`a-b` is no name of a crate"),
            ("--wasm-proc-macro fn=Cargo.toml", "`fn` is no name of a crate"),
            ("--wasm-proc-macro ü=Cargo.toml", "`ü` is no name of a crate"),
            ("--wasm-proc-macro a=none", "`a`: there is no none"),
            (
                "--wasm-proc-macro a=Cargo.toml --extern a=README.md",
                "the crate `a` is given twice, with different files",
            ),
        ] {
            assert_eq!(read(line).check().unwrap_err().to_string(), message, "{line}");
        }
        read("--wasm-proc-macro a=Cargo.toml --wasm-proc-macro a=Cargo.toml").check().unwrap();
    }
}
