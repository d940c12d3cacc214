//! JSON-RPC 2.0, a line for each message (docs/serve.md).

use super::macros::{Expanded, Macros, Surroundings, Use};
use super::told::{self, Diagnostic, Texts};
use crate::artifact::manifest::{Kind, Macro};
use crate::base::error::{Class, Error, Result};
use crate::expand::records::{self, Emitted};
use crate::expand::{self, Trace};
use crate::tokens::{Span, TokenStream};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;

/// Raised when a method or a field comes to mean something else.
/// 1 (December 2026): the first.
pub const VERSION: u32 = 1;

/// Numbers of errors that JSON-RPC gives.
pub const UNREADABLE: i32 = -32700;
pub const NO_REQUEST: i32 = -32600;
const NO_METHOD: i32 = -32601;
const BAD_PARAMS: i32 = -32602;
/// An error of ours; its class is in `data`.
const FAILED: i32 = -32000;
/// A worker that took too long, or ended.
pub const ENDED: i32 = -32001;

#[derive(Deserialize)]
pub struct Request {
    jsonrpc: String,
    /// None where no answer is wanted.
    pub id: Option<Value>,
    method: String,
    #[serde(default)]
    params: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpandParams {
    path: PathBuf,
    kind: Kind,
    name: String,
    /// The item, or the tokens of a function-like macro.
    input: String,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    directory: Option<PathBuf>,
}

#[derive(Serialize)]
struct Expansion {
    /// Formatted. None after a panic.
    expansion: Option<String>,
    tokens: Option<String>,
    diagnostics: Vec<Diagnostic>,
    /// What the macro leaves for after a build.
    records: Vec<Emitted>,
    /// None if the instance had to be thrown away.
    trace: Option<Trace>,
}

/// Answers until the other side closes the channel.
pub fn serve(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut macros = Macros::default();
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        if let Some(answer) = answer(&mut macros, &line) {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
    Ok(())
}

/// A request, or the answer to what is none.
pub fn read(line: &str) -> std::result::Result<Request, Value> {
    let value: Value = serde_json::from_str(line)
        .map_err(|error| failure(&Value::Null, UNREADABLE, &error.to_string(), Value::Null))?;
    let id = value.get("id").cloned().unwrap_or_default();
    let request = serde_json::from_value::<Request>(value);
    let error = match request {
        Ok(request) if request.jsonrpc == "2.0" => return Ok(request),
        Ok(request) => format!("JSON-RPC {} is not spoken here, but 2.0", request.jsonrpc),
        Err(error) => error.to_string(),
    };
    Err(failure(&id, NO_REQUEST, &error, Value::Null))
}

pub fn failure(id: &Value, code: i32, message: &str, data: Value) -> Value {
    let mut error = json!({ "code": code, "message": message });
    if !data.is_null() {
        error["data"] = data;
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

fn answer(macros: &mut Macros, line: &str) -> Option<Value> {
    let request = match read(line) {
        Ok(request) => request,
        Err(answer) => return Some(answer),
    };
    let result = dispatch(macros, &request);
    proc_macro2::extra::invalidate_current_thread_spans();
    let id = request.id?;
    Some(match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(Refusal::Method) => {
            let message = format!("no such method: `{}`", request.method);
            failure(
                &id,
                NO_METHOD,
                &message,
                json!({ "help": "there are version, list and expand" }),
            )
        }
        Err(Refusal::Params(error)) => failure(&id, BAD_PARAMS, &error.to_string(), Value::Null),
        Err(Refusal::Failed(error)) => {
            let mut data = json!({ "class": error.class().name(), "code": error.class().code() });
            if let Some(help) = error.help_text() {
                data["help"] = help.into();
            }
            failure(&id, FAILED, &error.to_string(), data)
        }
    })
}

enum Refusal {
    Method,
    Params(serde_json::Error),
    Failed(Error),
}

fn dispatch(macros: &mut Macros, request: &Request) -> std::result::Result<Value, Refusal> {
    let params = request.params.clone();
    match request.method.as_str() {
        "version" => Ok(json!({ "precast": env!("CARGO_PKG_VERSION"), "protocol": VERSION })),
        "list" => {
            let params: ListParams = serde_json::from_value(params).map_err(Refusal::Params)?;
            let (name, version, all) = macros.list(&params.path).map_err(Refusal::Failed)?;
            let described = |item: &Macro| {
                json!({ "name": item.name, "kind": item.kind, "helpers": item.helpers,
                "documentation": item.documentation() })
            };
            let all: Vec<Value> = all.iter().map(described).collect();
            Ok(json!({ "package": { "name": name, "version": version }, "macros": all }))
        }
        "expand" => {
            let params = serde_json::from_value(params).map_err(Refusal::Params)?;
            let expansion = expand(macros, params).map_err(Refusal::Failed)?;
            Ok(serde_json::to_value(expansion).expect("an expansion has only string keys"))
        }
        _ => Err(Refusal::Method),
    }
}

fn expand(macros: &mut Macros, params: ExpandParams) -> Result<Expansion> {
    if params.kind != Kind::Attribute && !params.arguments.is_empty() {
        let message = "only an attribute has arguments";
        return Err(Error::new(Class::Usage, message));
    }
    let input = Text::read("input", &params.input)?;
    let arguments = Text::read("arguments", &params.arguments)?;
    let texts = [&input, &arguments].map(|text| (text.name, text.file.clone()));
    let used = Use {
        kind: Some(params.kind),
        name: &params.name,
        input: input.tokens,
        arguments: Some(arguments.tokens),
    };
    let place = Surroundings {
        variables: params.environment.into_iter().collect(),
        directory: params.directory,
    };
    let (expanded, seen) = macros.trace(&params.path, used, &place, |machine, grants| {
        (expand::trace(machine, grants.env), machine.keep_errors())
    })?;
    let (trace, written) = match seen {
        Some((trace, written)) => (Some(trace), written),
        None => (None, Vec::new()),
    };
    Ok(answered(&params.name, expanded, (trace, &expand::told(&written)), &texts))
}

/// A text that was lexed, and the name that its spans give for its file.
struct Text {
    name: &'static str,
    tokens: TokenStream,
    file: Option<String>,
}

impl Text {
    fn read(name: &'static str, text: &str) -> Result<Text> {
        let tokens = TokenStream::from(expand::tokens(&format!("the {name}"), text)?);
        let file = tokens.trees().first().and_then(|tree| match tree.span() {
            Span::Text(span) | Span::After(span) => Some(span.file()),
            Span::Place(_) => None,
        });
        Ok(Text { name, tokens, file })
    }
}

fn answered(
    name: &str,
    expanded: Expanded,
    (trace, told): (Option<Trace>, &[Value]),
    texts: &Texts,
) -> Expansion {
    match expanded {
        Ok(stream) => {
            let (diagnostics, tokens) = (told::all(&stream, told, texts), stream.to_string());
            let stream = stream.into();
            Expansion {
                tokens: Some(tokens),
                records: records::of(&stream),
                expansion: Some(expand::format(stream)),
                diagnostics,
                trace,
            }
        }
        Err(message) => {
            let mut diagnostics: Vec<Diagnostic> =
                told.iter().map(|value| told::read(value, texts)).collect();
            diagnostics.push(told::error(format!("`{name}` panicked: {message}")));
            Expansion { expansion: None, tokens: None, diagnostics, records: Vec::new(), trace }
        }
    }
}
