//! `cargo precast store`, as far as it is about stores that several machines share.

use crate::console::Console;
use crate::store::size;
use clap::Args;
use precast::base::error::{Class, Context, Error, Result};
use precast::base::text::counted;
use precast::cache::remote::Pushed;
use precast::cache::sign::{self, Private, Public, Revoked};
use precast::cache::{Key, Store};
use precast::project::shared::{self, Macros};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};

/// Digits of the names of keys, and of entries.
const KEY_DIGITS: usize = 16;
const ENTRY_DIGITS: usize = 32;

#[derive(Args, Debug)]
pub(crate) struct Which {
    /// Packages, in all their versions
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,

    /// All macro packages of this workspace
    #[arg(long)]
    all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Attest {
    #[command(flatten)]
    which: Which,

    /// Use only what cargo has downloaded before
    #[arg(long)]
    offline: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// A public key, its file or its name; or the name of an entry, as `store list --json` shows it
    #[arg(value_name = "KEY|ENTRY")]
    what: Vec<String>,
}

pub(crate) fn keygen(file: &Path, console: &Console) -> Result<()> {
    let (public, public_file) = sign::keygen(file)?;
    let value = json!({ "private": file, "public": public_file, "id": public.id() });
    console.result(&value, || {
        format!(
            "{} is the private key, for PRECAST_SIGNING_KEY where artifacts are pushed\n{} is the public one, \
             {}, for whoever is to trust it\n",
            file.display(),
            public_file.display(),
            public.id()
        )
    });
    Ok(())
}

pub(crate) fn list(store: &Store, console: &Console) -> Result<()> {
    let found = store.required_remotes()?.list()?;
    let bytes = found.iter().map(|shared| shared.bytes).sum::<u64>();
    let value = json!({ "artifacts": found, "bytes": bytes });
    console.result(&value, || {
        let line = |shared: &precast::cache::remote::Shared| {
            let label = format!("{} {}", shared.name, shared.version);
            format!("{label:<40} {:>9}  {}\n", size(shared.bytes), shared.id)
        };
        let mut out: String = found.iter().map(line).collect();
        out += &format!("{}, {}\n", counted(found.len(), "artifact"), size(bytes));
        out
    });
    Ok(())
}

/// The store's artifacts that are meant, and what it lacks of the workspace's.
fn keys(which: &Which, store: &Store) -> Result<(Vec<Key>, Vec<String>)> {
    if which.all {
        return Macros::of(&directory()?, store)?.held(store);
    }
    let held: Vec<Key> = store.list().into_iter().filter_map(|item| item.key).collect();
    for name in &which.names {
        if !held.iter().any(|key| key.name == *name) {
            let error = Error::new(Class::Usage, format!("the store has no {name}"));
            return Err(error.help("`cargo precast store list` shows what it has"));
        }
    }
    let named = |key: &Key| which.names.contains(&key.name);
    Ok((held.into_iter().filter(named).collect(), Vec::new()))
}

pub(crate) fn push(which: &Which, store: &Store, console: &Console) -> Result<()> {
    store.required_remotes()?.settings().require_write()?;
    let signer = Private::of_environment()?;
    let (keys, missing) = keys(which, store)?;
    let step = |key: &Key| console.step(&format!("pushing {}", key.label()));
    let done = each(&keys, |key| {
        step(key);
        store.push(key, &signer)
    });
    report(&done, &missing, console)
}

pub(crate) fn attest(options: &Attest, store: &Store, console: &Console) -> Result<()> {
    store.required_remotes()?.settings().require_write()?;
    let signer = Private::of_environment()?;
    let (keys, missing) = keys(&options.which, store)?;
    let step = |text: &str| console.step(text);
    let done = each(&keys, |key| shared::attest(key, &signer, options.offline, store, &step));
    report(&done, &missing, console)
}

type Done<'a> = Vec<(&'a Key, Result<Pushed>)>;

/// What fails for one is told, after all others were done.
fn each(keys: &[Key], mut work: impl FnMut(&Key) -> Result<Pushed>) -> Done<'_> {
    keys.iter().map(|key| (key, work(key))).collect()
}

fn report(done: &Done, missing: &[String], console: &Console) -> Result<()> {
    console.clear();
    let count = |wanted: Pushed| {
        done.iter().filter(|(_, pushed)| pushed.as_ref().is_ok_and(|p| *p == wanted)).count()
    };
    let (n_new, n_signed, n_known) =
        (count(Pushed::New), count(Pushed::Signed), count(Pushed::Known));
    let value = |(key, pushed): &(&Key, Result<Pushed>)| -> Value {
        let (outcome, problem) = match pushed {
            Ok(Pushed::New) => ("new", None),
            Ok(Pushed::Signed) => ("signed", None),
            Ok(Pushed::Known) => ("known", None),
            Err(error) => ("failed", Some(error.to_string())),
        };
        json!({ "id": key.id(), "name": key.label(), "outcome": outcome, "problem": problem })
    };
    let values: Vec<Value> = done.iter().map(value).collect();
    console.result(&json!({ "artifacts": values, "missing": missing }), || {
        let new = counted(n_new, "new artifact");
        let mut text = format!("{new}, {n_signed} signed as well, {n_known} known before\n");
        if !missing.is_empty() {
            text += &format!(
                "not in the user's store, and so not pushed: {}\n`cargo precast build --missing pack` packs \
                 what a build needs, `cargo precast pack --all` everything\n",
                missing.join(", ")
            );
        }
        text
    });
    let failed: Vec<&Error> = done.iter().filter_map(|(_, pushed)| pushed.as_ref().err()).collect();
    match failed.as_slice() {
        [] => Ok(()),
        [one] => Err(one.again()),
        [first, rest @ ..] => {
            let lines: Vec<String> = rest.iter().map(|error| format!("\n{error}")).collect();
            let message = format!("{} failed: {first}{}", failed.len(), lines.concat());
            let error = Error::new(first.class(), message);
            Err(first.help_text().map_or(error.again(), |help| error.help(help)))
        }
    }
}

pub(crate) fn pull(which: &Which, store: &Store, console: &Console) -> Result<()> {
    store.required_remotes()?.take_time();
    console.step("asking the shared stores");
    let (fetched, missing) = match which.all {
        true => {
            let macros = Macros::of(&directory()?, store)?;
            let fetched = macros.pull(store)?;
            let missing = macros.held(store)?.1;
            (fetched, missing)
        }
        false => (shared::pull(&which.names, store)?, Vec::new()),
    };
    console.clear();
    fetched.note.iter().for_each(|note| console.warning(note));
    let value = json!({ "new": fetched.ids.len(), "missing": missing, "note": fetched.note });
    console.result(&value, || {
        let mut text = format!("{}\n", counted(fetched.ids.len(), "new artifact"));
        if !missing.is_empty() {
            text += &format!("no store has {}\n", missing.join(", "));
        }
        text
    });
    Ok(())
}

pub(crate) fn revoke(options: &Revoke, store: &Store, console: &Console) -> Result<()> {
    let remotes = store.required_remotes()?;
    let signer = Private::of_environment()?;
    let mut more = Revoked::default();
    for text in &options.what {
        let is_name = text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
        match text.len() {
            KEY_DIGITS if is_name => more.keys.insert(text.clone()),
            ENTRY_DIGITS if is_name => more.entries.insert(text.clone()),
            _ => more.keys.insert(Public::parse(text)?.id().to_owned()),
        };
    }
    let list = remotes.revoke(more, &signer)?;
    console.result(&list, || {
        let (keys, entries) = (counted(list.keys.len(), "key"), list.entries.len());
        let entries = match entries {
            1 => "1 entry".to_owned(),
            n => format!("{n} entries"),
        };
        format!("the list of {} revokes {keys} and {entries}\n", signer.public().id())
    });
    Ok(())
}

fn directory() -> Result<PathBuf> {
    std::env::current_dir().context("the current directory is gone")
}
