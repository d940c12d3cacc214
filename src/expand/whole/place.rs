//! Positions in the sources, for errors.

use crate::base::error::{Class, Error};
use proc_macro2::Span;
use std::path::PathBuf;

/// As deep as the compiler lets macros write macros.
pub const DEPTH_MAX: u32 = 128;

/// What goes wrong is told once, with its place.
pub type Trouble<T> = std::result::Result<T, Error>;

/// The file that is being read.
#[derive(Clone, Debug)]
pub struct Place {
    pub file: PathBuf,
    /// What proc-macro2 calls the file.
    pub id: String,
}

impl Place {
    /// An error at a span of this file. What a macro made has the place of nothing.
    pub fn wrong(&self, span: Span, message: impl AsRef<str>) -> Error {
        let file = self.file.display();
        let message = message.as_ref();
        Error::new(
            Class::Package,
            match span.file() == self.id {
                true => {
                    let at = span.start();
                    format!("{file}:{}:{}: {message}", at.line, at.column + 1)
                }
                false => format!("{file}: in what a macro wrote: {message}"),
            },
        )
    }
}
