//! What a macro was refused: in words, with the lines that grant it, to the user.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use super::super::instance::{holds, joined, owned, same};
use super::super::kernel::Image;
use super::Refused;

/// As many refusals are kept; nobody is told of more.
const N_REFUSED_MAX: usize = 16;

/// Adds what is not there yet.
pub fn add(all: &mut Vec<Refused>, kind: u8, shown: String, grant: String) {
    if !is_known(all, kind, &shown, &grant) {
        all.push(Refused { kind: kind, shown: shown, grant: grant });
    }
}

/// One grant may be for several files.
fn is_known(all: &[Refused], kind: u8, shown: &str, grant: &str) -> bool {
    let mut i = 0;
    while i < all.len() {
        let known = &all[i];
        let what = if grant.is_empty() { (&known.shown, shown) } else { (&known.grant, grant) };
        if known.kind == kind && same(what.0.as_bytes(), what.1.as_bytes()) {
            return true;
        }
        i += 1;
    }
    all.len() >= N_REFUSED_MAX
}

/// All of it that is not among `told`, for users, each in a paragraph. It is among them then.
pub fn tell(out: &mut String, name: &str, all: &[Refused], told: &mut Vec<Refused>, again: bool) {
    let mut end = 0;
    while end < name.len() && name.as_bytes()[end] != b' ' {
        end += 1;
    }
    let mut i = 0;
    while i < all.len() {
        let Refused { kind, ref shown, ref grant } = all[i];
        i += 1;
        if !again && is_known(told, kind, shown, grant) {
            continue;
        }
        add(told, kind, owned(shown), owned(grant));
        let (what, key) = match kind {
            0 if same(shown.as_bytes(), b"*") => {
                ("may not list all environment variables: `", "env")
            }
            0 => ("may not use the environment variable `", "env"),
            1 => ("may not read `", "read"),
            2 => ("may not write `", "write"),
            _ => ("cannot have this: `", ""),
        };
        if !out.is_empty() {
            out.push_str("\n");
        }
        out.push_str(&joined(&[name, ", which is precompiled, ", what, shown, "`\n"]));
        if kind == 3 {
            out.push_str("it runs in a sandbox\n");
        } else if grant.is_empty() {
            out.push_str(
                "only directories below target can be granted to be written, and only the files of its own \
                 package travel with a macro\n",
            );
        } else {
            out.push_str("to grant it, add to the Cargo.toml of the workspace\n\n");
            let package = &name[..end];
            out.push_str(&joined(&[
                "[workspace.metadata.precast.grants.",
                package,
                "]\n",
                key,
                " = [",
            ]));
            quote(out, grant);
            out.push_str(&joined(&["]\n\nor pack it with `--grant ", key, "=", grant, "`; "]));
        }
        out.push_str(&joined(&[
            "`cargo precast build --except ",
            &name[..end],
            "` builds it from source",
        ]));
    }
}

/// A warning of the compiler's, as cargo takes it: counted, shown, and shown again when nothing is
/// compiled. Where nobody reads such lines it is plain text.
pub fn warn(text: &str) {
    let (mut json, mut ansi) = (false, false);
    for arg in env::args_os() {
        let arg = bytes(&arg);
        if same(&arg, b"--error-format=json") {
            json = true;
        }
        if holds(&arg, b"diagnostic-rendered-ansi") {
            ansi = true;
        }
    }
    let (start, end) = if ansi { ("\x1b[1m\x1b[33m", "\x1b[0m") } else { ("", "") };
    let note = "\nit went on without; natively it may do something else\n\n";
    let mut line = joined(&[start, "warning", end, ": ", text, note]);
    if json {
        let shown = line;
        line = joined(&["{\"$message_type\":\"diagnostic\",\"message\":"]);
        quote(&mut line, text);
        line.push_str(
            ",\"code\":null,\"level\":\"warning\",\"spans\":[],\"children\":[],\"rendered\":",
        );
        quote(&mut line, &shown);
        line.push_str("}\n");
    }
    // If nobody can be told, there is nobody to tell that.
    let _ = Image::print(2, line.as_bytes());
}

/// A text as JSON and TOML have it.
fn quote(out: &mut String, text: &str) {
    const DIGITS: &str = "0123456789abcdef";
    out.push_str("\"");
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        let byte = text.as_bytes()[at];
        if byte < 32 || byte == b'"' || byte == b'\\' {
            let (high, low) = (byte as usize >> 4, byte as usize & 15);
            out.push_str(&text[start..at]);
            out.push_str("\\u00");
            out.push_str(&DIGITS[high..high + 1]);
            out.push_str(&DIGITS[low..low + 1]);
            start = at + 1;
        }
        at += 1;
    }
    out.push_str(&text[start..]);
    out.push_str("\"");
}

/// A text of the system as the macro sees it.
#[cfg(unix)]
pub fn bytes(text: &OsStr) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    text.as_bytes().to_vec()
}
#[cfg(not(unix))]
pub fn bytes(text: &OsStr) -> Vec<u8> {
    text.to_string_lossy().into_owned().into_bytes()
}

/// A path as the macro gives it.
#[cfg(unix)]
pub fn path(text: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(text))
}
#[cfg(not(unix))]
pub fn path(text: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(text).into_owned())
}
