//! Who works on what, as objects in the shared store:
//!
//! | name | what it says |
//! |---|---|
//! | `jobs/LIST/ITEM/N.claim` | the Nth to take the item up, and who that is; made once |
//! | `jobs/LIST/ITEM/N.beat` | a number that grows as long as that one lives |
//! | `jobs/LIST/ITEM/N.done` | what came of it; made once |
//!
//! No clock is compared with another: who watches sees whether the number has grown in the time of a lease.

use super::list::{Item, List};
use super::report::{Done, Made};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::sha256;
use crate::cache::remote::Remotes;
use crate::project::all::Shard;
use crate::project::outcome::first_lines;
use std::collections::BTreeMap;
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// What a job did with one item of the list, unless it has failed.
pub(super) type Work = (Result<Vec<Made>>, Duration);

pub(super) struct Claims<'a> {
    remotes: &'a Remotes,
    list: String,
    /// Who this is, for people.
    job: String,
    lease: Duration,
    retry: bool,
    /// What was seen of others: their claim, its number, and since when that has not grown.
    seen: BTreeMap<usize, (usize, String, Instant)>,
}

/// What there is to do for an item.
pub(super) enum Turn {
    Done(Done),
    /// Somebody else works on it.
    Other,
    Ours(Claim),
}

/// The right to work on an item.
pub(super) struct Claim {
    stem: String,
}

/// Says that this job lives, until it is dropped.
pub(super) struct Beating {
    /// Dropped to end it.
    _end: Sender<()>,
}

impl<'a> Claims<'a> {
    pub(super) fn new(
        remotes: &'a Remotes,
        list: &List,
        shard: Shard,
        lease: Duration,
        retry: bool,
    ) -> Claims<'a> {
        let host = ["HOSTNAME", "SLURMD_NODENAME"].iter().find_map(|name| std::env::var(name).ok());
        let host = host.map(|host| format!(" on {host}")).unwrap_or_default();
        let job = format!("{}/{}{host}, process {}", shard.k, shard.n, std::process::id());
        Claims { remotes, list: list.id(), job, lease, retry, seen: BTreeMap::new() }
    }

    fn stem(&self, item: &Item, n: usize) -> String {
        let text = item.to_string();
        format!("jobs/{}/{}-{}/{n}", self.list, item.name, &sha256(text.as_bytes())[..8])
    }

    pub(super) fn turn(&mut self, at: usize, item: &Item) -> Result<Turn> {
        let known = self.seen.get(&at).map_or(0, |(n, ..)| *n);
        let mut n = known;
        while self.remotes.read_note(&format!("{}.claim", self.stem(item, n + 1)))?.is_some() {
            n += 1;
        }
        if n > 0 {
            if let Some(text) = self.remotes.read_note(&format!("{}.done", self.stem(item, n)))? {
                let done: Done = serde_json::from_slice(&text)
                    .class(Class::Verify, format!("what another job says of {item}"))?;
                if done.problem.is_none() || !self.retry || done.job == self.job {
                    return Ok(Turn::Done(done));
                }
            } else if self.lives(at, item, n)? {
                return Ok(Turn::Other);
            }
        }
        let stem = self.stem(item, n + 1);
        let claim = format!("{}.claim", stem);
        match self.remotes.write_note_once(&claim, self.job.clone().into_bytes())? {
            true => Ok(Turn::Ours(Claim { stem })),
            // Somebody was faster.
            false => Ok(Turn::Other),
        }
    }

    /// Whether the one who has this claim was heard of in the time of a lease.
    fn lives(&mut self, at: usize, item: &Item, n: usize) -> Result<bool> {
        let beat = self.remotes.read_note(&format!("{}.beat", self.stem(item, n)))?;
        let beat = String::from_utf8_lossy(&beat.unwrap_or_default()).into_owned();
        match self.seen.get(&at) {
            Some((known, last, since)) if *known == n && *last == beat => {
                Ok(since.elapsed() < self.lease)
            }
            _ => {
                self.seen.insert(at, (n, beat, Instant::now()));
                Ok(true)
            }
        }
    }

    /// Begins to tell others that this job works on the item.
    pub(super) fn beat(&self, claim: &Claim) -> Result<Beating> {
        let (end, ended) = channel::<()>();
        let settings = self.remotes.settings().clone();
        let remotes =
            Remotes::open(settings)?.ok_or_else(|| Error::new(Class::Other, "no store"))?;
        let (name, pause) = (format!("{}.beat", claim.stem), self.lease / 4);
        std::thread::spawn(move || {
            for n in 1_u64.. {
                // Who is thought dead for it shares the work with another, which is a waste and no more.
                let _ = remotes.write_note(&name, n.to_string().into_bytes());
                match ended.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return,
                }
            }
        });
        Ok(Beating { _end: end })
    }

    /// Tells what came of it.
    pub(super) fn finish(&self, claim: &Claim, item: &Item, (made, time): Work) -> Result<Done> {
        let (made, problem) = match made {
            Ok(made) => (made, None),
            Err(error) => (Vec::new(), Some(first_lines(&error))),
        };
        let seconds = (time.as_secs_f64() * 10.0).round() / 10.0;
        let done = Done { item: item.to_string(), job: self.job.clone(), seconds, made, problem };
        let text = serde_json::to_vec(&done).expect("only texts and numbers");
        self.remotes.write_note_once(&format!("{}.done", claim.stem), text)?;
        Ok(done)
    }
}
