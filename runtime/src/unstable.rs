//! What only nightly's `Span` and `Literal` have: compiled with `--cfg precast_nightly` alone.

use std::ops::Bound;

use super::api::TokenTree;
use super::fault::Fault;
use super::memory::Memory;
use super::tokens::Tokens;
use super::wasi::Args;

/// The host call `unstable`: 0 `join`, 1 `byte_range`, 2 `subspan`.
pub fn ask(tokens: &mut Tokens, args: &Args, memory: &Memory) -> Result<u64, Fault> {
    let (what, first, second) = (args.word(0), args.word(1), args.word(2));
    let span = if what < 2 {
        match (what, tokens.span(first), tokens.span(second)) {
            (0, Some(span), Some(other)) => span.join(other),
            (1, Some(span), _) => {
                let range = span.byte_range();
                return Ok((range.start as u64) << 32 | range.end as u64);
            }
            _ => return Err(tokens.fault()),
        }
    } else {
        match tri!(tokens.decode_one(memory, first)) {
            TokenTree::Literal(literal) => {
                let end = match args.word(3) {
                    u32::MAX => Bound::Unbounded,
                    end => Bound::Excluded(end as usize),
                };
                literal.subspan((Bound::Included(second as usize), end))
            }
            _ => None,
        }
    };
    Ok(match span {
        Some(span) => tokens.add_span(span) as u64,
        None => 0,
    })
}
