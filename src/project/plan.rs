//! What is to be done with each macro of a build, and which libraries only precompiled macros need.
//!
//! It is made of the unit graph before cargo starts, and kept until something changes that it was made
//! of. A plan that is wrong about libraries costs time; what a macro was compiled from is seen again when
//! cargo compiles it.

mod decide;
mod kept;
mod origin;
mod sweep;

use super::graph::Graph;
use super::missing::{self, Missing};
use super::outcome::Outcome;
use super::{packing, shared, Request};
use crate::base::error::Result;
use crate::base::files::hash_of;
use crate::base::report::Report;
use crate::cache::{program, Store};
use crate::pack::compile::batch::Project;
use crate::policy;
pub(super) use decide::{survey, Decision};
use decide::{wanted, Decider};
pub use kept::{Options, Plan, VARIABLE};
pub(super) use kept::{FROM_SOURCE, IN_DIRECTORY};
pub use origin::origin_of;
use std::collections::BTreeSet;
pub(super) use sweep::folders;

/// Starts of names of variables that cargo, rustc or we read.
const VARIABLES: [&str; 4] = ["CARGO", "RUST", "PRECAST", "CI"];

impl Plan {
    /// The plan that was made for the same build, if it still holds; else a new one. Its key comes with it.
    pub fn ready(
        request: &Request,
        options: &Options,
        store: &Store,
        report: &dyn Report,
    ) -> Result<(String, Plan)> {
        let key = key(request, options, store);
        if let Some(plan) = Plan::kept(&key, store).filter(|plan| plan.holds(store)) {
            if plan.refuses() {
                plan.sweep(store);
            }
            return Ok((key, plan));
        }
        let plan = Plan::make(request, options, store, report)?;
        plan.sweep(store);
        // The next build has packed nothing.
        let mut kept = plan.clone();
        for treated in &mut kept.macros {
            if matches!(treated.outcome, Outcome::Packed | Outcome::Fetched) {
                treated.outcome = Outcome::Stored;
            }
        }
        kept.note = None;
        kept.keep(&key, store);
        Ok((key, plan))
    }

    /// The plan for any cargo command of a workspace, run without us. Nothing is packed for it now.
    pub fn lasting(request: &Request, store: &Store) -> Result<Plan> {
        let options = Options { is_lasting: true, ..Options::default() };
        let mut plan = Plan::make(request, &options, store, &|_: &str| {})?;
        let name = missing::VARIABLE.to_owned();
        plan.environment.insert(name.clone(), std::env::var(name).ok());
        Ok(plan)
    }

    /// Some packages may not be precompiled that another plan precompiles.
    fn refuses(&self) -> bool {
        let is_denied = self.permitted.is_some() || !self.denied.is_empty();
        self.options.from_source || is_denied || self.options.choice.is_made()
    }

    /// Packs what is missing if the user wants it now.
    fn make(
        request: &Request,
        options: &Options,
        store: &Store,
        report: &dyn Report,
    ) -> Result<Plan> {
        let graph = Graph::load(request, store.cache())?;
        let missing = match Missing::chosen(options.missing.as_deref(), &graph.settings)? {
            Missing::Pack if options.is_lasting => Missing::Later,
            chosen => chosen,
        };
        // Shims that the workspace has already are judged as they are.
        policy::require(&graph.policed(), report)?;
        let decider = Decider::new(&graph, request, options, store)?;
        let mut decided = decider.all()?;
        let asked = wanted(&graph, &decided);
        let (offline, signatures) = (request.is_offline(), decider.signatures());
        let fetched = shared::fetch(&asked, offline, &signatures, &decider.variables, store)?;
        decider.similar.set(store.takes_similar());
        if !fetched.ids.is_empty() || decider.similar.get() {
            decided = decider.all()?;
        }
        let (mut packed, mut tried) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let mut wanted = wanted(&graph, &decided);
            // What is packed and not found has read other values than those that we know of.
            wanted.retain(|wanted| tried.insert(wanted.clone()));
            if missing != Missing::Pack || wanted.is_empty() {
                break;
            }
            let project = Project {
                directory: &request.directory,
                lockfile: &graph.lockfile,
                offline: request.is_offline(),
            };
            for done in packing::pack(&wanted, &project, store, report)? {
                if done.outcome == Outcome::Packed {
                    packed.insert(done.key.id());
                }
            }
            decided = decider.all()?;
        }
        let plan = decider.plan(request, missing, decided, (&packed, &fetched.ids));
        Ok(Plan { note: fetched.note, ..plan })
    }
}

/// Stands for the command line and all that cargo and we read of the environment.
fn key(request: &Request, options: &Options, store: &Store) -> String {
    let is_read = |name: &str| VARIABLES.iter().any(|start| name.starts_with(start));
    let mut variables: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| is_read(name)).collect();
    variables.sort_unstable();
    let own = std::env::current_exe().ok().and_then(|file| program::mark(&file));
    let parts = [
        request.described(),
        format!("{options:?} {own:?}"),
        format!("{variables:?}"),
        std::env::var("PATH").unwrap_or_default(),
        format!("{:?}", store.settings().ok()),
    ];
    hash_of(&parts)[..32].to_owned()
}
