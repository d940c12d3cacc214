//! Records that macros leave in their expansions (`precast-macro`'s `aux`).

use base64::prelude::{Engine, BASE64_STANDARD};
use proc_macro2::{TokenStream, TokenTree};
use serde::Serialize;

/// How a record begins: `precast-macro` writes it. The number is that of the form.
pub(crate) const START: &str = "precast.record.1|";

/// A record of one expansion. Where the item is, and so its whole path, only a compiler knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Emitted {
    /// The key, as the macro gave it.
    pub key: String,
    /// The item in the module of the expansion; none for the module.
    pub item: Option<String>,
    /// What was emitted.
    #[serde(flatten)]
    pub data: Data,
    /// `NAME@VERSION` of the macro package.
    #[serde(rename = "macro")]
    pub by: String,
}

/// As JSON can have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Data {
    /// A text.
    #[serde(rename = "data")]
    Text(String),
    /// Bytes that are no text, in base64.
    #[serde(rename = "base64")]
    Bytes(String),
}

/// All records in an expansion, in their order.
pub fn of(expansion: &TokenStream) -> Vec<Emitted> {
    let mut found = Vec::new();
    walk(expansion.clone(), &mut found);
    found
}

fn walk(stream: TokenStream, found: &mut Vec<Emitted>) {
    for token in stream {
        let TokenTree::Group(group) = token else { continue };
        let texts = texts(group.stream());
        match record(&texts) {
            Some(record) => found.push(record),
            None => walk(group.stream(), found),
        }
    }
}

/// The string literals among the tokens: the arguments of `concat!`.
fn texts(stream: TokenStream) -> Vec<String> {
    let literal = |token: TokenTree| match token {
        TokenTree::Literal(literal) => Some(literal.to_string().trim_matches('"').to_owned()),
        _ => None,
    };
    stream.into_iter().filter_map(literal).collect()
}

/// `"START MACRO|KEY|DATA|N|"`, then `"::ITEM|"`.
fn record(texts: &[String]) -> Option<Emitted> {
    let [head, item, ..] = texts else { return None };
    let fields: Vec<&str> = head.strip_prefix(START)?.split('|').collect();
    let [by, key, data, ..] = fields[..] else { return None };
    let item = item.strip_suffix('|')?.strip_prefix("::").map(str::to_owned);
    let data = match String::from_utf8(decode(data)) {
        Ok(text) => Data::Text(text),
        Err(error) => Data::Bytes(BASE64_STANDARD.encode(error.as_bytes())),
    };
    let key = String::from_utf8_lossy(&decode(key)).into_owned();
    Some(Emitted { key, item, data, by: by.to_owned() })
}

/// Bytes as `precast-macro` writes them: all but letters, digits and some punctuation is `%` and two digits.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// The other way round.
pub(crate) fn encode(bytes: &[u8]) -> String {
    const PLAIN: &[u8] = b" _-.,:/{}[]()<>@'*+!?;&";
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte.is_ascii_alphanumeric() || PLAIN.contains(byte) {
            true => text.push(char::from(*byte)),
            false => text += &format!("%{byte:02x}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), all);
        assert_eq!(decode("%zz%"), b"%zz%");
    }

    #[test]
    fn records_among_other_code() {
        let text = "struct A; mod m { const _: Option<&'static str> = ::core::option_env!(::core::concat!(\
                    \"precast.record.1|m@0.1.0|k%7c|%22a|0|\", ::core::module_path!(), \"::B|\", \
                    ::core::line!())); }\n\
                    const _: X = option_env!(concat!(\"precast.record.1|m@0.1.0|k|%ff|0|\", module_path!(), \"|\"));\n\
                    const C: &str = concat!(\"precast.record\", \"|\");";
        let found = of(&text.parse().unwrap());
        let record = |key: &str, item: Option<&str>, data| Emitted {
            key: key.into(),
            item: item.map(str::to_owned),
            data,
            by: "m@0.1.0".into(),
        };
        let first = record("k|", Some("B"), Data::Text("\"a".into()));
        assert_eq!(found, [first, record("k", None, Data::Bytes("/w==".into()))]);
    }
}
