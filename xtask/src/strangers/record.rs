//! What was found of each package: kept in target/strangers, told as a table, and written into
//! docs/compatibility.md.

use super::package::Package;
use super::sides::{Run, Side, Sides};
use super::sources::Source;
use super::Name;
use crate::run::{capture, command, read, root, scratch, write as write_file, Result};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The document's part.
pub const TITLE: &str = "## Drawn at random";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Packing,
    Build,
    Expansion,
    Hygiene,
    Diagnostics,
    Misuse,
    Output,
    Files,
}

const KINDS: [(Kind, &str); 8] = [
    (Kind::Packing, "does not pack"),
    (Kind::Build, "does not build with the shim"),
    (Kind::Expansion, "expansion"),
    (Kind::Hygiene, "hygiene"),
    (Kind::Diagnostics, "diagnostics"),
    (Kind::Misuse, "diagnostics of wrong uses"),
    (Kind::Output, "output"),
    (Kind::Files, "files written"),
];

impl Kind {
    fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

pub struct Difference {
    kind: Kind,
    source: String,
    /// The first line that differs, on both sides.
    first: String,
}

impl Difference {
    pub fn new(kind: Kind, source: &str, first: &str) -> Difference {
        Difference { kind, source: source.to_owned(), first: first.to_owned() }
    }

    /// With the features that it has, the package is no macro package.
    pub fn is_without_macros(&self) -> bool {
        self.kind == Kind::Packing && self.first.contains("exports no macro")
    }
}

/// One of the texts that a run gives.
type Part = fn(&Run) -> &str;

pub struct Found {
    name: String,
    version: String,
    /// Why nothing was compared.
    skipped: Option<String>,
    n_sources: usize,
    n_compiled: usize,
    n_lines: usize,
    n_run: usize,
    n_misused: usize,
    pub differences: Vec<Difference>,
}

impl Found {
    pub fn new(package: &Package) -> Found {
        Found {
            name: package.name.clone(),
            version: package.version.clone(),
            skipped: None,
            n_sources: 0,
            n_compiled: 0,
            n_lines: 0,
            n_run: 0,
            n_misused: 0,
            differences: Vec::new(),
        }
    }

    pub fn skipped(name: &Name, why: String) -> Found {
        Found {
            name: name.package.clone(),
            version: String::new(),
            skipped: Some(why),
            n_sources: 0,
            n_compiled: 0,
            n_lines: 0,
            n_run: 0,
            n_misused: 0,
            differences: Vec::new(),
        }
    }

    /// Compares the two sides of one source. What native does not do twice alike is no difference.
    pub fn add(&mut self, source: &Source, native: &Run, shim: &Run, sides: &Sides) -> Result {
        self.n_sources += 1;
        self.n_compiled += usize::from(!native.expanded.is_empty());
        self.n_lines += native.expanded.lines().count();
        self.n_run += usize::from(!native.output.is_empty());
        self.n_misused += native.misuse.lines().filter(|line| line.starts_with("== ")).count();
        let parts: [(Kind, Part); 6] = [
            (Kind::Expansion, |run| &run.expanded),
            (Kind::Hygiene, |run| &run.hygiene),
            (Kind::Diagnostics, |run| &run.diagnostics),
            (Kind::Misuse, |run| &run.misuse),
            (Kind::Output, |run| &run.output),
            (Kind::Files, |run| &run.files),
        ];
        if parts.iter().all(|(_, part)| part(native) == part(shim)) {
            return Ok(());
        }
        let again = sides.run(Side::Native, source)?;
        for (kind, part) in parts {
            let (left, right) = (part(native), part(shim));
            if left == right || left != part(&again) {
                continue;
            }
            let place = scratch("strangers").join("differences").join(&self.name);
            let file = format!("{} {}", source.name.replace('/', "-"), kind.name());
            write_file(&place.join(format!("{file}.native")), left)?;
            write_file(&place.join(format!("{file}.shim")), right)?;
            let wrong = left.lines().zip(right.lines()).take_while(|(l, r)| l == r);
            let wrong = wrong.filter(|(line, _)| line.starts_with("== ")).last();
            let mut first = first_difference(left, right);
            if let Some((mutant, _)) = wrong.filter(|_| kind == Kind::Misuse) {
                first = format!("{mutant}\n{first}");
            }
            self.differences.push(Difference { kind, source: source.name.clone(), first });
        }
        Ok(())
    }

    pub fn line(&self) -> String {
        let Found { name, version, n_sources, n_compiled, n_lines, n_run, .. } = self;
        if let Some(why) = &self.skipped {
            return format!("{name:34} skipped: {}", why.lines().next().unwrap_or_default());
        }
        let mut text = format!(
            "{:34} {n_sources:3} sources, {n_compiled:3} compile, {n_lines:5} lines, {n_run:3} run: ",
            format!("{name} {version}")
        );
        match self.differences.is_empty() {
            true => text += "same",
            false => {
                let _ = write!(text, "{} DIFFER", self.differences.len());
            }
        }
        for Difference { kind, source, first } in &self.differences {
            let _ = write!(
                text,
                "\n    {}: {source}\n        {}",
                kind.name(),
                first.replace('\n', "\n        ")
            );
        }
        text
    }

    pub fn save(&self) -> Result {
        let differences: Vec<Value> = self
            .differences
            .iter()
            .map(|d| json!({ "kind": d.kind.name(), "source": d.source, "first": d.first }))
            .collect();
        let value = json!({
            "name": self.name,
            "version": self.version,
            "skipped": self.skipped,
            "sources": self.n_sources,
            "compiled": self.n_compiled,
            "lines": self.n_lines,
            "run": self.n_run,
            "misused": self.n_misused,
            "differences": differences,
        });
        let text = serde_json::to_string_pretty(&value).map_err(|e| e.to_string())?;
        write_file(&place(&self.name), &text)
    }
}

fn place(name: &str) -> std::path::PathBuf {
    scratch("strangers").join("results").join(format!("{name}.json"))
}

/// What an earlier run found.
pub fn load(name: &str) -> Option<Found> {
    let value: Value = serde_json::from_str(&read(&place(name)).ok()?).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |key: &str| value[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let difference = |value: &Value| {
        let (kind, _) = KINDS.iter().find(|(_, name)| value["kind"] == *name)?;
        Some(Difference {
            kind: *kind,
            source: text(&value["source"]),
            first: text(&value["first"]),
        })
    };
    Some(Found {
        name: text(&value["name"]),
        version: text(&value["version"]),
        skipped: value["skipped"].as_str().map(str::to_owned),
        n_sources: number("sources")?,
        n_compiled: number("compiled")?,
        n_lines: number("lines")?,
        n_run: number("run")?,
        n_misused: number("misused").unwrap_or_default(),
        differences: value["differences"].as_array()?.iter().filter_map(difference).collect(),
    })
}

/// The first line that is not the same.
fn first_difference(native: &str, shim: &str) -> String {
    let (mut left, mut right) = (native.lines(), shim.lines());
    let mut line = 0;
    loop {
        line += 1;
        let (l, r) = (left.next(), right.next());
        if l != r || l.is_none() {
            let show = |side: Option<&str>| -> String {
                side.unwrap_or("(end)").trim().chars().take(300).collect()
            };
            return format!("line {line}\nnative: {}\nshim:   {}", show(l), show(r));
        }
    }
}

/// What was compared, and how much of it is the same.
fn totals(all: &[Found]) -> String {
    let (skipped, done): (Vec<&Found>, Vec<&Found>) =
        all.iter().partition(|found| found.skipped.is_some());
    let same = done.iter().filter(|found| found.differences.is_empty()).count();
    let sum = |part: fn(&Found) -> usize| done.iter().map(|found| part(found)).sum::<usize>();
    format!(
        "{same} of {} packages are the same as native in everything: {} sources,\n{} of which compile, \
         {} lines of expansions, {} programs and {} wrong uses.\n{} names were skipped.\n",
        done.len(),
        sum(|found| found.n_sources),
        sum(|found| found.n_compiled),
        sum(|found| found.n_lines),
        sum(|found| found.n_run),
        sum(|found| found.n_misused),
        skipped.len(),
    )
}

/// Totals, and the packages by kind of difference.
pub fn table(all: &[Found]) -> String {
    let (skipped, done): (Vec<&Found>, Vec<&Found>) =
        all.iter().partition(|found| found.skipped.is_some());
    let mut text = totals(all);
    for (kind, name) in KINDS {
        let differ = done.iter().filter(|f| f.differences.iter().any(|d| d.kind == kind));
        let names: Vec<&str> = differ.map(|found| found.name.as_str()).collect();
        if !names.is_empty() {
            let _ = writeln!(text, "{name:30} {:3}  {}", names.len(), names.join(", "));
        }
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for why in skipped.iter().filter_map(|found| found.skipped.as_deref()) {
        *reasons.entry(why.split([':', '\n']).next().unwrap_or(why)).or_default() += 1;
    }
    for (why, n) in reasons {
        let _ = writeln!(text, "{:30} {n:3}  {why}", "skipped");
    }
    text
}

/// Why a package differs, where that stays so.
const REASONS: [(&str, &str); 4] = [
    ("butane_codegen", FS2),
    ("git-version-macro", GIT),
    ("usdt-attr-macro", THREAD_ID),
    ("usdt-macro", THREAD_ID),
];
const FS2: &str = "a dependency, fs2, has no code for wasm, and does not compile. A project has the macro from source, with \
                   this reason.";
const GIT: &str = "it starts `git`, which is refused by name. A project that says `--except` has the macro from source.";
const THREAD_ID: &str = "a dependency, thread-id, has no code for wasm, and does not compile. A project has the macro from \
                         source, with this reason.";

/// Replaces the document's part, with what was found of the first `n` names of the draw.
pub fn write(all: &[Found], seed: u64, n: usize) -> Result {
    let file = root().join("docs/compatibility.md");
    let old = read(&file)?;
    let before = old.split(TITLE).next().unwrap_or(&old).trim_end().to_owned();
    let date = capture(command("date").arg("+%F"))?;
    let rustc = capture(command("rustc").arg("--version"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let mut part = format!(
        "{TITLE}\n\nWritten by `cargo xtask strangers --write` on {}, {}, seed {seed}. Names are drawn from\n\
         `fixtures/strangers.txt`; the newest version's own documentation, tests and examples, and those of\n\
         the package that re-exports its macros, are expanded, compiled and run natively and packed, and\n\
         files written are compared as well. A wrong use is a source with one token of an attribute or of an\n\
         argument changed, of which the compiler's messages are compared. Of the first {n} names of the draw,\n\
         {} were tried so far, each once, with precast as it was then; what differed was fixed and tried again.\n\n{}\n",
        text(&date.stdout),
        text(&rustc.stdout),
        all.len(),
        totals(all)
    );
    for found in all.iter().filter(|found| !found.differences.is_empty()) {
        let reason = REASONS.iter().find(|(name, _)| *name == found.name);
        let reason = reason.map_or("not looked at yet.", |(_, reason)| reason);
        let _ = writeln!(part, "- {}-{}: {reason}", found.name, found.version);
    }
    part += "\n";
    part +=
        "| package | sources | compile | lines | run | wrong uses | differences |\n|---|---|---|---|---|---|---|\n";
    for found in all.iter().filter(|found| found.skipped.is_none()) {
        let mut kinds: Vec<Kind> = found.differences.iter().map(|d| d.kind).collect();
        kinds.dedup();
        let kinds: Vec<&str> = kinds.into_iter().map(Kind::name).collect();
        let kinds = if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
        let Found { name, version, n_sources, n_compiled, n_lines, n_run, n_misused, .. } = found;
        let _ = writeln!(
            part,
            "| {name}-{version} | {n_sources} | {n_compiled} | {n_lines} | {n_run} | {n_misused} | {kinds} |"
        );
    }
    write_file(&file, &format!("{before}\n\n{part}"))
}
