//! The protocol of rust-analyzer's macro server: JSON, and the newer one in which the server may ask back.
//!
//! Of both, the version that numbers itself 6. The newer one is a prototype, whose form is that of rust-analyzer
//! up to May 2026; a later one falls back to JSON by itself.

mod channel;
mod format;
mod message;
mod tree;

use super::macros::{Expanded, Macros, Surroundings, Use};
use crate::artifact::manifest::{Kind, Macro};
use crate::base::error::Error;
use crate::tokens::{answer, Questions, Sites, TokenStream};
use channel::Channel;
pub use format::Format;
use message::{Expand, Extended, MacroKind, Message, Request, Response, Settings, SpanMode};
use std::cell::RefCell;
use std::io::{self, BufRead, Write};
use std::rc::Rc;
use tree::{Flat, Table};

/// `HASHED_AST_ID`: literals and identifiers have their kinds with them.
const VERSION: u32 = 6;

/// Answers until the other side closes the channel.
pub(super) fn serve(
    format: Format,
    input: impl BufRead + 'static,
    output: impl Write + 'static,
) -> io::Result<()> {
    let channel = Rc::new(RefCell::new(Channel::new(format, Box::new(input), Box::new(output))));
    let mut macros = Macros::default();
    let mut mode = SpanMode::Id;
    loop {
        let message = channel.borrow_mut().read()?;
        let request = match message {
            None => return Ok(()),
            Some(Message::Request(request)) => request,
            // An answer to what an expansion asked that has ended since.
            Some(_) => continue,
        };
        let response = match request {
            Request::ApiVersionCheck {} => Response::ApiVersionCheck(VERSION),
            Request::SetConfig(Settings { span_mode }) => {
                mode = span_mode;
                Response::SetConfig(Settings { span_mode })
            }
            Request::ListMacros { dylib_path } => {
                Response::ListMacros(list(macros.list(&dylib_path).map(|(_, _, macros)| macros)))
            }
            Request::ExpandMacro(task) => {
                let questions: Option<Rc<RefCell<dyn Questions>>> = match format {
                    Format::Postcard if mode == SpanMode::RustAnalyzer => Some(channel.clone()),
                    _ => None,
                };
                let result = expand(&mut macros, *task, mode, questions);
                proc_macro2::extra::invalidate_current_thread_spans();
                match mode {
                    SpanMode::Id => Response::ExpandMacro(result.map(|extended| extended.tree)),
                    SpanMode::RustAnalyzer => Response::ExpandMacroExtended(result),
                }
            }
        };
        channel.borrow_mut().write(Message::Response(response))?;
    }
}

fn list(macros: crate::Result<&[Macro]>) -> Result<Vec<(String, MacroKind)>, String> {
    let kind = |kind| match kind {
        Kind::Derive => MacroKind::CustomDerive,
        Kind::Attribute => MacroKind::Attr,
        Kind::Bang => MacroKind::FuncLike,
    };
    let macros = macros.map_err(|error| told(&error))?;
    Ok(macros.iter().map(|item| (item.name.clone(), kind(item.kind))).collect())
}

fn told(error: &Error) -> String {
    match error.help_text() {
        Some(help) => format!("{error} ({help})"),
        None => error.to_string(),
    }
}

fn expand(
    macros: &mut Macros,
    task: Expand,
    mode: SpanMode,
    questions: Option<Rc<RefCell<dyn Questions>>>,
) -> Result<Extended, String> {
    let mut table = match mode {
        SpanMode::Id => Table::Ids,
        SpanMode::RustAnalyzer => Table::read(&task.span_data_table)?,
    };
    let spans = &task.has_global_spans;
    let call_site = table.place(spans.call_site as u32)?;
    let sites = Sites { call_site, mixed_site: table.place(spans.mixed_site as u32)?, questions };
    let used = Use {
        kind: None,
        name: &task.macro_name,
        input: task.macro_body.read(&table)?,
        arguments: task.attributes.map(|tree| tree.read(&table)).transpose()?,
    };
    let place = Surroundings { variables: task.env, directory: task.current_dir.map(Into::into) };
    let expanded: crate::Result<Expanded> =
        answer(sites, || macros.expand(&task.lib, used, &place));
    let stream: TokenStream = expanded.map_err(|error| told(&error))??;
    let tree = Flat::write(&stream, call_site, &mut table);
    Ok(Extended { tree, span_data_table: table.write() })
}
