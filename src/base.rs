//! The ground floor: errors, reports, files and their hashes, and how cargo is run. Nothing here knows of macros.

pub mod cargo;
pub mod children;
pub mod error;
pub mod files;
pub mod lock;
pub mod report;
pub mod scratch;
pub mod text;
