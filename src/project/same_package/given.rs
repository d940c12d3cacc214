//! The arguments by which rustc and rustdoc know the macros of the package that they compile.

use super::native::{self, Library};
use super::target::Target;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::DIRECTORY_SOURCE;
use crate::base::scratch;
use crate::project::lazy::invocation::Invocation;
use crate::project::script;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The library for one command.
pub struct Given {
    name: String,
    library: Library,
}

/// What the compiler of a crate needs; nothing if the crate is not one of a package with such macros, is
/// compiled before them, or knows them from the package's build script.
pub fn to_compiler(invocation: &Invocation) -> Result<Option<Given>> {
    let is_script = invocation.crate_name.starts_with("build_script_");
    if is_script || invocation.crate_types == ["proc-macro"] {
        return Ok(None);
    }
    let Some(target) = target()? else { return Ok(None) };
    let knows = |(name, _): &(String, PathBuf)| *name == target.name;
    if invocation.externs.iter().any(knows) || !target.is_enabled(&invocation.features) {
        return Ok(None);
    }
    let folders = of_option(&invocation.args, "-L").filter_map(|l| l.strip_prefix("dependency="));
    let Some(deps) = deps(&invocation.out, folders) else { return Ok(None) };
    given(target, &invocation.features, &deps, &invocation.args)
}

/// Arguments for rustdoc, which reads the same libraries.
pub fn to_rustdoc(words: &[OsString]) -> Result<Vec<OsString>> {
    let words: Vec<String> =
        words.iter().filter_map(|word| word.to_str().map(str::to_owned)).collect();
    let Some(target) = target()? else { return Ok(Vec::new()) };
    let externs = of_option(&words, "--extern").chain(attached(&words, "--extern="));
    let names = externs.filter_map(|value| value.split_once('=')).map(|(name, _)| name);
    let is_known = |name: &str| name.rsplit(':').next() == Some(&target.name);
    let features: Vec<String> = of_option(&words, "--cfg").filter_map(feature).collect();
    if { names }.any(is_known) || !target.is_enabled(&features) {
        return Ok(Vec::new());
    }
    let folders = of_option(&words, "-L").filter_map(|folder| folder.strip_prefix("dependency="));
    let Some(deps) = deps(Path::new(""), folders) else { return Ok(Vec::new()) };
    let given = given(target, &features, &deps, &words)?;
    Ok(given.map(|given| given.arguments()).unwrap_or_default())
}

/// The target of the package that cargo compiles. None for packages that it has downloaded: their build
/// scripts know their macros.
fn target() -> Result<Option<Target>> {
    let Some(directory) = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else {
        return Ok(None);
    };
    let marks = [".cargo-ok", DIRECTORY_SOURCE];
    if marks.iter().any(|mark| directory.join(mark).exists())
        || !directory.join("Cargo.toml").is_file()
    {
        return Ok(None);
    }
    Target::of(&directory)
}

fn given(
    target: Target,
    features: &[String],
    deps: &Path,
    arguments: &[String],
) -> Result<Option<Given>> {
    let Some(target_dir) = crate::project::lazy::record::target_of(&deps.join("any")) else {
        return Ok(None);
    };
    let is_coloured = arguments.iter().any(|word| word.contains("diagnostic-rendered-ansi"));
    let library = native::build(&target, features, &target_dir, deps, is_coloured)?;
    Ok(Some(Given { name: target.name, library }))
}

/// The folder where cargo has libraries, and where each compiler of the build looks for them.
fn deps<'a>(out: &Path, folders: impl Iterator<Item = &'a str>) -> Option<PathBuf> {
    let is_deps = |folder: &PathBuf| folder.file_name() == Some(OsStr::new("deps"));
    std::iter::once(out.to_owned()).chain(folders.map(PathBuf::from)).find(is_deps)
}

/// The values of an option whose value is a word of its own.
fn of_option<'a>(words: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    words.windows(2).filter(move |pair| pair[0] == name).map(|pair| pair[1].as_str())
}

fn attached<'a>(words: &'a [String], start: &'a str) -> impl Iterator<Item = &'a str> {
    words.iter().filter_map(move |word| word.strip_prefix(start))
}

fn feature(cfg: &str) -> Option<String> {
    cfg.strip_prefix("feature=\"")?.strip_suffix('"').map(str::to_owned)
}

impl Given {
    fn arguments(&self) -> Vec<OsString> {
        let mut named = OsString::from(format!("{}=", self.name));
        named.push(&self.library.file);
        vec!["--extern".into(), named]
    }

    /// The compiler's command with the library.
    pub fn words(&self, words: &[OsString]) -> Vec<OsString> {
        [words, &self.arguments()].concat()
    }

    /// Adds to what cargo hears of the crate's sources those of the macros.
    pub fn note(&self, invocation: &Invocation) -> Result<()> {
        if !invocation.emits("dep-info") {
            return Ok(());
        }
        let file = invocation.dep_info();
        let mut text = std::fs::read_to_string(&file).at("read", &file)?;
        let end = text.find("\n\n").unwrap_or(text.len());
        let mut more = String::new();
        let mut rules = String::new();
        for source in &self.library.sources {
            let source =
                source.to_str().ok_or_else(|| Error::new(Class::Other, "a path is not UTF-8"))?;
            let source = source.replace('\\', "\\\\").replace(' ', "\\ ");
            let _ = write!(more, " {source}");
            let _ = write!(rules, "\n{source}:\n");
        }
        text.insert_str(end, &more);
        // Without us the compiler would not know the macros.
        let lazy = std::env::var(script::LAZY).unwrap_or_default();
        let _ = write!(text, "{rules}\n# env-dep:{}={lazy}\n", script::LAZY);
        scratch::replace(&file, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_libraries() {
        let check = |out: &str, folders: &[&str]| deps(Path::new(out), folders.iter().copied());
        assert_eq!(check("/t/debug/deps", &[]), Some("/t/debug/deps".into()));
        let found = check("/t/debug/examples", &["/t/x/debug/deps", "/t/debug/deps"]);
        assert_eq!(found, Some("/t/x/debug/deps".into()));
        assert_eq!(check("/t/out", &["/t/other"]), None);
    }
}
