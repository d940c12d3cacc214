//! The two forms of the protocol, by the names that rust-analyzer gives them.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line of JSON for each message.
    Json,
    /// Postcard, each message ended by a zero.
    Postcard,
}

impl Format {
    pub const NAMES: [(&'static str, Format); 2] =
        [("json-legacy", Format::Json), ("bidirectional-postcard-prototype", Format::Postcard)];

    pub fn named(name: &str) -> Option<Format> {
        Format::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }
}
