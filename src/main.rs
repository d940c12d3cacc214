//! The command line. It parses arguments and prints; the library does the work.

fn main() {}
