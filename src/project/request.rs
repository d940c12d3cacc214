//! The packages and features that a cargo command line selects.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Options with a value that `cargo metadata` knows, too.
const EVERYWHERE: [&str; 4] = ["--manifest-path", "--config", "-Z", "--lockfile-path"];
/// The same without a value.
const FLAGS_EVERYWHERE: [&str; 3] = ["--locked", "--offline", "--frozen"];
/// Options with a value that choose packages, features and platforms.
const CHOICE: [&str; 6] = ["-p", "--package", "--exclude", "-F", "--features", "--target"];
/// The same without a value.
const FLAGS_OF_CHOICE: [&str; 4] =
    ["--workspace", "--all", "--all-features", "--no-default-features"];
/// Other options with a value, which must not be taken for arguments.
const VALUED: [&str; 7] =
    ["-j", "--jobs", "--message-format", "--color", "--target-dir", "--artifact-dir", "--out-dir"];
/// Options that choose targets and profiles, with their values.
const TARGETS: [&str; 5] = ["--bin", "--example", "--test", "--bench", "--profile"];
/// The same without a value.
const FLAGS_OF_TARGETS: [&str; 10] = [
    "--lib",
    "--bins",
    "--examples",
    "--tests",
    "--benches",
    "--all-targets",
    "--doc",
    "--release",
    "-r",
    "--no-deps",
];
/// Our own options with a value.
const OWN: [&str; 3] = ["--only", "--except", "--missing"];
/// Commands whose unit graph cargo prints, and what is built for some others.
const PRINTED: [(&str, &str); 11] = [
    ("build", "build"),
    ("check", "check"),
    ("test", "test"),
    ("run", "build"),
    ("bench", "bench"),
    ("doc", "doc"),
    ("rustc", "rustc"),
    ("rustdoc", "rustdoc"),
    ("clippy", "check"),
    ("fix", "check"),
    ("nextest", "test"),
];

/// A cargo command, as far as it decides what is built.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `build`, or what else cargo is asked to do.
    pub command: String,
    /// `+nightly`
    pub toolchain: Option<OsString>,
    /// Where cargo runs.
    pub directory: PathBuf,
    /// `--target-dir`
    pub target_dir: Option<PathBuf>,
    /// `-q`
    pub is_quiet: bool,
    common: Vec<OsString>,
    choice: Vec<OsString>,
    targets: Vec<OsString>,
}

impl Request {
    /// The request of `cargo COMMAND ARGUMENTS`.
    pub fn of(command: &str, arguments: &[OsString], directory: &Path) -> Request {
        let mut request = Request {
            command: command.to_owned(),
            directory: directory.to_owned(),
            ..Request::default()
        };
        let mut rest = arguments[..n_options(command, arguments)].iter();
        while let Some(word) = rest.next() {
            let text = word.to_string_lossy();
            let (name, attached) = split(&text);
            request.is_quiet |= name == "-q" || name == "--quiet";
            if FLAGS_OF_TARGETS.contains(&name) {
                request.targets.push(word.clone());
            } else if FLAGS_EVERYWHERE.contains(&name) {
                request.common.push(word.clone());
            } else if name == "--all" {
                request.choice.push("--workspace".into());
            } else if FLAGS_OF_CHOICE.contains(&name) {
                request.choice.push(word.clone());
            } else if let Some(kind) = kind(name) {
                let value = attached.map(OsString::from).or_else(|| rest.next().cloned());
                request.add(kind, name, value.unwrap_or_default());
            }
        }
        request
    }

    /// Everything that any command might build: all members with their tests.
    pub fn workspace(arguments: &[OsString], directory: &Path) -> Request {
        let mut request = Request::of("test", arguments, directory);
        for (words, word) in
            [(&mut request.choice, "--workspace"), (&mut request.targets, "--all-targets")]
        {
            if !words.iter().any(|known| known == word) {
                words.push(word.into());
            }
        }
        request
    }

    /// The user allows no network.
    pub fn is_offline(&self) -> bool {
        self.common.iter().any(|word| word == "--offline" || word == "--frozen")
    }

    /// All that decides what is built, as text.
    pub(super) fn described(&self) -> String {
        format!(
            "{} {:?} {:?} {:?} {:?} in {}",
            self.command,
            self.toolchain,
            self.common,
            self.choice,
            self.targets,
            self.directory.display()
        )
    }

    /// The directory from which cargo finds the package.
    pub(super) fn place(&self) -> PathBuf {
        let at = self.common.iter().position(|word| word == "--manifest-path");
        let manifest =
            at.and_then(|at| self.common.get(at + 1)).map(|file| self.directory.join(file));
        let folder = manifest.as_deref().and_then(Path::parent).map(Path::to_owned);
        folder.unwrap_or_else(|| self.directory.clone())
    }

    /// Cargo in the request's directory, with the user's environment.
    pub fn cargo(&self) -> Command {
        let own = std::env::var_os("CARGO").filter(|_| self.toolchain.is_none());
        let mut cargo = Command::new(own.unwrap_or_else(|| OsString::from("cargo")));
        cargo.current_dir(&self.directory).args(&self.toolchain);
        cargo
    }

    pub(super) fn metadata(&self, more: &[&str]) -> Command {
        let mut cargo = self.cargo();
        cargo.args(["metadata", "--format-version", "1"]).args(more).args(&self.common);
        cargo.env("CARGO_TERM_COLOR", "never");
        cargo
    }

    /// Asks for the workspace's manifest.
    pub(crate) fn locate(&self) -> Command {
        let mut cargo = self.cargo();
        cargo.args(["locate-project", "--workspace", "--message-format", "plain"]);
        let at = self.common.iter().position(|word| word == "--manifest-path");
        cargo.args(at.map(|at| &self.common[at..at + 2]).unwrap_or_default());
        cargo
    }

    /// Asks for the unit graph of the command; of all that tests need, if cargo does not know the command.
    pub(super) fn unit_graph(&self, target: &Path) -> Command {
        let mut cargo = self.cargo();
        let known = PRINTED.iter().find(|(name, _)| *name == self.command);
        match known {
            Some((_, command)) => cargo.arg(command).args(&self.targets),
            None => cargo.args(["test", "--all-targets"]),
        };
        cargo.args(&self.common).args(&self.choice);
        cargo.args(["--unit-graph", "-Zunstable-options", "--target-dir"]).arg(target);
        cargo.env("CARGO_TERM_COLOR", "never").env("RUSTC_BOOTSTRAP", "1");
        cargo
    }

    fn add(&mut self, kind: Kind, name: &str, value: OsString) {
        match kind {
            Kind::Everywhere => self.common.extend([name.into(), value]),
            Kind::Choice => self.choice.extend([name.into(), value]),
            Kind::Target => self.targets.extend([name.into(), value]),
            Kind::Other if name == "--target-dir" => {
                self.target_dir = Some(self.directory.join(value));
            }
            Kind::Other => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Everywhere,
    Choice,
    Target,
    Other,
}

fn kind(name: &str) -> Option<Kind> {
    let kinds = [
        (&EVERYWHERE[..], Kind::Everywhere),
        (&CHOICE[..], Kind::Choice),
        (&TARGETS[..], Kind::Target),
        (&VALUED[..], Kind::Other),
    ];
    kinds.into_iter().find(|(names, _)| names.contains(&name)).map(|(_, kind)| kind)
}

/// `--name=value`, `-nvalue` and `-n=value` in their parts.
fn split(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
    }
    let short = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
    let (name, value) = word.split_at(short);
    let is_valued = kind(name).is_some() && !value.is_empty();
    (name, is_valued.then(|| value.strip_prefix('=').unwrap_or(value)))
}

/// How many of the arguments are for cargo and us: behind `--`, and behind the first argument of `cargo run` that
/// is no option, all is for another program.
pub fn n_options(command: &str, arguments: &[OsString]) -> usize {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let text = word.to_string_lossy();
        if text == "--" || command == "run" && !text.starts_with('-') {
            break;
        }
        let (name, attached) = split(&text);
        let is_valued = kind(name).is_some() || OWN.contains(&name);
        at += if is_valued && attached.is_none() { 2 } else { 1 };
    }
    at.min(arguments.len())
}

/// Takes `--NAME VALUE` and `--NAME=VALUE` out of cargo's arguments: the values, and what is left.
/// Nothing behind `--` is touched.
pub fn take(arguments: &[OsString], name: &str) -> (Vec<String>, Vec<OsString>) {
    let (mut values, mut left) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        if word == OsStr::new("--") {
            left.push(word.clone());
            break;
        }
        match text.strip_prefix(name) {
            Some("") => values.extend(rest.next().map(|value| value.to_string_lossy().into())),
            Some(value) if value.starts_with('=') => values.push(value[1..].to_owned()),
            _ => left.push(word.clone()),
        }
    }
    left.extend(rest.cloned());
    (values, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, line: &str, expected: &str) {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let request = Request::of(command, &arguments, Path::new("/w"));
        let words = |words: &[OsString]| {
            words
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let found = [&request.common, &request.choice, &request.targets].map(|list| words(list));
        let found = found.join("|");
        assert_eq!(found, expected, "{command} {line}");
    }

    #[test]
    fn command_lines() {
        check("build", "--release", "||--release");
        check("build", "-pa --package=b -p c --all", "|-p a --package b -p c --workspace|");
        check(
            "build",
            "--manifest-path x/Cargo.toml --locked",
            "--manifest-path x/Cargo.toml --locked||",
        );
        check("build", "-Fone,two --bin -p", "|-F one,two|--bin -p");
        check("test", "name -p a -- -p b", "|-p a|");
        check("run", "-p a program --features x", "|-p a|");
        check("check", "--all-targets --target=t", "|--target t|--all-targets");
        check(
            "build",
            "-vv -j4 --profile bench -Zunstable-options",
            "-Z unstable-options||--profile bench",
        );
    }

    #[test]
    fn where_a_program_s_own_arguments_begin() {
        let check = |command: &str, line: &str, expected: usize| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(n_options(command, &words), expected, "{command} {line}");
        };
        check("run", "--bin a --report --json one --report", 4);
        check("run", "--only a,b --missing=pack -pa one", 4);
        check("run", "-- --json", 0);
        check("test", "name --json -- --report", 2);
        check("run", "--release --bin", 2);
        check("run", "", 0);
    }

    #[test]
    fn own_options() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let (values, left) = take(&words("-q --only a,b --only=c -- --only d"), "--only");
        assert_eq!(values, ["a,b", "c"]);
        assert_eq!(left, words("-q -- --only d"));
    }
}
