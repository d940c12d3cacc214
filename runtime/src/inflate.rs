//! Decodes zstd frames.
