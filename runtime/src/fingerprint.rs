//! What else the macros' results depend on, as their author says it (`fingerprint!` of precast-macro): a number
//! that joins the name of the file in which expansions are remembered.

use super::api::TokenStream;
use super::fault::Fault;
use super::text::{joined, shown};
use super::{setting, Machine};

/// The macro that expands to the number.
const MACRO: &str = "__precast_fingerprint";

/// Behind the file's name; nothing if the module has none, or nobody remembers.
pub fn of(machine: &mut Machine) -> Result<String, Fault> {
    if setting("PRECAST_EXPANSIONS").is_empty() {
        return Ok(String::new());
    }
    if let None = machine.instance.export(MACRO) {
        return Ok(String::new());
    }
    let text = match machine.expand(MACRO, TokenStream::new(), None) {
        Ok(output) => shown(&output.stream),
        Err(failure) => return Err(failure.fault),
    };
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !bytes[i].is_ascii_alphanumeric() {
            return Err(Fault::Damaged(String::from("its fingerprint is no number")));
        }
        i += 1;
    }
    Ok(joined(&["-", &text]))
}
