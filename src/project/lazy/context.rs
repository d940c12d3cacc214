//! The plan and the store by which a crate is compiled.

use super::invocation::Invocation;
use super::library;
use crate::cache::{Locked, Store};
use crate::project::plan::Plan;
use crate::project::switch;
use std::path::Path;

/// What decides how a crate is compiled: nothing of ours, where there is no plan or no store.
pub struct Context {
    pub active: Option<(Plan, Store)>,
}

impl Context {
    /// For a compiler that writes into this directory.
    pub fn of(out: &Path) -> Context {
        let active =
            Store::open(None).ok().and_then(|store| Some((switch::active(out, &store)?, store)));
        Context { active }
    }

    pub fn plan(&self) -> Option<&Plan> {
        self.active.as_ref().map(|(plan, _)| plan)
    }

    /// Only macros that are precompiled need the library.
    pub fn puts_off(&self, invocation: &Invocation, package: &Locked) -> bool {
        let Some(plan) = self.plan() else { return false };
        let is_macro = invocation.crate_types == ["proc-macro"] && cfg!(unix);
        let is_whole =
            invocation.emits("link") && !invocation.args.iter().any(|arg| arg == "--test");
        let known = ["dep-info", "metadata", "link"];
        is_whole
            && std::env::var_os(library::RUSTDOC).is_none()
            && package.source.is_some()
            && !invocation.is_for_target
            && (invocation.is_library() || is_macro)
            && invocation.emits.iter().all(|kind| known.contains(&kind.as_str()))
            && plan.puts_off(package, (&invocation.opt_level, &invocation.debuginfo))
    }
}
