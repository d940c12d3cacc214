//! The runtime of a shim: runs the embedded module for each expansion.
//!
//! It is compiled by every consumer, unoptimised, in any edition and by compilers since 1.63: no
//! dependency, no paths from the crate's root, nothing that runs before the first expansion.

#![allow(dead_code, unused_imports, unreachable_pub, unstable_name_collisions)]
#![allow(unknown_lints, unnecessary_transmutes, clippy::all, clippy::pedantic)]
#![allow(unsafe_op_in_unsafe_fn, missing_docs, unused_qualifications, redundant_imports)]

/// Which of two tiers is compiled: the one for machine code, or the portable one.
#[cfg(all(
    any(
        all(
            target_arch = "x86_64",
            any(target_os = "linux", windows, all(target_os = "macos", precast_jit))
        ),
        all(target_arch = "aarch64", target_endian = "little", target_os = "linux")
    ),
    target_pointer_width = "64",
    not(precast_portable),
    not(miri)
))]
macro_rules! tier {
    ($jit:item $portable:item) => {
        $jit
    };
}
#[cfg(not(all(
    any(
        all(
            target_arch = "x86_64",
            any(target_os = "linux", windows, all(target_os = "macos", precast_jit))
        ),
        all(target_arch = "aarch64", target_endian = "little", target_os = "linux")
    ),
    target_pointer_width = "64",
    not(precast_portable),
    not(miri)
)))]
macro_rules! tier {
    ($jit:item $portable:item) => {
        $portable
    };
}

#[macro_use]
mod macros;

pub mod calls;
pub mod engine;
pub mod fault;
#[cfg(not(all(proc_macro, target_arch = "x86_64")))]
pub mod image;
pub mod instance;
pub mod kernel;
pub mod memory;
pub mod text;

mod expansions;
pub mod host;
#[cfg(all(proc_macro, target_os = "linux"))]
mod ledger;
#[cfg_attr(
    all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        target_os = "linux",
        not(miri)
    ),
    path = "sys/linux.rs"
)]
mod sys;
pub mod tokens;
#[cfg(precast_track)]
mod track;
pub mod wasi;

// The kernel's text knows the image; of the rest only `math` names something of it.
#[cfg(all(proc_macro, target_arch = "x86_64"))]
tier! {
    part! {
        math {
            mod image;
        }
        {
        }
    }
    mod image;
}

// A shim's root defines `part!`: it takes what the module's imports ask for, or what stands for it.
part! {
    place {
        mod place;
    }
    {
        mod place {
            pub struct Place;

            impl Place {
                #[inline(always)]
                pub fn now() -> Place {
                    Place
                }

                #[inline(always)]
                pub fn is_now(&self) -> bool {
                    true
                }
            }
        }
    }
}
part! {
    fingerprint {
        mod fingerprint;
    }
    {
        mod fingerprint {
            #[inline(always)]
            pub fn of(_: &mut super::Machine) -> Result<String, super::fault::Fault> {
                Ok(String::new())
            }
        }
    }
}
part! {
    libm {
        mod libm;
    }
    {
    }
}
part! {
    spans {
        #[cfg(proc_macro)]
        mod spans;
        #[cfg(not(proc_macro))]
        use super::tokens as spans;
    }
    {
    }
}

#[cfg(all(precast_nightly, proc_macro))]
mod unstable;

/// Tokens: the compiler's in a shim, the library's own elsewhere.
#[cfg(proc_macro)]
extern crate proc_macro as api;
#[cfg(not(proc_macro))]
use super::tokens as api;

use std::any::Any;
use std::env;
use std::panic::resume_unwind;
#[cfg(not(proc_macro))]
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::api::{Literal, TokenStream};
use self::expansions::Expansions;
pub use self::expansions::Kept;
pub use self::fault::Limits;
use self::fault::{guard, Fault};
use self::host::Session;
use self::instance::Instance;
use self::place::Place;
use self::text::{first_word, formatted, holds, joined, shown};
use self::tokens::Tokens;
pub use self::wasi::Grants;
#[cfg(not(proc_macro))]
use self::wasi::Refused;
use self::wasi::Wasi;

/// An instance with what belongs to it. It persists over expansions and panics, as the state of a
/// native macro does, and is thrown away after any other fault.
pub struct Machine {
    instance: Instance,
    wasi: Wasi,
    /// The export `precast_buffer`.
    buffer: u32,
    epoch: u32,
    /// The environment that the macro has seen.
    place: Place,
    tokens_max: u32,
    expansions: Expansions,
    /// The table of its functions' names, which may be empty.
    pub names: &'static [u8],
    /// So many of them are told where a macro stops.
    pub frames_max: usize,
}

/// Why an expansion failed.
pub struct Failure {
    pub fault: Fault,
    /// The payload of a panic that is no text.
    pub payload: Option<Box<dyn Any + Send>>,
    /// Where the macro was, each function on a line of its own; nothing after a panic.
    pub trace: String,
}

impl Machine {
    pub fn new(
        embedded: &'static [u8],
        grants: &'static Grants,
        limits: Limits,
    ) -> Result<Machine, Fault> {
        let wasi = Wasi::new(grants, &limits);
        let tokens_max = limits.tokens_max;
        let mut machine = Machine {
            instance: tri!(Instance::new(embedded, limits)),
            wasi: wasi,
            buffer: 0,
            epoch: 1,
            place: Place::now(),
            tokens_max: tokens_max,
            expansions: Expansions::NONE,
            names: &[],
            frames_max: 5,
        };
        match machine.start() {
            Ok(()) => Ok(machine),
            Err(fault) => Err(fault),
        }
    }

    fn start(&mut self) -> Result<(), Fault> {
        let start = tri!(export(&mut self.instance, "precast_start"));
        self.buffer = tri!(export(&mut self.instance, "precast_buffer"));
        let mut session = Session::new(Tokens::new(1), &mut self.wasi);
        let abi = tri!(self.instance.call(start, &[], &mut session)) as u32;
        if abi != calls::ABI {
            return Err(Fault::Damaged(formatted(format_args!(
                "it speaks version {} of the token ABI, this shim version {}",
                abi,
                calls::ABI
            ))));
        }
        Ok(())
    }

    /// Uses the expansions of a file, if there is one, and adds to them.
    pub fn remember(&mut self, kept: &Kept) -> Result<(), Fault> {
        let fingerprint = tri!(fingerprint::of(self));
        let mut session = Session::new(Tokens::new(1), &mut self.wasi);
        self.expansions.open(kept, &fingerprint, &mut self.instance, &mut session)
    }

    /// Calls a macro. After a failure other than a panic the machine is not to be used again.
    pub fn expand(
        &mut self,
        function: &str,
        input: TokenStream,
        item: Option<TokenStream>,
    ) -> Result<Output, Failure> {
        let mut session = Session::new(Tokens::new(self.epoch), &mut self.wasi);
        session.tokens.records_max = self.tokens_max;
        session.tokens.own = session.wasi.own;
        let mut n_streams = 1;
        session.tokens.add_stream(input);
        if let Some(item) = item {
            session.tokens.add_stream(item);
            n_streams = 2;
        }
        session.wasi.begin();
        let result = call(
            &mut self.instance,
            &mut self.expansions,
            self.buffer,
            function,
            n_streams,
            &mut session,
        );
        self.epoch = session.tokens.next_epoch();
        match result {
            Ok(stream) => Ok(Output {
                stream: stream,
                has_error: session.tokens.has_error,
                is_remembered: self.expansions.is_remembered,
                counts: [session.tokens.n_in, session.tokens.n_out(), session.tokens.n_lines],
            }),
            Err(fault) => {
                let mut trace = String::new();
                match fault {
                    Fault::Panic(_) => (),
                    _ => self.instance.trace(self.names, self.frames_max, &mut trace),
                }
                Err(Failure { fault: fault, payload: session.payload.take(), trace: trace })
            }
        }
    }

    /// What the macro's memory takes.
    #[cfg(not(proc_macro))]
    pub fn memory_bytes(&mut self) -> u64 {
        self.instance.memory().bytes()
    }

    /// The functions of the module that were called, in the order of their first calls.
    #[cfg(not(proc_macro))]
    pub fn called(&self) -> &[u32] {
        self.instance.called()
    }

    /// The module's globals.
    #[cfg(not(proc_macro))]
    pub fn globals(&self) -> &[u64] {
        self.instance.globals()
    }

    /// Lets the macro write to nowhere instead of standard output and error.
    #[cfg(not(proc_macro))]
    pub fn mute(&mut self) {
        self.wasi.muted = true;
    }

    /// Keeps what the macro writes to standard error from now on; what was kept before.
    #[cfg(not(proc_macro))]
    pub fn keep_errors(&mut self) -> Vec<u8> {
        self.wasi.kept.replace(Vec::new()).unwrap_or_default()
    }

    /// The files and directories that the macro wanted to read or write and may not, in the last
    /// expansion.
    #[cfg(not(proc_macro))]
    pub fn denied(&self) -> &[Refused] {
        self.wasi.files.refused()
    }

    /// The environment variables that the macro asked for, each once, in their order.
    #[cfg(not(proc_macro))]
    pub fn variables(&self) -> &[String] {
        &self.wasi.environ.asked
    }

    /// Those of them that are set and not granted, in the last expansion.
    #[cfg(not(proc_macro))]
    pub fn denied_variables(&self) -> impl Iterator<Item = &Refused> + '_ {
        self.wasi.refused.iter().filter(|refused| refused.kind == 0)
    }

    /// The files and directories that the macro has read.
    #[cfg(not(proc_macro))]
    pub fn reads(&self) -> &[PathBuf] {
        &self.wasi.files.reads
    }
}

pub struct Output {
    pub stream: TokenStream,
    /// Whether the macro has made a `compile_error`.
    pub has_error: bool,
    /// Whether the macro did not run.
    pub is_remembered: bool,
    /// Tokens that went in; those that the macro made or gave back; its semicolons and braces, which are about as many
    /// lines.
    pub counts: [u32; 3],
}

fn export(instance: &mut Instance, name: &str) -> Result<u32, Fault> {
    match instance.export(name) {
        Some(func) => Ok(func),
        None => Err(Fault::Damaged(joined(&["it has no function `", name, "`"]))),
    }
}

fn call(
    instance: &mut Instance,
    expansions: &mut Expansions,
    buffer: u32,
    function: &str,
    n_streams: u32,
    session: &mut Session,
) -> Result<TokenStream, Fault> {
    let func = tri!(export(instance, function));
    let len = tri!(session.tokens.encode(n_streams));
    let at = tri!(instance.call(buffer, &[len as u64], session)) as u32;
    session.tokens.n_in = session.tokens.n_natives() - n_streams;
    tri!(session.tokens.write(instance.memory(), at));
    let mut at = tri!(expansions.recall(func, instance, session));
    if at == 0 {
        at = tri!(instance.call(func, &[], session)) as u32;
    }
    // The native constructors panic on what the guest should have refused.
    let memory = instance.memory();
    let mut result = Err(Fault::Panic(String::new()));
    session.payload = {
        let tokens = &mut session.tokens;
        guard(&mut || result = tokens.decode(memory, at))
    };
    if let Ok(_) = result {
        tri!(expansions.add(at, instance, session));
    }
    result
}

/// A decimal number of up to nine digits; 0 if it is none.
fn number(digits: &[u8]) -> u32 {
    let mut number = 0;
    let mut i = 0;
    while i < digits.len() {
        if digits[i] < b'0' || digits[i] > b'9' || i == 9 {
            return 0;
        }
        number = number * 10 + (digits[i] - b'0') as u32;
        i += 1;
    }
    number
}

/// What a variable says; nothing if it is not set, or no text.
fn setting(name: &str) -> String {
    match env::var(name) {
        Ok(text) => text,
        Err(_) => String::new(),
    }
}

/// What to say of a message that quotes the standard library refusing what no module has.
pub fn unsupported(name: &str, message: &str) -> Option<String> {
    // As std puts it; less would be found in what macros say of the consumer's platform.
    let message = message.as_bytes();
    if !holds(message, b"operation not supported on this platform")
        && !holds(message, b"no pids on this platform")
        && !holds(message, b"no filesystem on wasm")
    {
        return None;
    }
    Some(joined(&[
        name,
        " runs in a sandbox of precast: there is no network, no process and no thread for it; \
         `cargo precast build --except ",
        first_word(name),
        "` builds it from source",
    ]))
}

/// The macros of a shim.
pub struct Module {
    embedded: &'static [u8],
    grants: &'static Grants,
    /// Name and version, for messages.
    name: &'static str,
    limits: Limits,
    kept: Kept,
    /// The table of its functions' names.
    names: &'static [u8],
    /// The address of a boxed machine, or 0: there is none, or it is expanding. Whoever finds none makes
    /// one, so nobody ever waits.
    machine: AtomicUsize,
}

impl Module {
    pub const fn new(
        embedded: &'static [u8],
        grants: &'static Grants,
        name: &'static str,
        limits: Limits,
        kept: Kept,
        names: &'static [u8],
    ) -> Module {
        Module {
            embedded: embedded,
            grants: grants,
            name: name,
            limits: limits,
            kept: kept,
            names: names,
            machine: AtomicUsize::new(0),
        }
    }

    pub fn derive(&self, function: &str, input: TokenStream) -> TokenStream {
        match self.expand(function, input, None, true) {
            Ok(stream) => stream,
            Err(message) => error(&message),
        }
    }

    pub fn bang(&self, function: &str, input: TokenStream) -> TokenStream {
        match self.expand(function, input, None, false) {
            Ok(stream) => stream,
            Err(message) => error(&message),
        }
    }

    /// The item survives a failure, so that its uses are no errors as well.
    pub fn attribute(&self, function: &str, args: TokenStream, item: TokenStream) -> TokenStream {
        match self.expand(function, args, Some(item.clone()), true) {
            Ok(stream) => stream,
            Err(message) => {
                let mut stream = error(&message);
                stream.extend(Some(item));
                stream
            }
        }
    }

    /// The machine that is kept, if there is one. The next expansion makes another.
    #[cfg(not(proc_macro))]
    pub fn take(&self) -> Option<Box<Machine>> {
        self.replace(None)
    }

    /// Keeps what the macros write to standard error from now on, for who takes the machine.
    #[cfg(not(proc_macro))]
    pub fn keep_errors(&self) {
        // What keeps it from starting, the expansion tells.
        if let Ok(mut machine) = self.machine() {
            machine.keep_errors();
            self.replace(Some(machine));
        }
    }

    /// `Err`: a message for the call site. A panic of the macro goes on as one.
    fn expand(
        &self,
        function: &str,
        input: TokenStream,
        item: Option<TokenStream>,
        is_item: bool,
    ) -> Result<TokenStream, String> {
        let mut help = None;
        let failure = match self.expand_on(function, input, item, is_item, &mut help) {
            Ok(output) if output.has_error => return Ok(self.helped(output.stream, help, is_item)),
            Ok(output) => {
                // It did without: natively it may have gone another way.
                if let Some(help) = help {
                    wasi::warn(&help);
                }
                return Ok(output.stream);
            }
            Err(failure) => failure,
        };
        if let Some(payload) = failure.payload {
            resume_unwind(payload);
        }
        let mut message = String::new();
        self.tell(&failure, &mut help, &mut message);
        if let Fault::Panic(_) = failure.fault {
            resume_unwind(Box::new(message));
        }
        Err(message)
    }

    /// Behind an error that the macro reports in words of its own, which cannot name the grant.
    fn helped(
        &self,
        mut stream: TokenStream,
        mut help: Option<String>,
        is_item: bool,
    ) -> TokenStream {
        if let None = help {
            help = unsupported(self.name, &shown(&stream));
        }
        if let Some(help) = help {
            if is_item {
                stream.extend(Some(error(&help)));
            } else {
                eprintln!("note: {}", help);
            }
        }
        stream
    }

    /// What to say of a fault. Into a text of the caller's: one's own would be dropped at each call that may panic.
    fn tell(&self, failure: &Failure, help: &mut Option<String>, message: &mut String) {
        let fault = &failure.fault;
        match *fault {
            Fault::Panic(_) => (),
            _ => {
                message.push_str(self.name);
                message.push_str(": ");
            }
        }
        fault.tell(message);
        if let Fault::Limit(what) = *fault {
            // Those that can be set are named in backticks.
            if holds(what.as_bytes(), b"`") {
                message.push_str("; PRECAST_LIMITS=2 in the environment doubles it");
            }
        }
        if let None = *help {
            *help = unsupported(self.name, message);
        }
        message.push_str(&failure.trace);
        if let Some(ref help) = *help {
            message.push_str("\n");
            message.push_str(help);
        }
    }

    /// With the result what to do about what was refused.
    #[cfg_attr(not(precast_track), allow(unused_variables))]
    fn expand_on(
        &self,
        function: &str,
        input: TokenStream,
        item: Option<TokenStream>,
        is_item: bool,
        help: &mut Option<String>,
    ) -> Result<Output, Failure> {
        #[cfg(all(proc_macro, target_os = "linux"))]
        let ledger = number(setting("PRECAST_LEDGER").as_bytes());
        #[cfg(all(proc_macro, target_os = "linux"))]
        let start = if ledger != 0 { sys::now() } else { 0 };
        let mut machine = match self.machine() {
            Ok(machine) => machine,
            Err(fault) => {
                return Err(Failure { fault: fault, payload: None, trace: String::new() })
            }
        };
        #[cfg(precast_track)]
        let n_reads = machine.wasi.files.reads.len();
        let result = machine.expand(function, input, item);
        #[cfg(all(proc_macro, target_os = "linux"))]
        if ledger != 0 {
            ledger::note(ledger, start, self.name, function, &result);
        }
        #[cfg(precast_track)]
        let result = track::track(result, is_item, &machine.wasi.files.reads[n_reads..]);
        let failed = match result {
            Ok(ref output) => output.has_error,
            Err(_) => true,
        };
        *help = machine.wasi.help(self.name, failed);
        match result {
            Ok(_) | Err(Failure { fault: Fault::Panic(_), .. }) => {
                self.replace(Some(machine));
            }
            Err(_) => (),
        }
        result
    }

    /// The machine that was kept, or a new one. Whoever builds may raise the limits: `PRECAST_LIMITS` is a factor.
    fn machine(&self) -> Result<Box<Machine>, Fault> {
        if let Some(machine) = self.replace(None) {
            if machine.place.is_now() {
                return Ok(machine);
            }
        }
        let factor = setting("PRECAST_LIMITS");
        let factor = if factor.is_empty() { 1 } else { number(factor.as_bytes()) };
        if factor == 0 {
            return Err(Fault::Limit("PRECAST_LIMITS is no whole number above 0"));
        }
        let mut machine = tri!(Machine::new(self.embedded, self.grants, self.limits.times(factor)));
        machine.names = self.names;
        tri!(machine.remember(&self.kept));
        Ok(Box::new(machine))
    }

    /// Keeps a machine, and gives the one that was kept.
    fn replace(&self, machine: Option<Box<Machine>>) -> Option<Box<Machine>> {
        let new = match machine {
            Some(machine) => Box::into_raw(machine) as usize,
            None => 0,
        };
        let old = self.machine.swap(new, Ordering::AcqRel);
        if old == 0 {
            return None;
        }
        // SAFETY: only boxes are kept, and an address is taken out once.
        Some(unsafe { Box::from_raw(old as *mut Machine) })
    }
}

/// `compile_error! { "message" }` at the call site.
fn error(message: &str) -> TokenStream {
    let text = joined(&["compile_error! { ", &shown(&Literal::string(message)), " }"]);
    match TokenStream::from_str(&text) {
        Ok(stream) => stream,
        Err(_) => TokenStream::new(),
    }
}
