//! What a macro was refused: in words, with the lines that grant it, to the user.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use super::super::instance::{formatted, holds, joined, print, same};
use super::super::kernel::Image;
use super::Refused;

/// As many refusals of an expansion are kept.
const N_REFUSED_MAX: usize = 16;

/// What stands before the things that were asked for, and their key among a workspace's grants.
const KINDS: [(&str, &str); 3] =
    [("use the environment variable", "env"), ("read", "read"), ("write", "write")];

/// Adds what is not there yet.
pub fn add(all: &mut Vec<Refused>, kind: u8, shown: String, grant: String) {
    if !is_known(all, kind, &shown) && all.len() < N_REFUSED_MAX {
        all.push(Refused { kind: kind, shown: shown, grant: grant });
    }
}

fn is_known(all: &[Refused], kind: u8, shown: &str) -> bool {
    let mut i = 0;
    while i < all.len() {
        if all[i].kind == kind && same(all[i].shown.as_bytes(), shown.as_bytes()) {
            return true;
        }
        i += 1;
    }
    false
}

/// All of it that is not among `told`, for users.
pub fn text(name: &str, all: &[&[Refused]; 2], told: &[Refused]) -> Option<String> {
    let package = match name.find(' ') {
        Some(end) => &name[..end],
        None => name,
    };
    let (mut asked, mut lines) = (String::new(), String::new());
    let (mut flag, mut sealed) = (String::new(), false);
    let mut kind = 0;
    while kind < KINDS.len() {
        let (verb, key) = KINDS[kind];
        let (mut n_asked, mut n_granted) = (0, 0);
        for list in all {
            for refused in *list {
                if refused.kind as usize != kind || is_known(told, refused.kind, &refused.shown) {
                    continue;
                }
                if kind == 0 && same(refused.shown.as_bytes(), b"*") {
                    asked.push_str(
                        " lists the environment and sees only the variables that it may use,",
                    );
                } else if n_asked > 0 {
                    print(&mut asked, format_args!(" `{}`,", refused.shown));
                } else {
                    print(&mut asked, format_args!(" may not {} `{}`,", verb, refused.shown));
                }
                n_asked += 1;
                if refused.grant.is_empty() {
                    sealed = true;
                    continue;
                }
                if flag.is_empty() {
                    print(&mut flag, format_args!("{}={}", key, refused.grant));
                }
                if n_granted == 0 {
                    print(&mut lines, format_args!("{} = [", key));
                } else {
                    lines.push_str(", ");
                }
                print(&mut lines, format_args!("{:?}", refused.grant));
                n_granted += 1;
            }
        }
        if n_granted > 0 {
            lines.push_str("]\n");
        }
        kind += 1;
    }
    if asked.is_empty() {
        return None;
    }
    asked.pop();
    let mut text = joined(&[name, ", which is precompiled,", &asked, "\n"]);
    if sealed {
        text.push_str(
            "only directories below target can be granted to be written, and only the files of its own package \
             travel with a macro\n",
        );
    }
    if !lines.is_empty() {
        print(
            &mut text,
            format_args!(
                "to grant it, add to the Cargo.toml of the workspace\n\n\
                 [workspace.metadata.precast.grants.{}]\n{}\nor pack it with `--grant {}`; ",
                package, lines, flag
            ),
        );
    }
    print(
        &mut text,
        format_args!("`cargo precast build --except {}` builds it from source", package),
    );
    Some(text)
}

/// A warning of the compiler's, as cargo takes it: counted, shown, and shown again when nothing is
/// compiled. Where nobody reads such lines it is plain text.
pub fn warn(text: &str) {
    let (mut json, mut ansi) = (false, false);
    for arg in env::args_os() {
        let arg = bytes(&arg);
        json |= same(&arg, b"--error-format=json");
        ansi |= arg.starts_with(b"--json=") && holds(&arg, b"diagnostic-rendered-ansi");
    }
    let (start, end) = if ansi { ("\x1b[1m\x1b[33m", "\x1b[0m") } else { ("", "") };
    let shown = formatted(format_args!("{}warning{}: {}\n\n", start, end, text));
    let line = if json {
        let mut line = String::from("{\"$message_type\":\"diagnostic\",\"message\":");
        quote(&mut line, text);
        line.push_str(
            ",\"code\":null,\"level\":\"warning\",\"spans\":[],\"children\":[],\"rendered\":",
        );
        quote(&mut line, &shown);
        line.push_str("}\n");
        line
    } else {
        shown
    };
    // If nobody can be told, there is nobody to tell that.
    let _ = Image::print(2, line.as_bytes());
}

/// A text in JSON.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            _ if (c as u32) < 32 => print(out, format_args!("\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
    }
    out.push('"');
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
