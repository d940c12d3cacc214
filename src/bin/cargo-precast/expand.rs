//! `cargo precast expand`.

mod whole;

use crate::console::Console;
use clap::Args;
use precast::base::error::{Context, Result};
use precast::expand::{self, Answer, Call, Trace, Variable};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Expand one item through a packed macro, without rustc, or a whole crate
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("macro").required(true))]
pub(crate) struct Options {
    /// A .precast file, a shim's directory or its .crate file
    #[arg(value_name = "PATH", required_unless_present = "root", conflicts_with = "root")]
    pub(crate) path: Option<PathBuf>,

    /// The item: a file, or standard input
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

    /// Take the macro from this feature set, of an artifact with several
    #[arg(long = "feature-set", value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Option<Vec<String>>,

    /// Also show what the macro asked the machine for: each file and environment variable, read or
    /// refused
    #[arg(long)]
    pub(crate) trace: bool,

    /// What stands in the attribute's parentheses
    #[arg(long, value_name = "TOKENS", conflicts_with_all = ["derive", "bang"], allow_hyphen_values = true)]
    pub(crate) args: Option<String>,

    #[command(flatten)]
    pub(crate) whole: whole::WholeOptions,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let path = match (&options.root, &options.path) {
        (Some(root), _) => return whole::run(root, &options.whole, console),
        (None, path) => path.clone().unwrap_or_default(),
    };
    let text = read(options.file.as_deref())?;
    let args = options.args.as_deref().unwrap_or_default();
    let call = match (&options.derive, &options.attr, &options.bang) {
        (Some(name), _, _) => Call::Derive { name, item: &text },
        (_, Some(name), _) => Call::Attribute { name, args, item: &text },
        (_, _, name) => Call::Bang { name: name.as_deref().unwrap_or_default(), tokens: &text },
    };
    let features = options.features.as_ref().map(|names| {
        names.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<String>>()
    });
    let expansion = expand::expand_with(&path, features.as_deref(), &call)?;
    let mut value = json!({ "expansion": expansion.text, "denied": expansion.denied });
    if options.trace {
        value["trace"] = json!(expansion.trace);
        traced(&expansion.trace).iter().for_each(|line| console.note(line));
    }
    console.result(&value, || expansion.text.clone());
    if !expansion.denied.is_empty() {
        console.note(&expand::refused(&expansion.denied));
    }
    Ok(())
}

fn traced(trace: &Trace) -> Vec<String> {
    let read = trace.read.iter().map(|path| format!("read {}", path.display()));
    let refused = trace.refused.iter().map(|path| format!("refused {path}"));
    let variables = trace.variables.iter().map(|Variable { name, answer }| match answer {
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
