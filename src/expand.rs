//! Expands one item through a packed module, without rustc: the runtime that is in every shim, over
//! proc-macro2's tokens.

#[doc(hidden)]
pub mod records;
mod stack;
mod view;
#[doc(hidden)]
pub mod whole;

use crate::artifact::manifest::{is_own, parts_of, Kind, Macro};
use crate::artifact::{names, Artifact};
use crate::base::error::{Class, Context, Error, Result};
use crate::embed::input;
use crate::lower::renewed;
use crate::pack::profile;
use crate::runtime::instance::Fault;
use crate::runtime::wasi::Refused;
use crate::runtime::{unsupported, Failure, Grants, Machine};
use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) use view::diff;
pub use view::{Change, Token, Verdict};

/// One use of a macro; the texts are Rust tokens.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// A derive.
    Derive {
        /// The trait.
        name: &'a str,
        /// The item below it.
        item: &'a str,
    },
    /// An attribute.
    Attribute {
        /// Its name.
        name: &'a str,
        /// What stands in its parentheses.
        args: &'a str,
        /// The item below it.
        item: &'a str,
    },
    /// A function-like macro.
    Bang {
        /// Its name.
        name: &'a str,
        /// What stands in its parentheses.
        tokens: &'a str,
    },
}

/// How a macro is chosen and run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// Of an artifact with several feature sets: the one with exactly these. Without, the first that has the macro.
    pub features: Option<&'a [String]>,
    /// Tell the whole call stack of a macro that stops.
    pub backtrace: bool,
}

/// What a macro made of its input.
#[derive(Debug)]
#[non_exhaustive]
pub struct Expansion {
    /// How the macro is used.
    pub kind: Kind,
    /// The macro's name.
    pub name: String,
    /// The line of its input, from 1.
    pub line: usize,
    /// What a derive or an attribute stood on.
    pub item: Option<TokenStream>,
    /// Names the text that the macro's input came from, as spans do.
    source: String,
    /// The expansion as formatted code.
    pub text: String,
    /// The tokens themselves.
    pub stream: TokenStream,
    /// What `precast-macro` tells: each as the compiler's JSON has it.
    pub diagnostics: Vec<Value>,
    /// What the macro asked the machine for.
    pub trace: Trace,
    /// What the macro asked for and may not have, with the grants for it.
    pub denied: Vec<String>,
}

/// Everything that an expansion wanted of the machine, refused or not.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Trace {
    /// Files and directories that were read.
    pub read: Vec<PathBuf>,
    /// Those that were refused.
    pub refused: Vec<String>,
    /// The environment variables that it asked for by name, in the order of its questions.
    pub variables: Vec<Variable>,
    /// Names of those that it could see: which are granted and set.
    pub environment: Vec<String>,
}

/// An environment variable that the macro asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Variable {
    /// The variable.
    pub name: String,
    /// What the macro was told.
    pub answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
/// What a macro is told of a variable.
pub enum Answer {
    /// Its value.
    Read,
    /// It is set, and not granted.
    Refused,
    /// That it is not set.
    Unset,
}

/// Expands, and formats what comes out. The macro sees the environment of this process, as far as
/// its capabilities go.
pub fn expand(path: &Path, call: &Call<'_>) -> Result<Expansion> {
    expand_with(path, &Settings::default(), call)
}

/// The same as the settings say.
pub fn expand_with(path: &Path, settings: &Settings<'_>, call: &Call<'_>) -> Result<Expansion> {
    let artifact = choose(input::artifact(path)?, settings.features, call)?;
    expand_first(&artifact, call, settings.backtrace)
}

/// The same with the macros of an artifact's first feature set.
#[doc(hidden)]
pub fn expand_in(artifact: &Artifact, call: &Call<'_>) -> Result<Expansion> {
    expand_first(artifact, call, false)
}

fn expand_first(artifact: &Artifact, call: &Call<'_>, backtrace: bool) -> Result<Expansion> {
    let found = find(artifact, call)?;
    let (first, second) = match call {
        Call::Derive { item, .. } => (tokens("the item", item)?, None),
        Call::Attribute { args, item, .. } => {
            (tokens("the arguments", args)?, Some(tokens("the item", item)?))
        }
        Call::Bang { tokens: input, .. } => (tokens("the input", input)?, None),
    };
    one(artifact, found, first, second, backtrace)
}

/// Expands every use of the macros in a Rust file, in their order.
pub fn expand_all(path: &Path, settings: &Settings<'_>, text: &str) -> Result<Vec<Expansion>> {
    let artifact = input::artifact(path)?;
    let artifact = match settings.features {
        Some(features) => set(artifact, features)?,
        None => artifact,
    };
    tokens("the file", text)?;
    let uses = profile::uses(text, &artifact.manifest.macros);
    if uses.is_empty() {
        let message = format!("the file uses no macro of {}", artifact.manifest.package.name);
        return Err(Error::new(Class::Usage, message).help(
            "`--derive`, `--attr` and `--bang` name the macro for a file that is its input",
        ));
    }
    let macros = &artifact.manifest.macros;
    let each = uses.into_iter().map(|sample| {
        let found = macros.iter().find(|item| item.function == sample.function);
        let found = found.expect("uses are those of its macros");
        one(&artifact, found, sample.input, sample.item, settings.backtrace)
    });
    each.collect()
}

/// A function-like macro's name, its input, and what it makes of that; none if it fails.
pub(crate) type Used = (String, TokenStream, Option<Expansion>);

/// Different uses of an artifact's function-like macros in Rust files, of each macro the first `n_max`.
pub(crate) fn bangs(path: &Path, texts: &[String], n_max: usize) -> Result<Vec<Used>> {
    let artifact = input::artifact(path)?;
    let all = artifact.manifest.macros.iter().filter(|item| item.kind == Kind::Bang);
    let macros: Vec<Macro> = all.cloned().collect();
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut used = Vec::new();
    for sample in texts.iter().flat_map(|text| profile::uses(text, &macros)) {
        let Some(found) = macros.iter().find(|item| item.function == sample.function) else {
            continue;
        };
        let inputs = seen.entry(&found.name).or_default();
        if inputs.len() < n_max && inputs.insert(sample.input.to_string()) {
            let expansion = one(&artifact, found, sample.input.clone(), None, false).ok();
            used.push((found.name.clone(), sample.input, expansion));
        }
    }
    Ok(used)
}

fn one(
    artifact: &Artifact,
    found: &Macro,
    first: TokenStream,
    second: Option<TokenStream>,
    backtrace: bool,
) -> Result<Expansion> {
    let mut machine = machine(artifact)?;
    if backtrace {
        machine.frames_max = usize::MAX;
    }
    machine.keep_errors();
    let item = match found.kind {
        Kind::Derive => Some(first.clone()),
        Kind::Attribute => second.clone(),
        Kind::Bang => None,
    };
    let span = item.as_ref().unwrap_or(&first).clone().into_iter().next().map(|token| token.span());
    let result = machine.expand(&found.function, first.into(), second.map(Into::into));
    let diagnostics = told(&machine.keep_errors());
    let package = &artifact.manifest.package;
    let package = format!("{} {}", package.name, package.version);
    let output = result.map_err(|failure| failed(&package, found, failure, denied(&machine)))?;
    let trace = trace(&machine, &artifact.manifest.capabilities.env);
    let denied = denied(&machine);
    let stream: TokenStream = output.stream.into();
    Ok(Expansion {
        kind: found.kind,
        name: found.name.clone(),
        line: span.map_or(1, |span| span.start().line),
        source: span.map(|span| span.file()).unwrap_or_default(),
        item,
        text: format(stream.clone()),
        stream,
        diagnostics,
        trace,
        denied,
    })
}

/// The diagnostics among what a macro wrote to standard error; all else goes there.
pub(crate) fn told(written: &[u8]) -> Vec<Value> {
    let mut diagnostics = Vec::new();
    for line in written.split_inclusive(|byte| *byte == b'\n') {
        let value = serde_json::from_slice::<Value>(line).ok();
        match value.filter(|value| value["$message_type"] == "diagnostic") {
            Some(value) => diagnostics.push(value),
            // If nobody can be told, there is nobody to tell that.
            None => drop(std::io::Write::write_all(&mut std::io::stderr(), line)),
        }
    }
    diagnostics
}

pub(crate) fn trace<T: AsRef<str>>(machine: &Machine, granted: &[T]) -> Trace {
    let environment = seen(granted);
    let answer = |name: &String| match () {
        () if environment.contains(name) => Answer::Read,
        () if machine.denied_variables().any(|refused| refused.shown == *name) => Answer::Refused,
        () => Answer::Unset,
    };
    let asked = machine.variables().iter();
    let variables = asked.map(|name| Variable { name: name.clone(), answer: answer(name) });
    Trace {
        read: machine.reads().to_vec(),
        refused: machine.denied().iter().map(|refused| refused.shown.clone()).collect(),
        variables: variables.collect(),
        environment,
    }
}

/// What was refused, each with the grant that permits it.
fn denied(machine: &Machine) -> Vec<String> {
    let all = machine.denied_variables().chain(machine.denied());
    let named = all.map(|Refused { kind, shown, grant }| {
        let key = ["env", "read", "write"][usize::from(*kind)];
        match grant.is_empty() {
            true => format!("to {key} {shown} (nothing grants it)"),
            false => format!("{shown} (`--grant {key}={grant}`)"),
        }
    });
    named.collect()
}

fn choose(artifact: Artifact, features: Option<&[String]>, call: &Call<'_>) -> Result<Artifact> {
    // As in a build of cargo's for a dev profile, with debug assertions where that is another module.
    let mut sets: Vec<Artifact> = artifact.each_set().collect();
    sets.sort_by_key(|set| !parts_of(&set.manifest.features).1);
    let Some(features) = features else {
        let found = sets.into_iter().find(|set| find(set, call).is_ok());
        return Ok(found.unwrap_or(artifact));
    };
    set(artifact, features)
}

/// The feature set with exactly these features.
fn set(artifact: Artifact, features: &[String]) -> Result<Artifact> {
    let mut sets: Vec<Artifact> = artifact.each_set().collect();
    sets.sort_by_key(|set| !parts_of(&set.manifest.features).1);
    let mut wanted = features.to_vec();
    wanted.sort_unstable();
    let named = |set: &Artifact| {
        let features = parts_of(&set.manifest.features).0;
        features == wanted || features.into_iter().filter(|name| is_own(name)).eq(&wanted)
    };
    sets.into_iter().find(named).ok_or_else(|| {
        let sets: Vec<String> =
            artifact.manifest.feature_sets().map(|set| format!("`{}`", set.join(","))).collect();
        let name = &artifact.manifest.package.name;
        let message = format!("{name} was not packed with exactly the features {wanted:?}");
        Error::new(Class::Usage, message).help(format!("it has the sets {}", sets.join("; ")))
    })
}

/// The variables of this process that the patterns name.
fn seen<T: AsRef<str>>(patterns: &[T]) -> Vec<String> {
    let granted = |name: &String| {
        patterns.iter().map(AsRef::as_ref).any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == pattern,
        })
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<String> = names.filter(granted).collect();
    names.sort_unstable();
    names
}

fn machine(artifact: &Artifact) -> Result<Machine> {
    let artifact = &*renewed(artifact)?;
    let names = |names: &[String]| -> &'static [&'static str] {
        Vec::leak(names.iter().map(|name| &*String::leak(name.clone())).collect())
    };
    // The runtime is written for statics. One expansion leaks one copy, and the program ends.
    let capabilities = &artifact.manifest.capabilities;
    let grants = Grants {
        env: names(&capabilities.env),
        read: names(&capabilities.read),
        write: names(&capabilities.write),
        own: None,
    };
    let embedded = Vec::leak(artifact.image.clone());
    let limits = artifact.manifest.limits.runtime();
    let mut machine = Machine::new(embedded, Box::leak(Box::new(grants)), limits)
        .class(Class::Macro, "cannot start the module")?;
    machine.names = Vec::leak(names::of(&artifact.wasm).to_vec());
    Ok(machine)
}

fn find<'a>(artifact: &'a Artifact, call: &Call<'_>) -> Result<&'a Macro> {
    let (kind, word, name) = match call {
        Call::Derive { name, .. } => (Kind::Derive, "derive", name),
        Call::Attribute { name, .. } => (Kind::Attribute, "attribute", name),
        Call::Bang { name, .. } => (Kind::Bang, "function-like macro", name),
    };
    let same_kind = || artifact.manifest.macros.iter().filter(|item| item.kind == kind);
    same_kind().find(|item| item.name == *name).ok_or_else(|| {
        let package = &artifact.manifest.package.name;
        let error = Error::new(Class::Usage, format!("{package} has no {word} `{name}`"));
        let names: Vec<&str> = same_kind().map(|item| item.name.as_str()).collect();
        match names.is_empty() {
            true => error.help("`cargo precast inspect` shows its macros"),
            false => error.help(format!("it has {}", names.join(", "))),
        }
    })
}

pub(crate) fn tokens(what: &str, text: &str) -> Result<TokenStream> {
    text.parse().map_err(|error: proc_macro2::LexError| {
        let at = error.span().start();
        let message = format!("{what}: {error} in line {}, column {}", at.line, at.column + 1);
        Error::new(Class::Usage, message)
    })
}

fn failed(package: &str, item: &Macro, failure: Failure, denied: Vec<String>) -> Error {
    let name = &item.name;
    let message = match (&failure.fault, &failure.payload) {
        (_, Some(payload)) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            format!("`{name}` panicked: {}", text.unwrap_or("without a message"))
        }
        (Fault::Panic(text), None) => format!("`{name}` panicked: {text}"),
        (fault, None) => format!("`{name}`: {fault}{}", stack::folded(&failure.trace)),
    };
    let help = unsupported(package, &message);
    let error = Error::new(Class::Macro, message);
    match (&*denied, help) {
        ([], None) => error,
        ([], Some(help)) => error.help(help),
        (denied, _) => error.help(refused(denied)),
    }
}

/// How to permit what was refused.
#[doc(hidden)]
pub fn refused(denied: &[String]) -> String {
    format!("to let it use what it was refused, pack it with the grant: {}", denied.join(", "))
}

/// Formats items, or else statements; what is neither is shown as its tokens.
pub(crate) fn format(stream: TokenStream) -> String {
    if let Ok(file) = syn::parse2::<syn::File>(stream.clone()) {
        return prettyplease::unparse(&file);
    }
    let body = syn::parse2::<syn::File>(quote! { fn body() { #stream } });
    let Ok(file) = body else { return format!("{stream}\n") };
    let text = prettyplease::unparse(&file);
    let lines = text.trim_end().strip_prefix("fn body() {").and_then(|text| text.strip_suffix('}'));
    let lines = lines.unwrap_or_default().trim_matches('\n').lines();
    lines.map(|line| line.strip_prefix("    ").unwrap_or(line).to_string() + "\n").collect()
}
