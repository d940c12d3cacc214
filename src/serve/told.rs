//! What an expansion tells its user: `compile_error!` in its tokens, a panic, and the diagnostics of `precast-macro`.

use crate::tokens::{Span, TokenStream, TokenTree};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, PartialEq, Serialize)]
pub struct Diagnostic {
    /// `error`, `warning`, `note` or `help`
    pub level: String,
    pub message: String,
    /// None where it is the whole use of the macro.
    pub at: Option<At>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Diagnostic>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct At {
    /// `input` or `arguments`
    text: &'static str,
    start: Position,
    end: Position,
}

/// Both count from 1; columns are characters.
#[derive(Debug, PartialEq, Serialize)]
struct Position {
    line: usize,
    column: usize,
}

/// Texts that were lexed, with the names that their spans give for their files.
pub type Texts = [(&'static str, Option<String>); 2];

/// An error of the whole expansion.
pub fn error(message: String) -> Diagnostic {
    Diagnostic { level: "error".to_owned(), message, at: None, children: Vec::new() }
}

/// All of an expansion: `told` are lines of the compiler's JSON.
pub fn all(stream: &TokenStream, told: &[Value], texts: &Texts) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = told.iter().map(|value| read(value, texts)).collect();
    let mut errors = Vec::new();
    collect_errors(stream, texts, &mut errors);
    // The library's errors are among the tokens as well, with their children as lines.
    let is_known = |error: &Diagnostic| {
        found.iter().any(|known| {
            let rest = error.message.strip_prefix(&known.message);
            known.level == "error"
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
        })
    };
    errors.retain(|error| !is_known(error));
    found.extend(errors);
    found
}

/// A diagnostic as the compiler writes it.
pub fn read(value: &Value, texts: &Texts) -> Diagnostic {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let children = value["children"].as_array().into_iter().flatten();
    Diagnostic {
        level: text("level"),
        message: text("message"),
        at: value["spans"].as_array().and_then(|spans| at(spans.first()?, texts)),
        children: children.map(|child| read(child, texts)).collect(),
    }
}

fn at(span: &Value, texts: &Texts) -> Option<At> {
    let file = span["file_name"].as_str()?;
    let (text, _) = texts.iter().find(|(_, name)| name.as_deref() == Some(file))?;
    let number = |key: &str| usize::try_from(span[key].as_u64()?).ok();
    let position =
        |line: &str, column: &str| Some(Position { line: number(line)?, column: number(column)? });
    let start = position("line_start", "column_start")?;
    Some(At { text, start, end: position("line_end", "column_end")? })
}

/// What `compile_error!` says in an expansion.
fn collect_errors(stream: &TokenStream, texts: &Texts, found: &mut Vec<Diagnostic>) {
    let trees = stream.trees();
    for (at, tree) in trees.iter().enumerate() {
        let TokenTree::Group(group) = tree else { continue };
        let is_error = match at.checked_sub(2).map(|start| &trees[start..at]) {
            Some([TokenTree::Ident(name), TokenTree::Punct(bang)]) => {
                name.name() == "compile_error" && bang.as_char() == '!'
            }
            _ => false,
        };
        match group.trees() {
            [TokenTree::Literal(literal), ..] if is_error => {
                let text = syn::parse_str::<syn::LitStr>(literal.text());
                let message = text.map_or_else(|_| literal.text().to_owned(), |text| text.value());
                found.push(Diagnostic {
                    at: place(trees[at - 2].span(), tree.span(), texts),
                    ..error(message)
                });
            }
            _ => collect_errors(&group.stream(), texts, found),
        }
    }
}

fn place(start: Span, end: Span, texts: &Texts) -> Option<At> {
    let (Span::Text(start), Span::Text(end)) = (start, end) else { return None };
    let (text, _) = texts.iter().find(|(_, file)| file.as_ref() == Some(&start.file()))?;
    let position = |at: proc_macro2::LineColumn| Position { line: at.line, column: at.column + 1 };
    let end = if end.file() == start.file() { end } else { start };
    Some(At { text, start: position(start.start()), end: position(end.end()) })
}
