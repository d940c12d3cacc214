//! What a macro was refused: in words, with the lines that grant it, to the user.

use std::env;
use std::ffi::OsStr;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use super::super::text::{append, first_word, formatted, holds, joined, owned, part, same};
use super::super::kernel::Image;
use super::Refused;

/// The most refusals that are kept; further ones are not reported.
const N_REFUSED_MAX: usize = 16;

/// Adds what is not there yet.
pub fn add(all: &mut Vec<Refused>, kind: u8, shown: &str, grant: &str) {
    if !is_known(all, kind, shown, grant) {
        all.push(Refused { kind: kind, shown: owned(shown), grant: owned(grant) });
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

/// What a macro may not, and the key of what grants it, by kind.
const WHAT: [(&str, &str); 4] = [
    ("may not use the environment variable `", "env"),
    ("may not read `", "read"),
    ("may not write `", "write"),
    ("cannot have this: `", ""),
];

/// All of it that is not among `told`, for users, each in a paragraph. It is among them then.
pub fn tell(out: &mut String, name: &str, all: &[Refused], told: &mut Vec<Refused>, again: bool) {
    let package = first_word(name);
    let mut i = 0;
    while i < all.len() {
        let Refused { kind, ref shown, ref grant } = all[i];
        i += 1;
        if !again && is_known(told, kind, shown, grant) {
            continue;
        }
        add(told, kind, shown, grant);
        let (mut what, key) = WHAT[kind as usize];
        if kind == 0 && same(shown.as_bytes(), b"*") {
            what = "may not list all environment variables: `";
        }
        if !out.is_empty() {
            out.push_str("\n");
        }
        append(out, &[name, ", which is precompiled, ", what, shown, "`\n"]);
        if kind == 3 {
            out.push_str("it runs in a sandbox\n");
        } else if grant.is_empty() {
            out.push_str(
                "only directories below target can be granted to be written, and only the files of its own \
                 package travel with a macro\n",
            );
        } else {
            out.push_str(
                "to grant it, add to the Cargo.toml of the workspace\n\n[workspace.metadata.precast.grants.",
            );
            append(out, &[package, "]\n", key, " = ["]);
            quote(out, grant);
            append(out, &["]\n\nor pack it with `--grant ", key, "=", grant, "`; "]);
        }
        append(out, &["`cargo precast build --except ", package, "` builds it from source"]);
    }
}

/// A warning of the compiler's, as cargo takes it: counted, shown, and shown again when nothing is
/// compiled. Where nobody reads such lines it is plain text.
pub fn warn(text: &str) {
    // What goes through them, or drops them, is ten times as much to compile.
    let args = formatted(format_args!("{:?}", ManuallyDrop::new(env::args_os())));
    let json = holds(args.as_bytes(), b"\"--error-format=json\"");
    let ansi = holds(args.as_bytes(), b"diagnostic-rendered-ansi");
    let (start, end) = if ansi { ("\x1b[1m\x1b[33m", "\x1b[0m") } else { ("", "") };
    let note = "\nit went on without; natively it may do something else\n\n";
    let shown = joined(&[start, "warning", end, ": ", text, note]);
    let mut line = String::new();
    if json {
        line.push_str("{\"$message_type\":\"diagnostic\",\"message\":");
        quote(&mut line, text);
        line.push_str(
            ",\"code\":null,\"level\":\"warning\",\"spans\":[],\"children\":[],\"rendered\":",
        );
        quote(&mut line, &shown);
        line.push_str("}\n");
    } else {
        line.push_str(&shown);
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
            out.push_str(part(text, start, at));
            out.push_str("\\u00");
            out.push_str(part(DIGITS, high, high + 1));
            out.push_str(part(DIGITS, low, low + 1));
            start = at + 1;
        }
        at += 1;
    }
    out.push_str(part(text, start, text.len()));
    out.push_str("\"");
}

/// A text of the system as the macro sees it.
#[cfg(unix)]
pub fn bytes(text: &OsStr) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(text.as_bytes());
    bytes
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
