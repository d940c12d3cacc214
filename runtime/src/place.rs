//! What tells one consuming crate from another: a server expands for many.

use std::env;
use std::ffi::OsString;

#[derive(PartialEq)]
pub struct Place([Option<OsString>; 2]);

impl Place {
    pub fn now() -> Place {
        Place([env::var_os("CARGO_MANIFEST_DIR"), env::var_os("CARGO_CRATE_NAME")])
    }

    pub fn is_now(&self) -> bool {
        *self == Place::now()
    }
}
