//! Expansions as an engine sees them: what goes into the module, and what its host calls answer.
//!
//! Recorded once with our engine and the host of every shim. All engines then do the same work, down
//! to the addresses, and none of them has the compiler's part in its figures.

use precast::artifact::Artifact;
use precast::runtime::host::Session;
use precast::runtime::instance::{Fault, Host, Instance, Limits};
use precast::runtime::memory::Memory;
use precast::runtime::tokens::Tokens;
use precast::runtime::wasi::Wasi;
use precast::runtime::Grants;
use proc_macro2::TokenStream;

/// The first call, before any expansion.
pub const START: &str = "precast_start";
const BUFFER: &str = "precast_buffer";

/// One call of an export.
pub struct Step {
    pub export: String,
    pub args: Vec<u32>,
    /// What is written into the memory first.
    pub input: Option<Write>,
    pub events: Vec<Event>,
    pub result: u32,
    /// Bytes of the memory after it.
    pub memory_bytes: u64,
}

pub struct Write {
    pub at: u32,
    pub bytes: Vec<u8>,
}

/// One host call.
pub struct Event {
    pub call: u32,
    pub args: Vec<u64>,
    pub writes: Vec<Write>,
    pub result: u64,
}

/// One use of a macro: its Rust function and the input.
pub struct Use {
    pub function: String,
    pub input: TokenStream,
}

struct Recorder<'a> {
    session: Session<'a>,
    events: Vec<Event>,
    /// The memory before a call; kept, for fresh pages cost more than the copy.
    before: &'a mut Vec<u8>,
}

impl Host for Recorder<'_> {
    fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault> {
        self.before.clear();
        self.before.extend_from_slice(bytes(memory)?);
        let result = self.session.call(call, args, memory)?;
        let writes = changes(&self.before, bytes(memory)?);
        self.events.push(Event { call, args: args.to_vec(), writes, result });
        Ok(result)
    }
}

fn bytes(memory: &Memory) -> Result<&[u8], Fault> {
    memory.read(0, memory.bytes() as u32)
}

/// The stretches that differ; whole blocks are compared first, since nearly all are equal.
fn changes(before: &[u8], after: &[u8]) -> Vec<Write> {
    const BLOCK_BYTES: usize = 4096;
    let mut writes: Vec<Write> = Vec::new();
    let blocks = before.chunks(BLOCK_BYTES).zip(after.chunks(BLOCK_BYTES)).enumerate();
    for (block, (before, after)) in blocks.filter(|(_, (before, after))| before != after) {
        let start = (block * BLOCK_BYTES) as u32;
        for (at, (old, new)) in (start..).zip(before.iter().zip(after)) {
            match writes.last_mut() {
                _ if old == new => {}
                Some(last) if last.at + last.bytes.len() as u32 == at => last.bytes.push(*new),
                _ => writes.push(Write { at, bytes: vec![*new] }),
            }
        }
    }
    writes
}

/// `rounds` rounds of all uses: the start, then two calls for each expansion.
pub fn record(
    artifact: &Artifact,
    embedded: &'static [u8],
    uses: &[Use],
    rounds: usize,
) -> Vec<Step> {
    let grants = Box::leak(Box::new(Grants { env: &[], read: &[], write: &[], own: None }));
    let mut wasi = Wasi::new(grants, &Limits::DEFAULT);
    let mut instance = Instance::new(embedded, Limits::DEFAULT).expect("an image of ours");
    let mut steps = Vec::new();
    let mut epoch = 1;
    let mut before = Vec::new();
    let session = Session::new(Tokens::new(epoch), &mut wasi);
    let mut recorder = Recorder { session, events: Vec::new(), before: &mut before };
    steps.push(step(&mut instance, START, &[], None, &mut recorder));
    for case in std::iter::repeat_n(uses, rounds).flatten() {
        wasi.begin();
        let mut tokens = Tokens::new(epoch);
        tokens.add_stream(case.input.clone().into());
        let len = tokens.encode(1).expect("a short input");
        let session = Session::new(tokens, &mut wasi);
        let mut recorder = Recorder { session, events: Vec::new(), before: &mut before };
        steps.push(step(&mut instance, BUFFER, &[len], None, &mut recorder));
        let at = steps.last().expect("one was pushed").result;
        recorder.session.tokens.write(instance.memory(), at).expect("a buffer of that length");
        let bytes = instance.memory().read(at, len).expect("it was written").to_vec();
        let input = Some(Write { at, bytes });
        steps.push(step(&mut instance, &case.function, &[], input, &mut recorder));
        let at = steps.last().expect("one was pushed").result;
        let output = recorder.session.tokens.decode(instance.memory(), at).expect("an output");
        let name = &artifact.manifest.package.name;
        assert!(!output.is_empty() && !recorder.session.tokens.has_error, "{name} has failed");
        epoch = recorder.session.tokens.next_epoch();
    }
    steps
}

fn step(
    instance: &mut Instance,
    export: &str,
    args: &[u32],
    input: Option<Write>,
    recorder: &mut Recorder,
) -> Step {
    let func = instance.export(export).unwrap_or_else(|| panic!("no export {export}"));
    let values: Vec<u64> = args.iter().map(|&arg| arg.into()).collect();
    let result = instance.call(func, &values, recorder);
    let result = result.unwrap_or_else(|fault| panic!("{export}: {fault}")) as u32;
    let events = std::mem::take(&mut recorder.events);
    let memory_bytes = instance.memory().bytes();
    Step { export: export.to_owned(), args: args.to_vec(), input, events, result, memory_bytes }
}
