//! The recorded expansions on any engine.

use crate::record::{Event, Step};

/// An instance of the module in one of the engines.
pub trait Guest {
    fn write(&mut self, at: u32, bytes: &[u8]);
    /// Calls the export with the recorded host.
    fn call(&mut self, step: &'static Step) -> u32;
}

/// Answers host calls as they were answered before.
#[derive(Default)]
pub struct Replay {
    pub events: std::slice::Iter<'static, Event>,
}

impl Replay {
    /// The result; `write` writes into the memory.
    pub fn call(&mut self, call: u32, args: &[u64], mut write: impl FnMut(u32, &[u8])) -> u64 {
        let event = self.events.next().expect("no more calls than were recorded");
        assert_eq!((event.call, &*event.args), (call, args), "a host call");
        event.writes.iter().for_each(|part| write(part.at, &part.bytes));
        event.result
    }
}

/// Every result must be the recorded one.
pub fn run(guest: &mut dyn Guest, steps: &'static [Step]) {
    for step in steps {
        if let Some(input) = &step.input {
            guest.write(input.at, &input.bytes);
        }
        assert_eq!(guest.call(step), step.result, "{}", step.export);
    }
}
