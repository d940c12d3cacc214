//! What is expanded: for each macro crate items as its users write them.

use std::fmt::Write as _;

/// A macro crate, at the version that the figures were taken with.
pub struct Subject {
    pub name: &'static str,
    pub version: &'static str,
    pub extern_name: &'static str,
    /// Items of the long comparison.
    pub items: usize,
    /// The source with so many items.
    pub workload: fn(usize) -> String,
}

pub const SERDE: Subject = Subject {
    name: "serde_derive",
    version: "1.0.229",
    extern_name: "serde_derive",
    items: 400,
    workload: serde,
};

pub const SUBJECTS: [Subject; 5] = [
    SERDE,
    Subject {
        name: "clap_derive",
        version: "4.6.7",
        extern_name: "clap_derive",
        items: 200,
        workload: clap,
    },
    Subject {
        name: "thiserror-impl",
        version: "2.0.21",
        extern_name: "thiserror_impl",
        items: 200,
        workload: thiserror,
    },
    Subject {
        name: "async-trait",
        version: "0.1.92",
        extern_name: "async_trait",
        items: 200,
        workload: async_trait,
    },
    Subject {
        name: "tracing-attributes",
        version: "0.1.31",
        extern_name: "tracing_attributes",
        items: 200,
        workload: tracing,
    },
];

/// `head`, then `n` items, their forms in turn; `@` is the item's number.
fn items(head: &str, forms: &[&str], n: usize) -> String {
    let mut text = format!("#![allow(dead_code)]\n{head}\n");
    for i in 0..n {
        writeln!(text, "{}", forms[i % forms.len()].replace('@', &i.to_string()))
            .expect("a String takes all text");
    }
    text
}

/// Two derives for each type: structs, generic structs and enums with serde's common attributes.
fn serde(n: usize) -> String {
    const FORMS: [&str; 4] = [
        "#[derive(Serialize, Deserialize)]\n#[serde(rename_all = \"camelCase\")]\npub struct Record@ {\n    \
         pub first_name: String,\n    #[serde(default)]\n    pub age: u32,\n    \
         #[serde(skip_serializing_if = \"Option::is_none\")]\n    pub mail: Option<String>,\n    \
         #[serde(rename = \"type\")]\n    pub kind: u8,\n    pub tags: Vec<String>,\n    pub score: f64,\n}",
        "#[derive(Serialize, Deserialize)]\npub enum Event@ {\n    Started,\n    \
         #[serde(rename = \"moved\")]\n    Moved { x: i32, y: i32 },\n    Named(String),\n    Pair(u8, u16),\n}",
        "#[derive(Serialize, Deserialize)]\n#[serde(tag = \"kind\", rename_all = \"snake_case\")]\npub enum Tagged@ {\n    \
         First { value: u64, #[serde(default)] flag: bool },\n    Second { text: String },\n    #[serde(other)]\n    Unknown,\n}",
        "#[derive(Serialize, Deserialize)]\npub struct Generic@<T> {\n    pub inner: T,\n    pub list: Vec<T>,\n    \
         #[serde(skip)]\n    pub cache: Option<u64>,\n}",
    ];
    items("use serde_derive::{Deserialize, Serialize};", &FORMS, n)
}

fn clap(n: usize) -> String {
    const FORMS: [&str; 4] = [
        "/// Does one thing.\n#[derive(Parser)]\n#[command(name = \"tool\", version, about)]\nstruct Cli@ {\n    \
         /// The file to read\n    file: Option<String>,\n    /// How much to say\n    \
         #[arg(short, long, action = clap::ArgAction::Count)]\n    verbose: u8,\n    \
         #[arg(long, default_value_t = 8)]\n    jobs: usize,\n    #[command(subcommand)]\n    command: Option<Command>,\n}",
        "#[derive(Args)]\nstruct Shared@ {\n    /// Where to write\n    \
         #[arg(short, long, value_name = \"DIR\", env = \"OUT\")]\n    out: String,\n    \
         #[arg(long, conflicts_with = \"out\", value_delimiter = ',')]\n    features: Vec<String>,\n}",
        "#[derive(Subcommand)]\nenum Command@ {\n    /// Adds\n    Add { name: String, #[arg(long)] force: bool },\n    \
         /// Removes\n    #[command(alias = \"rm\")]\n    Remove(Shared),\n    List,\n}",
        "#[derive(Clone, ValueEnum)]\nenum Level@ {\n    /// Nothing\n    Off,\n    #[value(alias = \"w\")]\n    Warn,\n    \
         #[value(name = \"all\")]\n    Everything,\n}",
    ];
    items("use clap_derive::{Args, Parser, Subcommand, ValueEnum};", &FORMS, n)
}

fn thiserror(n: usize) -> String {
    const FORMS: [&str; 3] = [
        "#[derive(Debug, Error)]\npub enum Failure@ {\n    #[error(\"cannot read {path}\")]\n    \
         Read { path: String, source: std::io::Error },\n    #[error(\"line {0}: {1:?}\")]\n    Syntax(usize, String),\n    \
         #[error(transparent)]\n    Other(#[from] std::fmt::Error),\n    #[error(\"gone\")]\n    Gone,\n}",
        "#[derive(Debug, Error)]\n#[error(\"{what} at {}\", .line + 1)]\npub struct At@ {\n    what: String,\n    line: usize,\n    \
         #[source]\n    cause: std::io::Error,\n}",
        "#[derive(Debug, Error)]\npub enum Wrapped@<T: std::fmt::Debug + 'static> {\n    #[error(\"wrapped {0:?}\")]\n    One(T),\n    \
         #[error(transparent)]\n    Io(#[from] std::io::Error),\n}",
    ];
    items("use thiserror_impl::Error;", &FORMS, n)
}

fn async_trait(n: usize) -> String {
    const FORMS: [&str; 3] = [
        "#[async_trait]\npub trait Store@ {\n    async fn load(&self, key: &str) -> Option<Vec<u8>>;\n    \
         async fn save(&mut self, key: String, value: &[u8]) -> Result<(), String> {\n        \
         if key.is_empty() { return Err(key); }\n        self.put(&key, value).await\n    }\n}",
        "#[async_trait]\nimpl Store for Disk@ {\n    async fn load(&self, key: &str) -> Option<Vec<u8>> {\n        \
         let file = self.open(key).await.ok()?;\n        let mut bytes = Vec::new();\n        \
         while let Some(chunk) = file.next().await { bytes.extend(chunk); }\n        Some(bytes)\n    }\n}",
        "#[async_trait(?Send)]\ntrait Visit@<T> where T: Clone {\n    async fn visit<'a>(&'a self, item: &'a T) -> &'a T;\n}",
    ];
    items("use async_trait::async_trait;", &FORMS, n)
}

fn tracing(n: usize) -> String {
    const FORMS: [&str; 3] = [
        "#[instrument]\nfn plain@(a: u32, name: &str) -> usize {\n    let total = name.len() + a as usize;\n    total * 2\n}",
        "#[instrument(skip(body), fields(size = body.len()), err)]\nasync fn send@(url: String, body: Vec<u8>) -> Result<u16, String> {\n    \
         let answer = post(&url, body).await?;\n    if answer > 400 { return Err(url); }\n    Ok(answer)\n}",
        "#[instrument(level = \"debug\", name = \"work\", ret)]\npub fn work@<T: std::fmt::Debug>(item: T, list: &[T]) -> usize {\n    \
         for other in list { look(other); }\n    list.len()\n}",
    ];
    items("use tracing_attributes::instrument;", &FORMS, n)
}
