//! `cargo precast on` and `off`.

use crate::console::Console;
use crate::workspace::Workspace;
use clap::Args;
use precast::base::error::{Class, Error, Result};
use precast::cache::Store;
use precast::project::{self, switch, Choice, Missing, Request};
use serde_json::json;

#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    workspace: Workspace,
}

pub(crate) fn on(options: &Options, console: &Console) -> Result<()> {
    let request = request(options)?;
    let store = Store::open(None)?;
    switch::on(&request, &store)?;
    let plan = switch::prepare(&request, &store)?;
    project::finish(&plan, None, &store)?;
    console.clear();
    project::summary(&plan.macros).iter().for_each(|line| console.summary(line));
    plan.note.iter().for_each(|note| console.warning(note));
    if std::env::var_os("RUSTC_WRAPPER").is_some() {
        console.note(
            "RUSTC_WRAPPER is set and comes before cargo's configuration: where it is, cargo runs \
             without precast",
        );
    }
    let is_later = plan.missing == Missing::Later;
    console.result(&json!({ "on": true, "macros": plan.macros, "later": is_later }), || {
        "Every cargo command in this workspace now uses the shims, until `cargo precast off`.\n"
            .to_owned()
    });
    Ok(())
}

pub(crate) fn off(options: &Options, console: &Console) -> Result<()> {
    let was_on = switch::off(&request(options)?, &Store::open(None)?)?;
    console.result(&json!({ "on": false, "was_on": was_on }), || match was_on {
        true => "Cargo builds the macros from source again.\n".to_owned(),
        false => "It was not on.\n".to_owned(),
    });
    Ok(())
}

fn request(options: &Options) -> Result<Request> {
    if options.workspace.choice() != Choice::default() {
        let message = "`--only` and `--except` hold for one command";
        return Err(Error::new(Class::Usage, message)
            .help("write `only` or `except` into [workspace.metadata.precast] of Cargo.toml"));
    }
    options.workspace.request()
}
