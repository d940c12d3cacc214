//! What is said, in the order of the newer protocol: postcard knows variants and fields by their places.
//! JSON has them by name.

use super::tree::Flat;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    Request(Request),
    Response(Response),
    SubRequest(Question),
    SubResponse(Answer),
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    ListMacros { dylib_path: PathBuf },
    ExpandMacro(Box<Expand>),
    ApiVersionCheck {},
    SetConfig(Settings),
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Response {
    ListMacros(Result<Vec<(String, MacroKind)>, String>),
    ExpandMacro(Result<Flat, String>),
    ApiVersionCheck(u32),
    SetConfig(Settings),
    ExpandMacroExtended(Result<Extended, String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MacroKind {
    CustomDerive,
    Attr,
    FuncLike,
}

/// What the server asks while it expands.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    FilePath { file_id: u32 },
    SourceText { file_id: u32, ast_id: u32, start: u32, end: u32 },
    LocalFilePath { file_id: u32 },
    LineColumn { file_id: u32, ast_id: u32, offset: u32 },
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    FilePathResult {
        name: String,
    },
    SourceTextResult {
        text: Option<String>,
    },
    LocalFilePathResult {
        name: Option<String>,
    },
    LineColumnResult {
        line: u32,
        column: u32,
    },
    ByteRangeResult {
        range: (u64, u64),
    },
    SpanSourceResult {
        file_id: u32,
        ast_id: u32,
        start: u32,
        end: u32,
        ctx: u32,
    },
    /// Nothing is answered: the expansion is of no use any more.
    Cancel {
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpanMode {
    /// Spans are numbers without a meaning.
    #[default]
    Id,
    /// Spans are those of rust-analyzer, in a table.
    RustAnalyzer,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub span_mode: SpanMode,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Expand {
    pub lib: PathBuf,
    pub env: Vec<(String, String)>,
    pub current_dir: Option<String>,
    /// An attribute's item.
    pub macro_body: Flat,
    pub macro_name: String,
    /// The arguments of an attribute.
    pub attributes: Option<Flat>,
    #[serde(default)]
    pub has_global_spans: Globals,
    #[serde(default)]
    pub span_data_table: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Globals {
    pub def_site: u64,
    pub call_site: u64,
    pub mixed_site: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Extended {
    pub tree: Flat,
    pub span_data_table: Vec<u32>,
}
