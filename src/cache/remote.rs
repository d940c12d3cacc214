//! Stores that several machines share: an S3 bucket, an HTTP server, a folder.
//!
//! | file | what it does |
//! |---|---|
//! | `backend` | one store: get, create, replace, list |
//! | `credentials` | what the provider's own files say |
//! | `object` | an artifact as a store has it |
//! | `lookup` | many of them at once, before a deadline, believed only if signed |
//! | `write` | what is pushed, signed and revoked |
//!
//! Reading never fails: a store that cannot be reached, is slow, or lies, costs time up to the deadline and is told of
//! in one sentence. Writing does. Nothing here decides what is trusted.

mod backend;
mod credentials;
mod lookup;
mod object;
mod write;

pub use super::exchange::{Asked, Fetched, Pushed, Shared};
use super::settings::Settings;
use crate::base::error::{Context, Result};
use backend::Backend;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// What a command takes at most that does nothing but fetch.
const TIME_MAX: Duration = Duration::from_secs(60 * 60);

/// All shared stores of a user.
pub struct Remotes {
    pub(super) settings: Settings,
    stores: Vec<Backend>,
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
    state: Mutex<State>,
}

/// What lookups have found out so far.
struct State {
    /// Names of entries that were asked for.
    asked: BTreeSet<String>,
    /// What is left of the deadline.
    left: Duration,
}

impl Remotes {
    /// The stores that the settings name; none if they name none.
    pub fn open(settings: Settings) -> Result<Option<Remotes>> {
        if settings.urls.is_empty() {
            return Ok(None);
        }
        // An error means that it was installed before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime of the network")?;
        // Clients of stores look for a runtime when they are made.
        let guard = runtime.enter();
        let stores =
            settings.urls.iter().map(|url| Backend::open(url, settings.deadline, settings.mode));
        let stores = stores.collect::<Result<Vec<Backend>>>()?;
        drop(guard);
        let left = settings.deadline;
        let state = State { asked: BTreeSet::new(), left };
        Ok(Some(Remotes { settings, stores, runtime: Some(runtime), state: Mutex::new(state) }))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// From now on lookups may take as long as they need: somebody waits for just this.
    pub fn take_time(&self) {
        self.state().left = TIME_MAX;
    }

    /// The store that is written to.
    fn first(&self) -> &Backend {
        &self.stores[0]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it is taken at the end only").block_on(work)
    }

    /// Takes the time that a lookup takes from what is left.
    fn timed<T>(&self, work: impl FnOnce(Instant) -> T) -> T {
        let start = Instant::now();
        let end = start + self.state().left;
        let done = work(end);
        let mut state = self.state();
        state.left = state.left.saturating_sub(start.elapsed());
        done
    }
}

impl Drop for Remotes {
    fn drop(&mut self) {
        // Who looks up a name that nobody answers for must not be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
