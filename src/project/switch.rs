//! `on` and `off`: precompiled macros for every cargo command in a workspace, through its
//! `.cargo/config.toml`. What else stands there stays as it is.
//!
//! Three lines are written: the program to run in the compiler's place and in rustdoc's, and a variable that
//! makes what it writes useless to a cargo without it. None names a place of the project.

use super::lazy::record;
use super::plan::{self, Plan};
use super::script::{LAZY as VARIABLE, ON, RUSTDOC as REAL_RUSTDOC};
use super::Request;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::hash_of;
use crate::base::scratch;
use crate::cache::kinds;
use crate::cache::program;
use crate::cache::Store;
use std::path::{Path, PathBuf};
use toml_edit::{value, DocumentMut, InlineTable, Item, Table, Value};

/// The configuration's names. Of two files, cargo reads the first.
const CONFIGS: [&str; 2] = [".cargo/config", ".cargo/config.toml"];

const WRAPPER: &str = "rustc-wrapper";
const RUSTDOC: &str = "rustdoc";

/// Programs that cargo runs, by their names in `[build]`, with the variable that says which one of the
/// user's is in the place of each.
const TOOLS: [(&str, &str); 2] = [(WRAPPER, VARIABLE), (RUSTDOC, REAL_RUSTDOC)];

/// Stands before tables that we have made, and behind a wrapper that took the place of another.
const MADE: &str = "# by `cargo precast on`";
const IN_PLACE_OF: &str = " # by `cargo precast on`, in the place of ";

/// Writes the configuration, if it is not there already.
pub fn on(request: &Request, store: &Store) -> Result<()> {
    let root = root(request)?;
    let mut document = read(&root)?;
    if is_written(&document) {
        return Ok(());
    }
    let inner = TOOLS.map(|(tool, _)| tool_of_user(tool, &request.directory));
    for ((tool, variable), inner) in TOOLS.into_iter().zip(inner) {
        let build = table(&mut document, "build")?;
        let own = build.get(tool).and_then(|own| own.as_str()).map(str::to_owned);
        let mut program = Value::from(own_name()?);
        if let Some(own) = &own {
            program.decor_mut().set_suffix(format!("{IN_PLACE_OF}{own}"));
        }
        build.insert(tool, Item::Value(program));
        let below = inner.as_deref().and_then(|inner| Path::new(inner).strip_prefix(&root).ok());
        let said = match (&inner, below.and_then(Path::to_str).filter(|_| own.is_some())) {
            // Cargo finds it also where the project has been moved.
            (_, Some(below)) => {
                let mut place = InlineTable::new();
                place.insert("value", below.into());
                place.insert("relative", true.into());
                Value::from(place)
            }
            (Some(inner), None) => Value::from(inner.as_str()),
            (None, None) if tool == WRAPPER => Value::from(ON),
            (None, None) => continue,
        };
        table(&mut document, "env")?.insert(variable, value(said));
    }
    let (file, new) = (config(&root), document.to_string());
    if let Ok(text) = std::fs::read_to_string(&file) {
        store.cache().keep(kinds::PLAN, &before(&new), &text);
    }
    scratch::replace(&file, new.as_bytes())
}

/// The key of a configuration's text before we have changed it to this one: while it is that, `off` gives
/// it back byte for byte.
fn before(text: &str) -> String {
    format!("before-{}", &hash_of(&[text])[..32])
}

/// Takes the lines out of the configuration. False if they were not there.
pub fn off(request: &Request, store: &Store) -> Result<bool> {
    let root = root(request)?;
    let mut document = read(&root)?;
    if !is_written(&document) {
        return Ok(false);
    }
    let file = config(&root);
    let now = std::fs::read_to_string(&file).at("read", &file)?;
    if let Some(text) = store.cache().kept(kinds::PLAN, &before(&now)) {
        return scratch::replace(&file, text.as_bytes()).map(|()| true);
    }
    for (tool, variable) in TOOLS {
        let before = document["build"].get(tool).and_then(|program| {
            let suffix = program.as_value()?.decor().suffix()?.as_str()?;
            suffix.strip_prefix(IN_PLACE_OF).map(|before| before.trim_end().to_owned())
        });
        match before {
            Some(before) => document["build"][tool] = value(before),
            None => remove(&mut document, "build", tool),
        }
        remove(&mut document, "env", variable);
    }
    let text = document.to_string();
    if !text.trim().is_empty() {
        return scratch::replace(&file, text.as_bytes()).map(|()| true);
    }
    std::fs::remove_file(&file).at("remove", &file)?;
    // If nothing else is in it, it was made for this; else it stays.
    let _ = std::fs::remove_dir(root.join(".cargo"));
    Ok(true)
}

/// Whether the workspace in `root` is switched on for cargo in `directory`, which reads only the
/// configuration in and above where it runs.
pub fn is_on(root: &Path, directory: &Path) -> bool {
    let is_read = || cargo::configuration(directory).into_iter().any(|file| is_of(&file, root));
    read(root).is_ok_and(|document| is_written(&document)) && is_read()
}

/// The plan of a cargo that runs without `cargo precast`, for the workspace whose target directory this
/// is in. It is made again when the workspace has changed.
pub fn plan(out: &Path, store: &Store) -> Option<Plan> {
    let target = record::target_of(&out.join("any"))?;
    let key = key(&target);
    let found = Plan::kept(&key, store);
    if found.as_ref().is_some_and(|plan| plan.holds(store)) {
        return found;
    }
    // Many compilers run at once; one makes the plan for all.
    let _lock = store.cache().lock(kinds::PLAN, &key, &|_: &str| {}).ok()?;
    let found = Plan::kept(&key, store);
    if found.as_ref().is_some_and(|plan| plan.holds(store)) {
        return found;
    }
    let is_workspace = |folder: &PathBuf| folder.join("Cargo.lock").is_file();
    let known = found.as_ref().map(|plan| plan.root.clone()).filter(is_workspace);
    let above = || target.ancestors().map(Path::to_owned).find(is_workspace);
    let root = known.or_else(above).or_else(|| of_cargo().filter(is_workspace));
    let made = root.and_then(|root| make(&root, &target, store).ok());
    // An older plan is better than none: it costs time only.
    made.or(found)
}

fn make(root: &Path, target: &Path, store: &Store) -> Result<Plan> {
    let request = Request::workspace(&["--offline".into()], root);
    let plan = Plan::lasting(&request, store)?;
    keep(&plan, target, store);
    Ok(plan)
}

/// Makes the plan for a workspace that is switched on, and keeps it for the compilers that cargo will start.
pub fn prepare(request: &Request, store: &Store) -> Result<Plan> {
    let plan = Plan::lasting(request, store)?;
    plan.sweep(store);
    for target in plan.targets() {
        keep(&plan, target, store);
    }
    Ok(plan)
}

/// The plan by which a compiler was started that writes into this directory.
pub(super) fn active(out: &Path, store: &Store) -> Option<Plan> {
    match std::env::var(plan::VARIABLE) {
        Ok(key) => Plan::kept(&key, store),
        Err(_) => plan(out, store),
    }
}

/// Keeps a plan for the compilers that cargo will start with this target directory.
fn keep(plan: &Plan, target: &Path, store: &Store) {
    plan.keep(&key(target), store);
}

/// Where the cargo that has started us runs.
fn of_cargo() -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        let place = format!("/proc/{}/cwd", std::os::unix::process::parent_id());
        let directory = std::fs::read_link(place).ok()?;
        directory.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).map(Path::to_owned)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

fn key(target: &Path) -> String {
    format!("on-{}", &hash_of(&[target.to_string_lossy().as_bytes()])[..32])
}

/// This program as the configuration names it: by its name alone, if cargo finds it so.
fn own_name() -> Result<String> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let name = own.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let found = program::file(Path::new(&name)).and_then(|file| file.canonicalize().ok());
    match found.is_some() && found == own.canonicalize().ok() {
        true => Ok(name),
        false => Ok(own.to_string_lossy().into_owned()),
    }
}

/// The program that the user has cargo run in the compiler's place.
pub fn inner_wrapper(directory: &Path) -> Option<String> {
    tool_of_user(WRAPPER, directory)
}

/// The rustdoc that the user has chosen.
pub fn real_rustdoc(directory: &Path) -> Option<String> {
    tool_of_user(RUSTDOC, directory)
}

/// A program that the user names for cargo. A path is relative to the directory of the configuration that
/// names it.
fn tool_of_user(tool: &str, directory: &Path) -> Option<String> {
    let name = tool.to_uppercase().replace('-', "_");
    let is_path = |program: &str| program.contains(['/', '\\']);
    let inside = |folder: &Path, program: &str| match is_path(program) {
        true => folder.join(program).to_string_lossy().into_owned(),
        false => program.to_owned(),
    };
    let variable = [name.clone(), format!("CARGO_BUILD_{name}")]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()))
        .map(|program| inside(directory, &program));
    let configured = || {
        let files = cargo::configuration(directory).into_iter();
        files
            .filter_map(|file| {
                let document = std::fs::read_to_string(&file).ok()?.parse::<DocumentMut>().ok()?;
                let folder = file.parent()?.parent()?;
                // Ours names the user's in its variable.
                if is_written(&document) {
                    let (_, variable) = TOOLS.into_iter().find(|(known, _)| *known == tool)?;
                    let said = document["env"].get(variable)?;
                    return match said.get("value") {
                        Some(below) => {
                            Some(folder.join(below.as_str()?).to_string_lossy().into_owned())
                        }
                        None => said.as_str().map(str::to_owned),
                    };
                }
                Some(inside(folder, document.get("build")?.get(tool)?.as_str()?))
            })
            .next()
    };
    variable.or_else(configured).filter(|program| program != ON)
}

/// Whether the file is the workspace's configuration, by whichever path.
fn is_of(file: &Path, root: &Path) -> bool {
    matches!((file.canonicalize(), config(root).canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The file of the configuration, which need not exist.
fn config(root: &Path) -> PathBuf {
    let [first, usual] = CONFIGS.map(|name| root.join(name));
    if first.is_file() {
        first
    } else {
        usual
    }
}

fn is_written(document: &DocumentMut) -> bool {
    let item = |table: &str, key: &str| document.get(table).and_then(|table| table.get(key));
    item("env", VARIABLE).is_some() && item("build", WRAPPER).is_some()
}

fn table<'a>(
    document: &'a mut DocumentMut,
    name: &str,
) -> Result<&'a mut dyn toml_edit::TableLike> {
    if !document.contains_key(name) {
        let mut made = Table::new();
        let before = if document.is_empty() { "" } else { "\n" };
        made.decor_mut().set_prefix(format!("{before}{MADE}\n"));
        document.insert(name, Item::Table(made));
    }
    document[name].as_table_like_mut().ok_or_else(|| {
        Error::new(Class::Usage, format!("`{name}` in cargo's configuration is not a table"))
    })
}

/// Removes a key, and the table if we have made it.
fn remove(document: &mut DocumentMut, name: &str, key: &str) {
    let Some(item) = document.get_mut(name) else { return };
    if let Some(table) = item.as_table_like_mut() {
        table.remove(key);
    }
    let is_made = item.as_table().is_some_and(|table| {
        let prefix = table.decor().prefix().and_then(|prefix| prefix.as_str());
        table.is_empty() && prefix.is_some_and(|prefix| prefix.trim() == MADE)
    });
    if is_made {
        document.remove(name);
    }
}

fn read(root: &Path) -> Result<DocumentMut> {
    let file = config(root);
    match std::fs::read_to_string(&file) {
        Ok(text) => text.parse().class(Class::Usage, format!("cannot read {}", file.display())),
        Err(_) => Ok(DocumentMut::new()),
    }
}

pub fn root(request: &Request) -> Result<PathBuf> {
    let output = cargo::run(request.locate(), |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo finds no workspace", &output.stderr)
            .help("run this in a cargo workspace, or name one with --manifest-path"));
    }
    let manifest = PathBuf::from(output.stdout.trim());
    Ok(manifest.parent().unwrap_or(&request.directory).to_owned())
}
