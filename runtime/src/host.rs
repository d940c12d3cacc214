//! Every host call of module `precast` (docs/token-abi.md); those of WASI are in `wasi.rs`.
//!
//! The native interface panics in many of these, as it does in a native macro. Such a panic is caught
//! before it can unwind through the engine, and goes on when the instance is left.

use std::any::Any;
use std::fmt::{Debug, Display};
use std::slice;
use std::str::FromStr;

use super::api::{Ident, Literal, Span, TokenStream, TokenTree};
use super::calls;
use super::instance::{guard, holds, owned, Fault, Host};
use super::memory::Memory;
use super::spans;
use super::tokens::{utf8, Tokens};
use super::unstable;
use super::wasi::Wasi;

part! {
    unwind {
        impl<'a> Session<'a> {
            fn caught(&mut self) -> u64 {
                match self.payload.take() {
                    Some(payload) => {
                        if let Some(text) = payload.downcast_ref::<String>() {
                            return self.keep(owned(text)) << 32 | 1;
                        }
                        match payload.downcast_ref::<&'static str>() {
                            Some(text) => self.keep(owned(text)) << 32 | 1,
                            None => 0,
                        }
                    }
                    None => 0,
                }
            }
        }
    }
    {
        impl<'a> Session<'a> {
            fn caught(&mut self) -> u64 {
                0
            }
        }
    }
}

/// The payload of a panic that is no text: all that can be told of it.
struct Other;

/// The host of one expansion.
pub struct Session<'a> {
    pub tokens: Tokens,
    pub wasi: &'a mut Wasi,
    /// What `answer` copies.
    answer: String,
    /// Bytes instead, from `read_stream`.
    is_stream: bool,
    /// The payload of a panic that is no text.
    pub payload: Option<Box<dyn Any + Send>>,
}

impl<'a> Host for Session<'a> {
    fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault> {
        if call < calls::PANIC as u32 {
            return self.wasi.call(call, args, memory);
        }
        let mut result = Err(Fault::Panic(String::new()));
        let payload = guard(&mut || result = self.precast(call, args, memory));
        if payload.is_some() {
            self.payload = payload;
        }
        result
    }
}

impl<'a> Session<'a> {
    pub fn new(tokens: Tokens, wasi: &'a mut Wasi) -> Session<'a> {
        Session {
            tokens: tokens,
            wasi: wasi,
            answer: String::new(),
            is_stream: false,
            payload: None,
        }
    }

    fn precast(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault> {
        let a = if args.len() == 0 { 0 } else { args[0] as u32 };
        let b = if args.len() < 2 { 0 } else { args[1] as u32 };
        let c = if args.len() < 3 { 0 } else { args[2] as u32 };
        if call == calls::ANSWER as u32 {
            return self.give(a, memory);
        }
        self.is_stream = false;
        match calls::number(call) {
            calls::PANIC => Err(Fault::Panic(owned(tri!(text(memory, a, b))))),
            calls::PANIC_ANY => {
                self.payload = Some(Box::new(Other));
                Err(Fault::Panic(String::new()))
            }
            calls::PARSE_STREAM => {
                let text = tri!(text(memory, a, b));
                if holds(text.as_bytes(), b"compile_error") {
                    self.tokens.has_error = true;
                }
                match TokenStream::from_str(text) {
                    Ok(stream) => Ok(self.tokens.add_stream(stream) as u64),
                    Err(error) => Ok(self.lex_error(&error)),
                }
            }
            calls::PARSE_LITERAL => match Literal::from_str(tri!(text(memory, a, b))) {
                Ok(literal) => {
                    let len = self.keep(text!("{}", literal));
                    Ok(len << 32 | self.tokens.add(TokenTree::Literal(literal)) as u64)
                }
                Err(error) => Ok(self.lex_error(&error)),
            },
            calls::READ_STREAM => {
                let stream = tri!(self.tokens.native_stream(a));
                self.tokens.add_stream(stream);
                self.is_stream = true;
                Ok(tri!(self.tokens.encode(1)) as u64)
            }
            calls::IDENT => {
                let string = tri!(text(memory, a, b));
                let span = Span::call_site();
                if c != 0 {
                    // What is printed starts with `r#`.
                    let ident = text!("{}", Ident::new_raw(string, span));
                    let bytes = ident.as_bytes();
                    // SAFETY: there are more than two.
                    let bytes =
                        unsafe { slice::from_raw_parts(bytes.as_ptr().add(2), bytes.len() - 2) };
                    let name = tri!(utf8(bytes));
                    return Ok(self.keep(owned(name)));
                }
                Ok(self.keep(text!("{}", Ident::new(string, span))))
            }
            calls::DISPLAY => {
                let stream = tri!(self.tokens.decode(memory, a));
                Ok(self.keep(text!("{}", stream)))
            }
            calls::LITERAL_TEXT => {
                let tree = tri!(self.tokens.decode_one(memory, a));
                Ok(self.keep(text!("{}", tree)))
            }
            calls::DEBUG if b == 0 => {
                let tree = tri!(self.tokens.decode_one(memory, a));
                Ok(self.debug(&tree, c))
            }
            calls::DEBUG => {
                let stream = tri!(self.tokens.decode(memory, a));
                Ok(self.debug(&stream, c))
            }
            calls::SPAN_TEXT => match spans::text(tri!(self.tokens.span(a)), b) {
                Some(text) => Ok(self.keep(text) << 32 | 1),
                None => Ok(0),
            },
            calls::SPAN_NUMBER => Ok(spans::number(tri!(self.tokens.span(a)), b) as u64),
            calls::SPAN_DERIVE => {
                let span = spans::derive(tri!(self.tokens.span(a)), tri!(self.tokens.span(b)), c);
                Ok(self.tokens.add_span(span) as u64)
            }
            calls::CAUGHT => Ok(self.caught()),
            calls::UNSTABLE => unstable::ask(&mut self.tokens, args, memory),
            calls::VARIABLE => {
                self.wasi.environ.asked(tri!(text(memory, a, b)));
                Ok(0)
            }
            calls::REAL_PATH => match self.wasi.files.real_path(tri!(text(memory, a, b))) {
                Some(path) => Ok(self.keep(path) << 32 | 1),
                None => Ok(0),
            },
            _ => Err(Fault::Damaged(text!("host call {} is unknown", call))),
        }
    }

    /// Leaves a text for `answer`; its length.
    fn keep(&mut self, text: String) -> u64 {
        self.answer = text;
        self.answer.len() as u64
    }

    fn give(&mut self, at: u32, memory: &mut Memory) -> Result<u64, Fault> {
        if self.is_stream {
            tri!(self.tokens.write(memory, at));
        } else {
            tri!(memory.write(at, self.answer.as_bytes()));
        }
        Ok(0)
    }

    fn debug(&mut self, value: &dyn Debug, alternate: u32) -> u64 {
        self.keep(if alternate != 0 { text!("{:#?}", value) } else { text!("{:?}", value) })
    }

    fn lex_error<E: Debug + Display>(&mut self, error: &E) -> u64 {
        self.keep(text!("{}\0{:?}\0{:#?}", error, error, error)) << 32
    }
}

fn text(memory: &Memory, at: u32, len: u32) -> Result<&str, Fault> {
    utf8(tri!(memory.read(at, len)))
}
