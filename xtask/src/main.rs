//! The repository's tasks. It only starts other programs; it holds no product logic.

fn main() {}
