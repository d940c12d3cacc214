//! What a macro's author says of it, as data.

use super::Macro;
use syn::parse::Parser;
use syn::{Attribute, Expr, Lit, Meta};

impl Macro {
    /// Its documentation, in Markdown; empty if there is none.
    pub fn documentation(&self) -> String {
        let texts = self.parsed().into_iter().filter_map(|attribute| text(&attribute.meta, "doc"));
        let lines: Vec<String> = texts
            .flat_map(|text| text.split('\n').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        // As rustdoc: the blank behind `///` is none of the text's.
        let is_indented = lines.iter().all(|line| line.trim().is_empty() || line.starts_with(' '));
        let lines = lines.iter().map(|line| match is_indented {
            true => line.strip_prefix(' ').unwrap_or(line),
            false => line,
        });
        lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
    }

    /// Whether its documentation is not shown.
    pub fn is_hidden(&self) -> bool {
        self.parsed().iter().any(|attribute| match &attribute.meta {
            Meta::List(list) => list.path.is_ident("doc") && list.tokens.to_string() == "hidden",
            _ => false,
        })
    }

    /// Why it is not to be used any more; empty if the author gives no reason.
    pub fn deprecation(&self) -> Option<String> {
        let attributes = self.parsed();
        let found = attributes.iter().find(|found| found.path().is_ident("deprecated"))?;
        let mut note = text(&found.meta, "deprecated").unwrap_or_default();
        if let Meta::List(_) = found.meta {
            // What it does not know ends it: the note is a note still.
            let _ = found.parse_nested_meta(|meta| {
                let text: syn::LitStr = meta.value()?.parse()?;
                if meta.path.is_ident("note") {
                    note = text.value();
                }
                Ok(())
            });
        }
        Some(note)
    }

    fn parsed(&self) -> Vec<Attribute> {
        let each = self.attributes.iter();
        each.flat_map(|text| Attribute::parse_outer.parse_str(text).unwrap_or_default()).collect()
    }
}

/// The text of `#[NAME = "text"]`.
fn text(meta: &Meta, name: &str) -> Option<String> {
    match meta {
        Meta::NameValue(pair) if pair.path.is_ident(name) => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn with(attributes: &[&str]) -> Macro {
        Macro {
            kind: Kind::Bang,
            name: "a".into(),
            function: "a".into(),
            helpers: Vec::new(),
            attributes: attributes.iter().map(|text| text.to_string()).collect(),
        }
    }

    #[test]
    fn documentation() {
        let item = with(&["#[doc = \" One.\"]", "#[doc = \"\"]", "#[doc = \"   two\\n three\"]"]);
        assert_eq!(item.documentation(), "One.\n\n  two\nthree");
        let item = with(&["#[doc = \"One\"]", "#[doc = \" two\"]", "#[doc(hidden)]"]);
        assert_eq!((item.documentation().as_str(), item.is_hidden()), ("One\n two", true));
        assert_eq!((with(&[]).documentation().as_str(), with(&[]).is_hidden()), ("", false));
    }

    #[test]
    fn deprecation() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(with(&[text]).deprecation().as_deref(), expected);
        };
        check("#[deprecated]", Some(""));
        check("#[deprecated = \"old\"]", Some("old"));
        check("#[deprecated(since = \"1.0.0\", note = \"use b\")]", Some("use b"));
        check("#[doc = \"deprecated\"]", None);
    }
}
