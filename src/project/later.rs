//! Packing after a build: jobs in the store, and one process that works on them while nobody waits.
//!
//! A job is a file. Whoever adds one starts the process, which ends at once if there is one already. A
//! job leaves the queue when it has been worked on, whatever came of it: the next build that misses its
//! macros puts them there again.

mod queue;
mod worker;

pub use queue::{add, start, status, wait, Status};
pub use worker::run;
