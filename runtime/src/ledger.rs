//! What expansions cost (docs/report.md): a line for each, written to the file that precast's wrapper has opened for
//! this compiler. `PRECAST_LEDGER` is its descriptor; nothing is written without it.

use std::time::Instant;

use super::api::Span;
use super::instance::print;
use super::kernel::Image;
use super::{Failure, Output};

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
    start: Instant,
    package: &str,
    function: &str,
    result: &Result<Output, Failure>,
) {
    let time = start.elapsed();
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
    let mut line = String::new();
    print(
        &mut line,
        format_args!(
            "{}\t{}\t{}\t{}.{:09}\t{}\t{}\t{}\t{}\t{}\n",
            package,
            function,
            how,
            time.as_secs() as u32,
            time.subsec_nanos(),
            counts[0],
            counts[1],
            counts[2],
            site.line() as u32,
            site.file()
        ),
    );
    let _ = Image::print(file, line.as_bytes());
}
