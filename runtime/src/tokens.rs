//! Native tokens to records in guest memory and back (docs/token-abi.md).
//!
//! This runs unoptimised, once per token: words are written and read by hand, nothing is allocated
//! but what the native interface itself wants. Bytes of the guest are never trusted.

/// `tri!` of an `Option`.
macro_rules! some {
    ($option:expr) => {
        match $option {
            Some(value) => value,
            None => return None,
        }
    };
}

mod decode;
mod encode;
mod literal;

use super::api::{Delimiter, Group, Punct, Spacing, Span, TokenStream, TokenTree};
use super::fault::{Fault, Trap};
use super::text::owned;

type Record = [u32; 4];

const GROUP: u32 = 0;
const IDENT: u32 = 1;
const PUNCT: u32 = 2;
const LITERAL: u32 = 3;
const SPLICE: u32 = 4;
/// In the first word of a group: it is the native one.
const ORIGINAL: u32 = 1 << 5;
const LONG: u32 = 0xff_ffff;

const HEADER_BYTES: u32 = 16;
const RECORD_BYTES: u32 = 16;
const N_RECORDS_MAX: u32 = 1 << 24;

/// The tokens of one expansion.
pub struct Tokens {
    epoch: u32,
    /// Native tokens, by `id - epoch - 1`.
    natives: Vec<TokenTree>,
    call_site: Span,
    mixed_site: Span,
    call_site_handle: u32,
    /// The span that was last looked up: the next token often has the same.
    last_handle: u32,
    last_span: Span,
    /// What is being encoded.
    records: Vec<Record>,
    texts: String,
    /// Records that may still be decoded.
    budget: u32,
    /// That many at first.
    pub records_max: u32,
    /// Where the package's own files are.
    pub own: Option<(&'static str, &'static str)>,
    refusal: Refusal,
    /// Whether the macro has made an identifier `compile_error`.
    pub has_error: bool,
    /// Tokens of the input.
    pub n_in: u32,
    /// Semicolons and braces of what was decoded last.
    pub n_lines: u32,
}

/// Why a token is not decoded. Whoever gives `None` says it: a result with a `Fault`, which is to be dropped,
/// takes four times as long to compile.
enum Refusal {
    Nothing,
    Stale,
    Memory,
    Damaged(&'static str),
    Limit(&'static str),
}

impl Tokens {
    pub fn new(epoch: u32) -> Tokens {
        let call_site = Span::call_site();
        Tokens {
            epoch: epoch,
            natives: Vec::new(),
            call_site: call_site,
            mixed_site: Span::mixed_site(),
            call_site_handle: epoch << 2,
            last_handle: epoch << 2,
            last_span: call_site,
            records: Vec::new(),
            texts: String::new(),
            budget: 0,
            records_max: N_RECORDS_MAX,
            own: None,
            refusal: Refusal::Nothing,
            has_error: false,
            n_in: 0,
            n_lines: 0,
        }
    }

    pub fn n_natives(&self) -> u32 {
        self.natives.len() as u32
    }

    /// Records that were decoded last.
    pub fn n_out(&self) -> u32 {
        self.records_max - self.budget
    }

    /// The first epoch whose ids do not meet those of this one.
    pub fn next_epoch(&self) -> u32 {
        let next = self.epoch + self.natives.len() as u32 + 1;
        if next < 1 << 29 {
            next
        } else {
            1
        }
    }

    /// The id of a new native token.
    pub fn add(&mut self, tree: TokenTree) -> u32 {
        self.natives.push(tree);
        self.epoch + self.natives.len() as u32
    }

    /// The id of a group around `stream`.
    pub fn add_stream(&mut self, stream: TokenStream) -> u32 {
        self.add(TokenTree::Group(Group::new(Delimiter::None, stream)))
    }

    /// The handle of a new span: that of a token which has it.
    pub fn add_span(&mut self, span: Span) -> u32 {
        let mut punct = Punct::new('.', Spacing::Alone);
        punct.set_span(span);
        self.add(TokenTree::Punct(punct)) << 2
    }

    /// `None`: it is stale.
    fn native(&self, id: u32) -> Option<&TokenTree> {
        let i = id.wrapping_sub(self.epoch + 1) as usize;
        if i >= self.natives.len() {
            return None;
        }
        Some(&self.natives[i])
    }

    pub fn native_stream(&mut self, id: u32) -> Option<TokenStream> {
        self.refusal = match self.native(id) {
            Some(TokenTree::Group(group)) => return Some(group.stream()),
            Some(_) => Refusal::Damaged("a stream that is none"),
            None => Refusal::Stale,
        };
        None
    }

    /// Why there is nothing, which something has just answered.
    pub fn fault(&mut self) -> Fault {
        let fault = match self.refusal {
            Refusal::Damaged(what) => Fault::Damaged(owned(what)),
            Refusal::Limit(what) => Fault::Limit(what),
            Refusal::Memory => Fault::Trap(Trap::MemoryOutOfBounds),
            Refusal::Stale | Refusal::Nothing => {
                Fault::Panic(owned("use-after-free in `proc_macro` handle"))
            }
        };
        self.refusal = Refusal::Nothing;
        fault
    }

    /// The native span of a handle, if it is not stale.
    pub fn span(&self, handle: u32) -> Option<Span> {
        let (id, part) = (handle >> 2, handle & 3);
        if part == 3 {
            return None;
        }
        if id == self.epoch {
            return Some(if part == 1 { self.mixed_site } else { self.call_site });
        }
        let tree = some!(self.native(id));
        if part != 0 {
            if let TokenTree::Group(ref group) = *tree {
                return Some(if part == 1 { group.span_open() } else { group.span_close() });
            }
        }
        Some(tree.span())
    }
}

/// A record as it is in memory, and back.
fn little(record: Record) -> Record {
    if cfg!(target_endian = "big") {
        let [a, b, c, d] = record;
        return [a.swap_bytes(), b.swap_bytes(), c.swap_bytes(), d.swap_bytes()];
    }
    record
}
