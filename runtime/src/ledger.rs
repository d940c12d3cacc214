//! What expansions cost (docs/report.md): a line for each, written to the file that precast's wrapper has opened for
//! this compiler. `PRECAST_LEDGER` is its descriptor; nothing is written without it.

use super::api::Span;
use super::kernel::Image;
use super::text::{joined, show};
use super::{sys, Failure, Output};

/// Answers for compilers without them (before 1.88); elsewhere the inherent methods come first.
trait Place: Copy {
    fn file(&self) -> String {
        String::new()
    }
    fn line(&self) -> usize {
        0
    }
}

impl Place for Span {}

/// If it cannot be written, nobody needs to know.
pub fn note(
    file: u32,
    start: u64,
    package: &str,
    function: &str,
    result: &Result<Output, Failure>,
) {
    let nanoseconds = sys::now() - start;
    let site = Span::call_site();
    let (mut counts, mut how) = ([0; 3], "failed");
    if let Ok(ref output) = *result {
        counts = output.counts;
        how = match output.is_remembered {
            true => "remembered",
            _ if output.has_error => "error",
            _ => "ok",
        };
    }
    let numbers =
        [nanoseconds, counts[0] as u64, counts[1] as u64, counts[2] as u64, site.line() as u64];
    let mut line = joined(&[package, "\t", function, "\t", how]);
    let mut i = 0;
    while i < numbers.len() {
        line.push_str("\t");
        show(&mut line, &numbers[i]);
        if i == 0 {
            line.push_str("e-9");
        }
        i += 1;
    }
    line.push_str(&joined(&["\t", &site.file(), "\n"]));
    let _ = Image::print(file, line.as_bytes());
}
