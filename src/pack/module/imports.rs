//! Checks a module's imports, and names the crates that need those which the host does not provide.

use crate::base::error::{Class, Error, Result};
use crate::pack::module::parts::Module;
use crate::runtime::calls::CALLS;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{Operator, ValType};

/// Every import must be one of the runtime's host calls, with its type.
pub fn check(module: &Module) -> Result<()> {
    let unknown: Vec<u32> = (0..module.n_imports()).filter(|at| !is_known(module, *at)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let callers = callers(module);
    let described: Vec<String> = unknown
        .iter()
        .map(|at| {
            let import = &module.imports[*at as usize];
            let crates = crates_behind(module, &callers, *at).join(", ");
            format!("{}.{} (used by: {crates})", import.module, import.name)
        })
        .collect();
    let message = format!("the module imports what no host provides: {}", described.join("; "));
    Err(Error::new(Class::Package, message).help(
        "a packed macro may use environment, files, standard error, clock and random numbers only",
    ))
}

fn is_known(module: &Module, at: u32) -> bool {
    let import = &module.imports[at as usize];
    let ty = &module.types[module.functions[at as usize] as usize];
    CALLS.iter().any(|call| {
        call.module == import.module
            && call.name == import.name
            && codes(ty.params()).as_deref() == Some(call.params)
            && codes(ty.results()).as_deref() == Some(call.results)
    })
}

/// The binary encodings of number types.
fn codes(types: &[ValType]) -> Option<Vec<u8>> {
    let code = |ty: &ValType| match ty {
        ValType::I32 => Some(0x7f),
        ValType::I64 => Some(0x7e),
        ValType::F32 => Some(0x7d),
        ValType::F64 => Some(0x7c),
        _ => None,
    };
    types.iter().map(code).collect()
}

/// For each function, who calls it directly.
fn callers(module: &Module) -> BTreeMap<u32, BTreeSet<u32>> {
    let mut callers: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (at, body) in (module.n_imports()..).zip(&module.bodies) {
        let Ok(reader) = body.get_operators_reader() else { continue };
        for operator in reader.into_iter().flatten() {
            if let Operator::Call { function_index } = operator {
                callers.entry(function_index).or_default().insert(at);
            }
        }
    }
    callers
}

/// Names of the nearest Rust crates up the calls.
fn crates_behind(
    module: &Module,
    callers: &BTreeMap<u32, BTreeSet<u32>>,
    import: u32,
) -> Vec<String> {
    let (mut seen, mut crates) = (BTreeSet::from([import]), BTreeSet::new());
    let mut todo = vec![import];
    while let Some(function) = todo.pop() {
        for caller in callers.get(&function).into_iter().flatten() {
            if !seen.insert(*caller) {
                continue;
            }
            match module.names.get(caller).and_then(|name| crate_of(name)) {
                Some(name) if !is_std(&name) => {
                    crates.insert(name);
                }
                _ => todo.push(*caller),
            }
        }
    }
    if crates.is_empty() {
        crates.insert("unknown".to_owned());
    }
    crates.into_iter().collect()
}

fn is_std(name: &str) -> bool {
    matches!(name, "std" | "core" | "alloc" | "proc_macro")
}

/// The crate in a function's name: as the linker demangles it, or in one of the two manglings.
fn crate_of(name: &str) -> Option<String> {
    if let Some(mangled) = name.strip_prefix("_ZN") {
        return counted(mangled).map(|part| first_word(part).to_owned());
    }
    if let Some(mangled) = name.strip_prefix("_R") {
        return mangled.match_indices('C').find_map(|(at, _)| {
            let root = &mangled[at + 1..];
            // A crate root is `C`, perhaps a disambiguator `s…_`, and the name.
            let root = match root.strip_prefix('s') {
                Some(disambiguated) => disambiguated.split_once('_')?.1,
                None => root,
            };
            counted(root).map(str::to_owned)
        });
    }
    name.contains("::").then(|| first_word(name).to_owned()).filter(|word| !word.is_empty())
}

/// `5hello…` is `hello`.
fn counted(text: &str) -> Option<&str> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let len: usize = text[..digits].parse().ok()?;
    text.get(digits..digits + len)
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches("_$LT$");
    let text = text.trim_start_matches(['<', '_', '&', '$', '(', '[']);
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::crate_of;

    #[test]
    fn crates_in_names() {
        let check = |name, expected: Option<&str>| assert_eq!(crate_of(name).as_deref(), expected);
        check("_ZN4ring3aes7encrypt17h0123456789abcdefE", Some("ring"));
        check("_ZN40_$LT$ring..Key$u20$as$u20$core..fmt..F$GT$3fmt17hE", Some("ring"));
        check("_RNvNtCs1234_4ring3aes7encrypt", Some("ring"));
        check("_RNCNvCsaBcD_7syn_fooNvB2_0", Some("syn_foo"));
        check("ring::aes::encrypt", Some("ring"));
        check("<ring::Key as core::fmt::Debug>::fmt", Some("ring"));
        check("memcpy", None);
    }
}
