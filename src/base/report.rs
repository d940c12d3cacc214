//! Progress reports of long operations.

/// Hears what takes long. Called only for what may take a second or more.
pub trait Report {
    fn step(&self, text: &str);
}

impl<F: Fn(&str)> Report for F {
    fn step(&self, text: &str) {
        self(text);
    }
}
