//! The portable engine.
