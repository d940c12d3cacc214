//! `cargo precast status`.

use crate::console::Console;
use clap::Args;
use precast::base::error::Result;
use precast::cache::Store;
use precast::project::later::{self, Status};

/// Show which macros are being packed after a build
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Return when all of them are packed
    #[arg(long)]
    wait: bool,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let store = Store::open(None)?;
    let status = match options.wait {
        true => {
            let mut before = None;
            later::wait(&store, |status| {
                if status.step != before {
                    status.step.iter().for_each(|step| console.step(step));
                    before.clone_from(&status.step);
                }
            })?
        }
        false => later::status(&store),
    };
    console.clear();
    console.result(&status, || text(&status));
    Ok(())
}

fn text(status: &Status) -> String {
    let mut out = match (status.packages.len(), status.is_running) {
        (0, _) => "Nothing is left to pack.\n".to_owned(),
        (n, true) => format!("Packing {n}: {}\n", status.packages.join(", ")),
        (n, false) => format!(
            "{n} wait to be packed: {}\nThe next build begins with them; `cargo precast status --wait` \
             does so now.\n",
            status.packages.join(", ")
        ),
    };
    if let Some(step) = &status.step {
        out += &format!("  now: {step}\n");
    }
    if let Some(failure) = &status.failure {
        out +=
            &format!("Packing failed last for this reason, and will be tried again:\n{failure}\n");
    }
    out
}
