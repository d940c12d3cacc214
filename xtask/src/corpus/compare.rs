//! Compares one crate's two sides: expansions, hygiene, program output, diagnostics.
//!
//! What differs is written to target/corpus/results, one file for each side.

use super::expected;
use super::fixture::Fixture;
use super::record::Record;
use super::work::{Built, Side};
use crate::run::{clear, scratch, write, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

/// What was seen of one crate. A failure is the first difference, told to people.
pub struct Outcome {
    pub folder: String,
    pub id: String,
    pub n_macros: usize,
    pub lines: usize,
    pub expanded: Result,
    pub hygiene: Result,
    pub run: Result,
    /// Files compared, and the differences among them.
    pub n_diagnostics: usize,
    pub diagnostics: Vec<String>,
    pub coverage: Result,
    /// Differences that fixture.toml gives a reason for.
    pub known: Vec<String>,
    pub reason: Option<String>,
}

impl Outcome {
    pub fn failures(&self) -> Vec<&str> {
        let parts = [&self.coverage, &self.expanded, &self.hygiene, &self.run];
        let failed = parts.into_iter().filter_map(|part| part.as_ref().err());
        failed.chain(&self.diagnostics).map(String::as_str).collect()
    }
}

/// The two sides of one fixture.
struct Sides<'a> {
    fixture: &'a Fixture,
    native: Record,
    shim: Record,
    results: PathBuf,
}

pub fn compare(fixture: &Fixture, shim: &Result<PathBuf>, native: &Built, ours: &Built) -> Outcome {
    let mut outcome = Outcome {
        folder: fixture.folder.clone(),
        id: fixture.id(),
        n_macros: 0,
        lines: 0,
        expanded: Ok(()),
        hygiene: Ok(()),
        run: Ok(()),
        n_diagnostics: 0,
        diagnostics: Vec::new(),
        coverage: Ok(()),
        known: Vec::new(),
        reason: fixture.reason.clone(),
    };
    if let Err(e) = fill(&mut outcome, fixture, shim, native, ours) {
        outcome.expanded = Err(e);
    }
    outcome
}

fn fill(
    outcome: &mut Outcome,
    fixture: &Fixture,
    shim: &Result<PathBuf>,
    native: &Built,
    ours: &Built,
) -> Result {
    let shim = shim.as_ref().map_err(|e| format!("does not pack: {e}"))?;
    let names = macros(shim)?;
    outcome.n_macros = names.len();
    outcome.coverage = match fixture.unused(&names)?.as_slice() {
        [] => Ok(()),
        unused => Err(format!("the consumer does not use {}", unused.join(", "))),
    };
    let results = scratch("corpus").join("results").join(&fixture.folder);
    clear(&results)?;
    let consumer = fixture.consumer();
    let sides = Sides {
        fixture,
        native: Record::load(&native.records, &consumer)?,
        shim: Record::load(&ours.records, &consumer)?,
        results,
    };
    outcome.run = sides.same_run(native, ours);
    outcome.expanded = sides.expanded().map(|lines| outcome.lines = lines);
    outcome.hygiene = sides.hygiene();
    for source in fixture.sources() {
        outcome.n_diagnostics += 1;
        let stem = source.file_stem().unwrap_or_default().to_string_lossy();
        match (sides.diagnostics(&source), fixture.differs.get(&*stem)) {
            (Err(_), Some(reason)) => {
                outcome.n_diagnostics -= 1;
                outcome.known.push(format!("`errors/{stem}.rs`: {reason}"));
            }
            (Ok(()), Some(_)) => outcome.diagnostics.push(format!("{stem}: no longer differs")),
            (result, None) => outcome.diagnostics.extend(result.err()),
        }
    }
    if fixture.test {
        outcome.run = outcome.run.clone().and_then(|()| sides.tests());
    }
    Ok(())
}

/// Names of the shim's macros and of their helper attributes, from its manifest.
fn macros(shim: &Path) -> Result<Vec<String>> {
    let file = shim.join("precast/manifest.json");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let manifest: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let made = &manifest["subject"][0]["annotations"]["macros"];
    let list = made.as_array().ok_or("the manifest lists no macros")?;
    let helpers = |m: &Value| m["helpers"].as_array().cloned().unwrap_or_default();
    let names = list.iter().flat_map(|m| helpers(m).into_iter().chain([m["name"].clone()]));
    let mut names: Vec<String> = names.filter_map(|n| Some(n.as_str()?.to_owned())).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

impl Sides<'_> {
    fn record(&self, side: Side) -> &Record {
        match side {
            Side::Native => &self.native,
            Side::Shim => &self.shim,
        }
    }

    /// Equal text, or the first differing line; both texts are then kept.
    fn equal(&self, what: &str, native: &str, shim: &str) -> Result {
        if native == shim {
            return Ok(());
        }
        write(&self.results.join(format!("{what}.native")), native)?;
        write(&self.results.join(format!("{what}.shim")), shim)?;
        let (mut left, mut right) = (native.lines(), shim.lines());
        let mut line = 0;
        loop {
            line += 1;
            let (l, r) = (left.next(), right.next());
            if l != r || l.is_none() {
                let show = |side: Option<&str>| side.unwrap_or("(end)").trim().to_owned();
                return Err(format!(
                    "{what}:{line}: differs\n  native: {}\n  shim:   {}",
                    show(l),
                    show(r)
                ));
            }
        }
    }

    fn unpretty(&self, side: Side, form: &str) -> Result<String> {
        let source = self.fixture.path.join("consumer.rs");
        let form = format!("-Zunpretty={form}");
        let mut extra = vec![form.as_str()];
        extra.extend(self.fixture.test.then_some("--test"));
        let output = self.record(side).replay(&source, &extra)?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{} {form} failed: {text}", side.name()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn expanded(&self) -> Result<usize> {
        let native = self.unpretty(Side::Native, "expanded")?;
        let shim = self.unpretty(Side::Shim, "expanded")?;
        self.equal("expanded", &native, &shim)?;
        Ok(native.lines().count())
    }

    fn hygiene(&self) -> Result {
        let native = canonical(&self.unpretty(Side::Native, "expanded,hygiene")?);
        let shim = canonical(&self.unpretty(Side::Shim, "expanded,hygiene")?);
        self.equal("hygiene", &native, &shim)
    }

    fn diagnostics(&self, source: &Path) -> Result {
        let stem = source.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let native = self.stderr(Side::Native, source)?;
        if stem != "consumer" && !native.contains("error") && !native.contains("warning") {
            return Err(format!("{stem}: the native compiler finds nothing wrong"));
        }
        self.equal(&format!("{stem}.stderr"), &native, &self.stderr(Side::Shim, source)?)?;
        match stem.as_str() {
            "consumer" => Ok(()),
            _ => expected::check(source, &native),
        }
    }

    fn stderr(&self, side: Side, source: &Path) -> Result<String> {
        expected::stderr(self.record(side), source, &expected::results(self.fixture)?)
    }

    /// Where a compiler call writes to: the same for both sides, since messages may name it.
    fn output(&self, extension: &str) -> Result<String> {
        std::fs::create_dir_all(&self.results)
            .map_err(|e| format!("cannot make {}: {e}", self.results.display()))?;
        let file = self.results.join("output").with_extension(extension);
        Ok(file.to_string_lossy().into_owned())
    }

    fn same_run(&self, native: &Built, ours: &Built) -> Result {
        let text = |built: &Built, side: Side| match &built.runs[&self.fixture.folder] {
            Ok(output) if side == Side::Native && !output.status.success() => {
                Err(format!("the native consumer failed\n{}", shown(output)))
            }
            Ok(output) => Ok(shown(output)),
            Err(e) => Err(format!("{}: {e}", side.name())),
        };
        self.equal("run", &text(native, Side::Native)?, &text(ours, Side::Shim)?)
    }

    fn tests(&self) -> Result {
        self.equal("tests", &self.tested(Side::Native)?, &self.tested(Side::Shim)?)
    }

    /// Builds the consumer with `--test` and runs it.
    fn tested(&self, side: Side) -> Result<String> {
        let program = self.output("tests")?;
        let source = self.fixture.path.join("consumer.rs");
        let built = self.record(side).replay(&source, &["--test", "-o", &program])?;
        if !built.status.success() {
            return Err(format!("{} --test does not build\n{}", side.name(), shown(&built)));
        }
        let mut run = std::process::Command::new(program);
        let output = run.args(["--test-threads", "1"]).env("RUST_BACKTRACE", "0").output();
        let text = shown(&output.map_err(|e| e.to_string())?);
        let untimed = text.lines().filter(|line| !line.starts_with("test result"));
        Ok(untimed.collect::<Vec<_>>().join("\n"))
    }
}

pub fn shown(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    // A panic message names the thread's number; that of a test is in its captured output.
    let out: String = out.split_inclusive('\n').map(without_thread).collect();
    let err: String = err.split_inclusive('\n').map(without_thread).collect();
    format!("{}\n{out}\n{err}", output.status)
}

fn without_thread(line: &str) -> String {
    match (line.strip_prefix("thread '"), line.find("' ("), line.find(") panicked")) {
        (Some(_), Some(open), Some(close)) => {
            format!("{}{}", &line[..open + 1], &line[close + 1..])
        }
        _ => line.to_owned(),
    }
}

/// Rewrites rustc's `name /* SYMBOL#CONTEXT */` so that equal hygiene is equal text.
///
/// SYMBOL is the name's place in the compiler's table of strings. It follows the order in which the
/// compiler first saw them and says nothing of hygiene, so it becomes the place of its first
/// occurrence in this text: two texts are then equal only if one table maps onto the other one to
/// one. Its width also moves line breaks, so white space is made uniform. CONTEXT, the printed
/// names and the tables of expansions at the end stay as they are.
pub fn canonical(text: &str) -> String {
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("/*") {
        let Some(close) = rest[open..].find("*/").map(|at| open + at) else { break };
        let comment = rest[open + 2..close].trim();
        let (symbol, context) = comment.split_once('#').unwrap_or((comment, ""));
        words.extend(rest[..open].split_whitespace().map(str::to_owned));
        if let Ok(symbol) = symbol.parse() {
            let next = seen.len();
            let place = seen.entry(symbol).or_insert(next);
            words.push(format!("/*{place}#{context}*/"));
        } else {
            words.extend(rest[open..close + 2].split_whitespace().map(str::to_owned));
        }
        rest = &rest[close + 2..];
    }
    words.extend(rest.split_whitespace().map(str::to_owned));
    words.join("\n")
}
