//! `cargo precast store`.

use crate::console::Console;
use crate::shared;
use clap::{Args, Subcommand};
use precast::base::error::{Class, Context, Error, Result};
use precast::base::scratch::Scratch;
use precast::base::text::counted;
use precast::cache::{self, Item, Store};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Look after the artifacts that all your projects share
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What is in it, and how large
    List {
        /// What the shared stores have instead
        #[arg(long)]
        remote: bool,
    },
    /// Remove what was used least lately, until the store is below its size
    Gc {
        /// The size to stay below, such as 500M or 2G; else PRECAST_CACHE_LIMIT, else 10G
        #[arg(long, value_name = "SIZE")]
        limit: Option<String>,
    },
    /// Read every artifact to the last byte; exit status 3 if one is damaged
    Verify {
        /// Remove what is damaged
        #[arg(long)]
        remove: bool,
    },
    /// Sign artifacts, and put them into the first shared store
    Push(shared::Which),
    /// Take over what shared stores have
    Pull(shared::Which),
    /// Build artifacts of a shared store again and, where that gives the same, sign them as well
    Attest(shared::Attest),
    /// Revoke keys or entries in the first shared store; without any, date its list anew
    Revoke(shared::Revoke),
    /// Make a pair of keys to sign with: FILE, and FILE.pub for those who are to trust it
    Keygen {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write artifacts to one file, for a CI cache or another machine
    Export {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only these packages
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Take in what an exported file contains
    Import {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let store = Store::open(None)?;
    match &options.command {
        Command::List { remote: false } => list(&store, console),
        Command::List { remote: true } => shared::list(&store, console),
        Command::Push(options) => shared::push(options, &store, console),
        Command::Pull(options) => shared::pull(options, &store, console),
        Command::Attest(options) => shared::attest(options, &store, console),
        Command::Revoke(options) => shared::revoke(options, &store, console),
        Command::Keygen { file } => shared::keygen(file, console),
        Command::Gc { limit } => gc(&store, limit.as_deref(), console),
        Command::Verify { remove } => verify(&store, *remove, console),
        Command::Export { file, names } => export(&store, file, names, console),
        Command::Import { file } => import(&store, file, console),
    }
    .context("store")
}

fn list(store: &Store, console: &Console) -> Result<()> {
    let items = store.list();
    let total = store.bytes();
    let values: Vec<Value> = items.iter().map(value).collect();
    let value = json!({ "artifacts": values, "bytes": total, "directory": store.directory() });
    console.result(&value, || {
        let mut out: String = items.iter().map(|item| text(item) + "\n").collect();
        let bytes = items.iter().map(|item| item.bytes).sum::<u64>();
        out += &format!(
            "{}, {}; with what packing keeps, {} in {}\n",
            counted(items.len(), "artifact"),
            size(bytes),
            size(total),
            store.directory().display()
        );
        out
    });
    Ok(())
}

fn value(item: &Item) -> Value {
    let used = item.used.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    json!({ "id": item.id, "key": item.key, "bytes": item.bytes, "used": used })
}

fn text(item: &Item) -> String {
    let Some(key) = &item.key else { return format!("{}  damaged", item.id) };
    let features: Vec<&str> = key.features.iter().map(String::as_str).collect();
    let features = if features.is_empty() { "-".to_owned() } else { features.join(",") };
    let age = SystemTime::now().duration_since(item.used).unwrap_or_default().as_secs();
    let age = match age {
        0..3600 => format!("{} min", age / 60),
        3600..172_800 => format!("{} h", age / 3600),
        _ => format!("{} days", age / 86400),
    };
    format!("{:<40} {:>9}  used {age} ago  {features}", key.label(), size(item.bytes))
}

fn gc(store: &Store, limit: Option<&str>, console: &Console) -> Result<()> {
    let cleaned = store.clean(cache::limit(limit)?)?;
    let value = json!({
        "removed": cleaned.n_removed,
        "bytes_removed": cleaned.bytes_removed,
        "bytes_left": cleaned.bytes_left,
    });
    console.result(&value, || {
        let (removed, left) = (size(cleaned.bytes_removed), size(cleaned.bytes_left));
        let entries = if cleaned.n_removed == 1 { "entry" } else { "entries" };
        format!("removed {} {entries}, {removed}; {left} left\n", cleaned.n_removed)
    });
    Ok(())
}

fn verify(store: &Store, remove: bool, console: &Console) -> Result<()> {
    let items = store.list();
    let mut damaged = Vec::new();
    for item in &items {
        if let Err(error) = store.check(item) {
            damaged.push((item, error.to_string()));
        }
    }
    for (item, _) in damaged.iter().filter(|_| remove) {
        store.remove(item)?;
    }
    let name = |item: &Item| item.key.as_ref().map_or(item.id.clone(), |key| key.label());
    let list: Vec<Value> = damaged
        .iter()
        .map(|(item, why)| json!({ "id": item.id, "name": name(item), "problem": why }))
        .collect();
    if damaged.is_empty() || remove {
        let value = json!({ "artifacts": items.len(), "removed": list });
        console.result(&value, || {
            let artifacts = counted(items.len(), "artifact");
            match damaged.len() {
                0 => format!("{artifacts}, none damaged\n"),
                n => format!("{artifacts}, {n} damaged and removed\n"),
            }
        });
        return Ok(());
    }
    let lines: Vec<String> =
        damaged.iter().map(|(item, why)| format!("{}: {why}", name(item))).collect();
    let message = format!(
        "{} of {} damaged\n{}",
        lines.len(),
        counted(items.len(), "artifact"),
        lines.join("\n")
    );
    Err(Error::new(Class::Verify, message).help(
        "`cargo precast store verify --remove` removes them; they are packed again when needed",
    ))
}

fn export(store: &Store, file: &Path, names: &[String], console: &Console) -> Result<()> {
    let mut items = store.list();
    for name in names {
        let has = |item: &Item| item.key.as_ref().is_some_and(|key| key.name == *name);
        if !items.iter().any(has) {
            return Err(Error::new(Class::Usage, format!("the store has no {name}"))
                .help("`cargo precast store list` shows what it has"));
        }
    }
    let wanted = |item: &Item| match &item.key {
        Some(key) => names.is_empty() || names.contains(&key.name),
        None => false,
    };
    items.retain(wanted);
    for key in items.iter().filter_map(|item| item.key.as_ref()) {
        store.whole(key)?;
    }
    let bytes = store.export(&items)?;
    let scratch = Scratch::beside(file)?;
    let new = scratch.path().join("new");
    std::fs::write(&new, &bytes).at("write", &new)?;
    std::fs::rename(&new, file).at("write", file)?;
    let value = json!({ "file": file, "artifacts": items.len(), "bytes": bytes.len() });
    console.result(&value, || {
        let artifacts = counted(items.len(), "artifact");
        format!("{artifacts}, {} in {}\n", size(bytes.len() as u64), file.display())
    });
    Ok(())
}

fn import(store: &Store, file: &Path, console: &Console) -> Result<()> {
    let bytes = std::fs::read(file).at("read", file)?;
    let carried = store.import(&bytes)?;
    let value = json!({ "new": carried.n_new, "known": carried.n_known });
    console.result(&value, || {
        let new = counted(carried.n_new, "new artifact");
        format!("{new}, {} known before\n", carried.n_known)
    });
    Ok(())
}

pub(crate) fn size(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
