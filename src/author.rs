//! What authors of macros need: a repository that packs, and the release of a shim.

pub mod golden;
pub mod init;
pub mod migrate;
pub mod publish;
pub mod same_package;
