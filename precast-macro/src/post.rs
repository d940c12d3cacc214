//! After the build: all records in, files and diagnostics out. Both cross as tokens.

use crate::diagnostic::Level;
use crate::encode::{decode, encode};
use proc_macro::{Ident, Literal, Span, TokenStream, TokenTree};
use std::slice::Iter;

/// A record of an expansion, after the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The package in which the macro was used, and its version.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The target of that package: `lib`, `bin NAME`, `test NAME`.
    pub target: String,
    /// The path of the item, or else of the module, as the compiler resolves it: `crate_name::module::Item`.
    pub path: String,
    /// Where the macro was used.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// The author's word for what it is.
    pub key: String,
    /// What was emitted.
    pub data: Vec<u8>,
}

impl Record {
    /// The data, if it is text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.data).unwrap_or_default()
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or_default()
    }
}

/// All records of a build that macros of this package have emitted, by package, target, file, line and column.
#[derive(Clone, Debug, Default)]
pub struct Records(Vec<Record>);

impl Records {
    /// All of them.
    pub fn iter(&self) -> Iter<'_, Record> {
        self.0.iter()
    }

    /// Those with this key.
    pub fn of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Record> + 'a {
        self.0.iter().filter(move |record| record.key == key)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = &'a Record;
    type IntoIter = Iter<'a, Record>;

    fn into_iter(self) -> Iter<'a, Record> {
        self.iter()
    }
}

/// What a function that runs after the build leaves: files below its directory, and diagnostics.
///
/// Files are written when all functions have returned, and only if none has told an error. What a build before wrote
/// and this one did not is removed.
#[derive(Debug, Default)]
pub struct Output {
    tokens: Vec<TokenTree>,
}

impl Output {
    /// A file, by its path below the directory: `types/user.ts`.
    pub fn write(&mut self, path: &str, content: impl AsRef<[u8]>) {
        self.add("file", &[path.as_bytes(), content.as_ref()]);
    }

    /// An error of the build.
    pub fn error(&mut self, message: &str) {
        self.tell(Level::Error, message, None);
    }

    /// An error at the place of a record.
    pub fn error_at(&mut self, record: &Record, message: &str) {
        self.tell(Level::Error, message, Some(record));
    }

    /// A warning.
    pub fn warning(&mut self, message: &str) {
        self.tell(Level::Warning, message, None);
    }

    /// A warning at the place of a record.
    pub fn warning_at(&mut self, record: &Record, message: &str) {
        self.tell(Level::Warning, message, Some(record));
    }

    /// More about what was told before: another place of it.
    pub fn note_at(&mut self, record: &Record, message: &str) {
        self.tell(Level::Note, message, Some(record));
    }

    fn tell(&mut self, level: Level, message: &str, record: Option<&Record>) {
        let (file, line, column) = match record {
            Some(record) => {
                (record.file.as_str(), record.line.to_string(), record.column.to_string())
            }
            None => ("", String::new(), String::new()),
        };
        let texts = [message.as_bytes(), file.as_bytes(), line.as_bytes(), column.as_bytes()];
        self.add(level.as_str(), &texts);
    }

    fn add(&mut self, word: &str, texts: &[&[u8]]) {
        self.tokens.push(TokenTree::Ident(Ident::new(word, Span::call_site())));
        for text in texts {
            self.tokens.push(TokenTree::Literal(Literal::string(&encode(text))));
        }
    }
}

/// Fields of a record as they cross.
const N_FIELDS: usize = 9;

#[doc(hidden)]
pub fn post_process(input: TokenStream, functions: &[fn(&Records, &mut Output)]) -> TokenStream {
    let records = read(input);
    let mut output = Output::default();
    for function in functions {
        function(&records, &mut output);
    }
    output.tokens.into_iter().collect()
}

fn read(input: TokenStream) -> Records {
    let texts: Vec<Vec<u8>> =
        input.into_iter().map(|token| decode(token.to_string().trim_matches('"'))).collect();
    let records = texts.chunks_exact(N_FIELDS).map(|fields| {
        let text = |at: usize| String::from_utf8_lossy(&fields[at]).into_owned();
        let number = |at: usize| text(at).parse().unwrap_or(0);
        Record {
            package: text(0),
            version: text(1),
            target: text(2),
            path: text(3),
            file: text(4),
            line: number(5),
            column: number(6),
            key: text(7),
            data: fields[8].clone(),
        }
    });
    Records(records.collect())
}

#[doc(hidden)]
pub fn fingerprint(value: u64) -> TokenStream {
    TokenTree::Literal(Literal::u64_suffixed(value)).into()
}
