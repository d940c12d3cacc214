//! `cargo precast stamp`.

use crate::console::Console;
use clap::Args;
use precast::artifact::manifest::{decls, Macro};
use precast::artifact::stamp::{self, Edit};
use precast::base::error::{Class, Context, Result};
use precast::base::scratch;
use precast::base::text::counted;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Read or write which macros a wasm module of any origin declares
///
/// They stand in the custom section .rustc_proc_macro_decls. A declaration is derive:Trait:function, derive:Trait:function:helper,helper, attr:name:function or
/// bang:name:function. The function is one that the module exports, of type () -> i32. What is written
/// is sealed by a hash, so a module that was changed after it is refused.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A .wasm module of any origin
    #[arg(value_name = "MODULE")]
    pub(crate) module: PathBuf,

    /// Declare one more macro
    #[arg(long, value_name = "DECLARATION", value_parser = declaration)]
    pub(crate) add: Vec<Macro>,

    /// Declare a macro that is declared already otherwise
    #[arg(long, value_name = "DECLARATION", value_parser = declaration)]
    pub(crate) replace: Vec<Macro>,

    /// Declare a macro no more: its name, or KIND:NAME where several have it
    #[arg(long, value_name = "NAME")]
    pub(crate) remove: Vec<String>,

    /// Accept that the module was changed after it was stamped
    #[arg(long)]
    pub(crate) reseal: bool,

    /// Write to another file than the module's own
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let Options { module, add, replace, remove, reseal, out } = options;
    let path: &Path = module;
    let wasm =
        std::fs::read(path).class(Class::Usage, format!("cannot read {}", path.display()))?;
    let removed = remove.iter().cloned().map(Edit::Remove);
    let replaced = replace.iter().cloned().map(Edit::Replace);
    let edits: Vec<Edit> =
        removed.chain(replaced).chain(add.iter().cloned().map(Edit::Add)).collect();
    let context = path.display().to_string();
    if edits.is_empty() && !reseal {
        let stamp = stamp::read(&wasm).context(context)?;
        let value = json!({ "macros": stamp.macros, "sealed": stamp.is_sealed });
        console.result(&value, || decls(&stamp.macros));
        return Ok(());
    }
    let (stamped, macros) = stamp::edit(&wasm, &edits, *reseal).context(context)?;
    let out = out.as_ref().unwrap_or(module);
    scratch::replace(out, &stamped)?;
    console.done("Stamped", &format!("{} ({})", out.display(), counted(macros.len(), "macro")));
    console.result(&json!({ "module": out, "macros": macros }), || decls(&macros));
    Ok(())
}

fn declaration(text: &str) -> std::result::Result<Macro, String> {
    stamp::declaration(text).map_err(|error| match error.help_text() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    })
}
