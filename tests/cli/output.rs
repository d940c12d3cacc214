//! What a command says.

use std::process::Output;

/// Standard output and error of a command that ended as expected.
pub fn texts(output: &Output, success: bool) -> (String, String) {
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert_eq!(output.status.success(), success, "{out}\n{err}");
    (out, err)
}

/// Without the lines in which cargo tells that it waits for another one: these depend on what else runs on the machine.
pub fn said(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace('\r', "");
    let is_waiting = |line: &&str| line.trim_start().starts_with("Blocking waiting for file lock");
    text.split_inclusive('\n').filter(|line| !is_waiting(line)).collect()
}
