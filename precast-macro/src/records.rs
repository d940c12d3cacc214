//! Records of expansions, and how they leave the compiler.
//!
//! `option_env!` notes its argument in the dep-info file that cargo has written for each unit it compiles: on
//! stable, under `check` as well, and with macros in the argument expanded. So the constant
//! `option_env!(concat!("precast.record…", module_path!(), …))` is a line of that file.

use crate::encode::encode;
use crate::expansion;
use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// How each record begins; the number is that of the form.
pub(crate) const START: &str = "precast.record.1";

/// Emits a record of the module in which the macro is used.
///
/// # Panics
/// Outside of [`expand!`](crate::expand).
pub fn emit(key: &str, data: impl AsRef<[u8]>) {
    expansion::add_record(key, None, data.as_ref());
}

/// Emits a record of an item, by its name in the module in which the macro is used: an identifier, or a text.
///
/// A function is no module: an item in one has the path of the module around it.
pub fn emit_for(item: impl ToString, key: &str, data: impl AsRef<[u8]>) {
    expansion::add_record(key, Some(&item.to_string()), data.as_ref());
}

/// Marks an item: a record that has its path and no data.
pub fn mark(item: impl ToString, key: &str) {
    emit_for(item, key, []);
}

/// The item that carries a record.
pub(crate) fn constant(package: &str, key: &str, item: Option<&str>, data: &[u8]) -> String {
    let item = item.map_or(String::new(), |item| format!("::{}", item));
    let head = format!("{}|{}|{}|{}|", START, package, encode(key.as_bytes()), encode(data));
    let n = again(&format!("{}{}", head, item));
    format!(
        "const _: ::core::option::Option<&'static str> = ::core::option_env!(::core::concat!(\
         \"{}{}|\", ::core::module_path!(), \"{}|\", ::core::line!(), \"|\", ::core::column!(), \"|\", \
         ::core::file!()));",
        head, n, item
    )
}

/// How often this process has emitted the same before. One macro can do so twice at one place, and the
/// compiler keeps equal lines once.
fn again(record: &str) -> u32 {
    thread_local! {
        static SEEN: RefCell<HashMap<u64, u32>> = RefCell::new(HashMap::new());
    }
    let mut hasher = DefaultHasher::new();
    record.hash(&mut hasher);
    SEEN.with(|seen| {
        let mut seen = seen.borrow_mut();
        let n = seen.entry(hasher.finish()).or_insert(0);
        *n += 1;
        *n - 1
    })
}
