//! Sources: from a name to a package that compiles for wasm, with the versions of its dependencies.

pub(crate) mod assertions;
pub(crate) mod dependency;
pub(crate) mod differing;
pub(crate) mod exact;
pub(crate) mod inherit;
pub(crate) mod lock;
pub(crate) mod native;
pub(crate) mod resolve;
pub(crate) mod rewrite;
pub(crate) mod stage;
