//! What authors of macros need: a repository that packs, and the release of a shim.

pub mod init;
pub mod publish;
