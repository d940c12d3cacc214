//! `cargo precast metadata`.

use crate::console::{print_json, Console};
use crate::workspace::Workspace;
use clap::Args;
use precast::base::error::{Class, Error, Result};
use precast::cache::Store;
use precast::project::{metadata, Options as Wanted};

/// Print all macro packages of this workspace as one JSON document for programs (docs/metadata.md)
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The version of the document that is expected
    #[arg(long, value_name = "N", default_value_t = metadata::VERSION)]
    format_version: u32,

    /// As a build with --members would have them: macros in directories packed as well
    #[arg(long)]
    members: bool,

    /// Instead, build the macros that packages have beside their libraries, and write rust-project.json for
    /// rust-analyzer (docs/same-package-macros.md)
    #[arg(long, conflicts_with_all = ["format_version", "members", "only", "except"])]
    rust_project: bool,

    #[command(flatten)]
    workspace: Workspace,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    if options.rust_project {
        return crate::same_package::rust_project(&options.workspace, console);
    }
    if options.format_version != metadata::VERSION {
        let message = format!(
            "this precast does not write version {} of the document",
            options.format_version
        );
        let help = format!("there is version {}", metadata::VERSION);
        return Err(Error::new(Class::Usage, message).help(help));
    }
    let wanted = Wanted {
        choice: options.workspace.choice(),
        members: options.members,
        ..Wanted::default()
    };
    let document = metadata::of(&options.workspace.request()?, &wanted, &Store::open(None)?)?;
    console.clear();
    print_json(&document);
    Ok(())
}
