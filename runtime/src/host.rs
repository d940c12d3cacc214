//! Every host call of module `precast` (docs/token-abi.md); those of WASI are in `wasi.rs`.
//!
//! The native interface panics in many of these, as it does in a native macro. Such a panic is caught
//! before it can unwind through the engine, and goes on when the instance is left.

use std::any::Any;
use std::fmt::{Debug, Display};
use std::str;
use std::str::FromStr;

use super::api::{Ident, LexError, Literal, Span, TokenStream, TokenTree};
use super::calls;
use super::engine::Host;
use super::fault::{guard, Fault};
use super::memory::Memory;
use super::text::{formatted, holds, owned, shown};
use super::tokens::Tokens;
use super::wasi::{placed, Args, Wasi};

part! {
    unwind {
        impl<'a> Session<'a> {
            fn caught(&mut self) -> u64 {
                let payload = match self.payload.take() {
                    Some(payload) => payload,
                    None => return 0,
                };
                let text: &str = match payload.downcast_ref::<String>() {
                    Some(text) => text,
                    None => match payload.downcast_ref::<&'static str>() {
                        Some(text) => text,
                        None => return 0,
                    },
                };
                self.keep(owned(text)) << 32 | 1
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

part! {
    spans {
        use super::spans;

        impl<'a> Session<'a> {
            fn of_spans(&mut self, call: u32, a: u32, b: u32, c: u32) -> Result<u64, Fault> {
                let span = match self.tokens.span(a) {
                    Some(span) => span,
                    None => return Err(self.tokens.fault()),
                };
                match calls::number(call) {
                    calls::SPAN_TEXT => match spans::text(span, b) {
                        Some(text) => Ok(self.keep(text) << 32 | 1),
                        None => Ok(0),
                    },
                    calls::SPAN_NUMBER => Ok(spans::number(span, b) as u64),
                    _ => match self.tokens.span(b) {
                        Some(other) => {
                            Ok(self.tokens.add_span(spans::derive(span, other, c)) as u64)
                        }
                        None => Err(self.tokens.fault()),
                    },
                }
            }
        }
    }
    {
        impl<'a> Session<'a> {
            fn of_spans(&mut self, call: u32, _: u32, _: u32, _: u32) -> Result<u64, Fault> {
                Err(unknown(call))
            }
        }
    }
}

part! {
    libm {
        use super::libm::libm;
    }
    {
        fn libm(_: u32, _: u64, _: u64) -> u64 {
            0
        }
    }
}

part! {
    about {
        use super::wasi::{about, About};

        impl<'a> Session<'a> {
            fn about(&mut self, what: u32) -> u64 {
                // What is packed must not depend on the machine.
                #[cfg(not(proc_macro))]
                if self.wasi.muted {
                    return 0;
                }
                match about(what) {
                    About::Number(number) => number as u64,
                    About::Text(Some(text)) => self.keep(text) << 32 | 1,
                    About::Text(None) => 0,
                }
            }
        }
    }
    {
        impl<'a> Session<'a> {
            fn about(&mut self, _: u32) -> u64 {
                0
            }
        }
    }
}

part! {
    files {
        impl<'a> Session<'a> {
            fn real_path(&mut self, path: &str) -> u64 {
                if !path.is_empty() && path.as_bytes()[0] < 3 {
                    return match self.wasi.files.seen(path) {
                        // SAFETY: nobody reads the answer as a text.
                        Some(seen) => unsafe { self.keep(String::from_utf8_unchecked(seen)) << 32 | 1 },
                        None => 0,
                    };
                }
                match self.wasi.files.real_path(path) {
                    Some(path) => self.keep(path) << 32 | 1,
                    None => 0,
                }
            }
        }
    }
    {
        impl<'a> Session<'a> {
            fn real_path(&mut self, _: &str) -> u64 {
                0
            }
        }
    }
}

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
        if let Some(payload) = payload {
            self.payload = Some(payload);
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
        let args = &Args(args);
        let (a, b, c) = (args.word(0), args.word(1), args.word(2));
        if call == calls::ANSWER as u32 {
            return self.give(a, memory);
        }
        self.is_stream = false;
        match calls::number(call) {
            calls::PANIC
            | calls::PARSE_STREAM
            | calls::PARSE_LITERAL
            | calls::IDENT
            | calls::VARIABLE
            | calls::REFUSED
            | calls::REAL_PATH => match str::from_utf8(tri!(memory.read(a, b))) {
                Ok(text) if call == calls::PANIC as u32 => {
                    Err(Fault::Panic(match placed(self.wasi.own, text) {
                        Some(text) => text,
                        None => owned(text),
                    }))
                }
                Ok(text) if call == calls::PARSE_STREAM as u32 => {
                    match placed(self.wasi.own, text) {
                        Some(placed) => Ok(self.of_text(call, &placed, c)),
                        None => Ok(self.of_text(call, text, c)),
                    }
                }
                Ok(text) => Ok(self.of_text(call, text, c)),
                // Such a path is answered by its parts.
                Err(_) if call == calls::REAL_PATH as u32 => Ok(0),
                Err(_) => Err(Fault::Damaged(owned("a text that is not UTF-8"))),
            },
            calls::PANIC_ANY => {
                self.payload = Some(Box::new(()));
                Err(Fault::Panic(String::new()))
            }
            calls::READ_STREAM => {
                match self.tokens.native_stream(a) {
                    Some(stream) => self.tokens.add_stream(stream),
                    None => return Err(self.tokens.fault()),
                };
                self.is_stream = true;
                Ok(tri!(self.tokens.encode(1)) as u64)
            }
            // `literal_text` has one argument, and one that is missing is 0.
            calls::LITERAL_TEXT | calls::DEBUG if b == 0 => {
                let tree = tri!(self.tokens.decode_one(memory, a));
                Ok(self.print(call, c, &tree, &tree))
            }
            calls::DISPLAY | calls::DEBUG => {
                let stream = tri!(self.tokens.decode(memory, a));
                Ok(self.print(call, c, &stream, &stream))
            }
            calls::SPAN_TEXT | calls::SPAN_NUMBER | calls::SPAN_DERIVE => {
                self.of_spans(call, a, b, c)
            }
            calls::CAUGHT => Ok(self.caught()),
            calls::ABOUT => Ok(self.about(a)),
            calls::LIBM => Ok(libm(a, args.long(1), args.long(2))),
            #[cfg(all(precast_nightly, proc_macro))]
            calls::UNSTABLE => super::unstable::ask(&mut self.tokens, args, memory),
            // `join` is not there; nothing else is asked for then, or gives 0.
            #[cfg(not(all(precast_nightly, proc_macro)))]
            calls::UNSTABLE => Ok((a == 0) as u64),
            _ => Err(unknown(call)),
        }
    }

    /// The calls that begin with a text.
    fn of_text(&mut self, call: u32, text: &str, raw: u32) -> u64 {
        match calls::number(call) {
            calls::PARSE_STREAM => {
                if holds(text.as_bytes(), b"compile_error") {
                    self.tokens.has_error = true;
                }
                match TokenStream::from_str(text) {
                    Ok(stream) => self.tokens.add_stream(stream) as u64,
                    Err(error) => self.lex_error(&error),
                }
            }
            calls::PARSE_LITERAL => match Literal::from_str(text) {
                Ok(literal) => {
                    let len = self.keep(shown(&literal));
                    len << 32 | self.tokens.add(TokenTree::Literal(literal)) as u64
                }
                Err(error) => self.lex_error(&error),
            },
            calls::IDENT => {
                let span = Span::call_site();
                if raw == 0 {
                    return self.keep(shown(&Ident::new(text, span)));
                }
                let ident = shown(&Ident::new_raw(text, span));
                // SAFETY: what is printed starts with `r#`.
                let name = unsafe { str::from_utf8_unchecked(&ident.as_bytes()[2..ident.len()]) };
                self.keep(owned(name))
            }
            calls::VARIABLE => {
                self.wasi.environ.asked(text, &mut self.wasi.refused);
                0
            }
            calls::REFUSED => {
                self.wasi.refuse(text);
                0
            }
            _ => self.real_path(text),
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

    fn print(&mut self, call: u32, alternate: u32, plain: &dyn Display, debug: &dyn Debug) -> u64 {
        self.keep(if call != calls::DEBUG as u32 {
            shown(plain)
        } else if alternate != 0 {
            formatted(format_args!("{:#?}", debug))
        } else {
            formatted(format_args!("{:?}", debug))
        })
    }

    fn lex_error(&mut self, error: &LexError) -> u64 {
        self.keep(formatted(format_args!("{}\0{:?}\0{:#?}", *error, *error, *error))) << 32
    }
}

fn unknown(call: u32) -> Fault {
    Fault::Damaged(formatted(format_args!("host call {} is unknown", call)))
}
