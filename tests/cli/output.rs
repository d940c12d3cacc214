//! What a command says.

use std::process::Output;

/// Standard output and error of a command that ended as expected.
///
/// Cargo tells there that it waits for another one, which depends on what else runs on the machine.
pub fn texts(output: &Output, success: bool) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    let is_waiting = |line: &&str| line.trim_start().starts_with("Blocking waiting for file lock");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let err: String = err.split_inclusive('\n').filter(|line| !is_waiting(line)).collect();
    assert_eq!(output.status.success(), success, "{out}\n{err}");
    (out, err)
}
