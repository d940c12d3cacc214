//! Takes the printer of backtraces out of a linked module: wasm shows no frames, so it prints only a
//! heading, but asks for the current directory, and with it a shim would compile all that reads files.
//!
//! A standard library that is built here comes without it; the one that rustup has does not.

use crate::pack::module::parts::Module;
use wasmparser::{BinaryReader, FunctionBody, ValType};

/// No locals, `i32.const 0`, `end`: the formatting succeeds.
const EMPTY: &[u8] = &[0x00, 0x41, 0x00, 0x0b];

/// Empties the printer, if the module has one.
pub fn drop_printer(module: &mut Module) {
    let n_imports = module.n_imports();
    let found = module.names.iter().filter(|(_, name)| is_printer(name)).map(|(at, _)| *at);
    for function in found.collect::<Vec<u32>>() {
        let ty = &module.types[module.functions[function as usize] as usize];
        let is_formatter =
            ty.params() == [ValType::I32, ValType::I32] && ty.results() == [ValType::I32];
        if let (true, Some(at)) = (is_formatter, function.checked_sub(n_imports)) {
            module.bodies[at as usize] = FunctionBody::new(BinaryReader::new(EMPTY, 0));
        }
    }
}

/// `<std::sys::backtrace::BacktraceLock::print::DisplayBacktrace as Display>::fmt`, in either mangling.
fn is_printer(name: &str) -> bool {
    let parts: &[&str] = match name.starts_with("_R") {
        true => &["3std", "9backtrace", "13BacktraceLock", "5print", "16DisplayBacktrace", "3fmt"],
        false => &["std..sys..backtrace..BacktraceLock..print..DisplayBacktrace", "fmt"],
    };
    let mut rest = name;
    parts.iter().all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::is_printer;

    #[test]
    fn printers() {
        let check = |name: &str, expected| assert_eq!(is_printer(name), expected, "{name}");
        let path = "NvMNtNtCset5xJoy1xWQ_3std3sys9backtraceNtB5_13BacktraceLock5printNtB2_";
        let display = "NtNtCsdHhIpgkcIfN_4core3fmt7Display3fmt";
        check(&format!("_RNvX{path}16DisplayBacktrace{display}"), true);
        check(&format!("_RNvX{path}5Other{display}"), false);
        check("_RNvMNtNtCset5xJoy1xWQ_3std3sys9backtraceNtB2_13BacktraceLock5print", false);
        let older = "std..sys..backtrace..BacktraceLock..print..DisplayBacktrace";
        check(&format!("_ZN98_$LT${older}$u20$as$u20$core..fmt..Display$GT$3fmt17h0123E"), true);
        check("memcpy", false);
    }
}
