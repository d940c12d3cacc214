//! `cargo precast expand`.

mod whole;

use crate::console::Console;
use crate::watch;
use clap::Args;
use precast::artifact::manifest::Kind;
use precast::base::error::{Context, Result};
use precast::expand::{self, Answer, Call, Expansion, Settings, Token, Trace, Variable, Verdict};
use precast::project::sources::Wanted;
use serde_json::{json, Value};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Expand one item through a packed macro, every use of its macros in a file, or a whole crate, without rustc
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("macro"))]
pub(crate) struct Options {
    /// A .precast file, a shim's directory or its .crate file
    #[arg(value_name = "PATH", required_unless_present_any = ["root", "package"], conflicts_with_all = ["root", "package"])]
    pub(crate) path: Option<PathBuf>,

    /// The item, or a file with uses of the macros; without, standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Expand `#[derive(NAME)]` on the item
    #[arg(long, value_name = "NAME", group = "macro")]
    pub(crate) derive: Option<String>,

    /// Expand `#[NAME(TOKENS)]` on the item
    #[arg(long, value_name = "NAME", group = "macro")]
    pub(crate) attr: Option<String>,

    /// Expand `NAME!(…)` with the input as its tokens
    #[arg(long, value_name = "NAME", group = "macro")]
    pub(crate) bang: Option<String>,

    /// Expand all packed macros of the crate whose root file this is, source to source
    #[arg(long = "crate", value_name = "ROOT.rs", group = "macro")]
    pub(crate) root: Option<PathBuf>,

    /// The same of the library of a dependency, as the package in the current directory uses it
    #[arg(long, short, value_name = "NAME[@VERSION]", group = "macro", requires = "out")]
    pub(crate) package: Option<String>,

    /// Take the macro from this feature set, of an artifact with several
    #[arg(long = "feature-set", value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Option<Vec<String>>,

    /// Show what the macro left, changed, added and removed
    #[arg(long, conflicts_with = "tokens")]
    pub(crate) diff: bool,

    /// Show the tokens, each with the place in the input that its span names
    #[arg(long)]
    pub(crate) tokens: bool,

    /// Also show what the macro asked the machine for: each file and environment variable, read or
    /// refused
    #[arg(long)]
    pub(crate) trace: bool,

    /// Expand again whenever the artifact, the shim or FILE changes
    #[arg(long, requires = "file", conflicts_with = "root")]
    pub(crate) watch: bool,
    /// If the macro stops (a trap, a limit), show its whole call stack instead of the first five functions
    #[arg(long)]
    pub(crate) backtrace: bool,

    /// What stands in the attribute's parentheses
    #[arg(long, value_name = "TOKENS", conflicts_with_all = ["derive", "bang"], allow_hyphen_values = true)]
    pub(crate) args: Option<String>,

    #[command(flatten)]
    pub(crate) whole: whole::WholeOptions,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let path = match (&options.root, &options.package, &options.path) {
        (Some(root), _, _) => return whole::run(Wanted::Root(root), &options.whole, console),
        (_, Some(name), _) => return whole::run(Wanted::Dependency(name), &options.whole, console),
        (_, _, path) => path.clone().unwrap_or_default(),
    };
    if !options.watch {
        return once(&path, options, console);
    }
    let now = || Ok([Some(&path), options.file.as_ref()].map(|path| path.map(|path| mark(path))));
    loop {
        let seen = now()?;
        if let Err(error) = once(&path, options, console) {
            console.error(&error);
        }
        watch::until_changed(&seen, now)?;
    }
}

/// What tells of a file, or of a shim's directory, whether it has changed.
fn mark(path: &Path) -> Option<(SystemTime, u64)> {
    let file = if path.is_dir() { path.join("precast/manifest.json") } else { path.to_owned() };
    let metadata = file.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn once(path: &Path, options: &Options, console: &Console) -> Result<()> {
    let text = read(options.file.as_deref())?;
    let args = options.args.as_deref().unwrap_or_default();
    let call = match (&options.derive, &options.attr, &options.bang) {
        (Some(name), _, _) => Some(Call::Derive { name, item: &text }),
        (_, Some(name), _) => Some(Call::Attribute { name, args, item: &text }),
        (_, _, Some(name)) => Some(Call::Bang { name, tokens: &text }),
        _ => None,
    };
    let features = options.features.as_ref().map(|names| {
        names.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<String>>()
    });
    let settings = Settings { features: features.as_deref(), backtrace: options.backtrace };
    let Some(call) = call else {
        let all = expand::expand_all(path, &settings, &text)?;
        let values: Vec<Value> = all.iter().map(|expansion| value(expansion, options)).collect();
        console.result(&json!({ "expansions": values }), || {
            all.iter().map(|expansion| head(expansion) + &shown(expansion, options)).collect()
        });
        all.iter().for_each(|expansion| told(expansion, options, console));
        return Ok(());
    };
    let expansion = expand::expand_with(path, &settings, &call)?;
    console.result(&value(&expansion, options), || shown(&expansion, options));
    told(&expansion, options, console);
    Ok(())
}

/// Names one of several expansions.
fn head(expansion: &Expansion) -> String {
    let name = &expansion.name;
    let used = match expansion.kind {
        Kind::Derive => format!("#[derive({name})]"),
        Kind::Attribute => format!("#[{name}]"),
        Kind::Bang => format!("{name}!"),
    };
    format!("// {used} in line {}\n", expansion.line)
}

fn shown(expansion: &Expansion, options: &Options) -> String {
    if options.diff {
        let change = expansion.change();
        let verdict = match change.verdict {
            Verdict::Unchanged => "the item is as it was",
            Verdict::Extended => "the item is as it was, and there is more",
            Verdict::Changed => "the item is another",
            Verdict::Removed => "nothing is left",
        };
        return format!("// {verdict}\n{}", change.diff);
    }
    match options.tokens {
        true => expansion.tokens().iter().map(Token::line).collect(),
        false => expansion.text.clone(),
    }
}

fn value(expansion: &Expansion, options: &Options) -> Value {
    let mut value = json!({ "expansion": expansion.text, "denied": expansion.denied });
    if !expansion.diagnostics.is_empty() {
        value["diagnostics"] = json!(expansion.diagnostics);
    }
    let records = expand::records::of(&expansion.stream);
    if !records.is_empty() {
        value["records"] = json!(records);
    }
    if !(options.derive.is_some() || options.attr.is_some() || options.bang.is_some()) {
        value["macro"] = json!({ "kind": expansion.kind, "name": expansion.name });
        value["line"] = json!(expansion.line);
    }
    if options.diff {
        value["change"] = json!(expansion.change());
    }
    if options.tokens {
        value["tokens"] = json!(expansion.tokens());
    }
    if options.trace {
        value["trace"] = json!(expansion.trace);
    }
    value
}

/// What stands on standard error beside the result.
fn told(expansion: &Expansion, options: &Options, console: &Console) {
    if options.trace {
        traced(&expansion.trace).iter().for_each(|line| console.note(line));
    }
    rendered(&expansion.diagnostics, console);
    if !expansion.denied.is_empty() {
        console.note(&expand::refused(&expansion.denied));
    }
}

/// Diagnostics for people; with `--json` they are in the result.
fn rendered(diagnostics: &[Value], console: &Console) {
    for diagnostic in diagnostics.iter().filter(|_| !console.json()) {
        eprintln!("{}", diagnostic["rendered"].as_str().unwrap_or_default().trim_end());
    }
}

fn traced(trace: &Trace) -> Vec<String> {
    let read = trace.read.iter().map(|path| format!("read {}", path.display()));
    let refused = trace.refused.iter().map(|path| format!("refused {path}"));
    let variables = trace.variables.iter().map(|Variable { name, answer, .. }| match answer {
        Answer::Read => format!("read variable {name}"),
        Answer::Refused => format!("refused variable {name}"),
        Answer::Unset => format!("variable {name} is not set"),
    });
    read.chain(refused).chain(variables).collect()
}

fn read(file: Option<&Path>) -> Result<String> {
    let stdin = Path::new("-");
    match file.filter(|file| *file != stdin) {
        Some(file) => std::fs::read_to_string(file).at("read", file),
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            Ok(text)
        }
    }
}
