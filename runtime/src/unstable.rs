//! What only nightly's `Span` and `Literal` have: compiled with `--cfg precast_nightly` alone.

use std::ops::Bound;

use super::api::TokenTree;
use super::instance::Fault;
use super::memory::Memory;
use super::tokens::Tokens;

/// The host call `unstable`: 0 `join`, 1 `byte_range`, 2 `subspan`.
pub fn ask(tokens: &mut Tokens, args: &[u64], memory: &Memory) -> Result<u64, Fault> {
    let (first, second) = (args[1] as u32, args[2] as u32);
    let span = match args[0] {
        0 => tri!(tokens.span(first)).join(tri!(tokens.span(second))),
        1 => {
            let range = tri!(tokens.span(first)).byte_range();
            return Ok((range.start as u64) << 32 | range.end as u64);
        }
        _ => match tri!(tokens.decode_one(memory, first)) {
            TokenTree::Literal(literal) => {
                let end = match args[3] as u32 {
                    u32::MAX => Bound::Unbounded,
                    end => Bound::Excluded(end as usize),
                };
                literal.subspan((Bound::Included(second as usize), end))
            }
            _ => None,
        },
    };
    Ok(match span {
        Some(span) => tokens.add_span(span) as u64,
        None => 0,
    })
}
