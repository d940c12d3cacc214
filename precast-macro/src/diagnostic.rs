//! What a macro tells the user.

#[cfg(any(not(precast_nightly), target_family = "wasm"))]
use crate::compiler::{compiler, Listener, Warnings};
#[cfg(any(not(precast_nightly), target_family = "wasm"))]
use crate::{expansion, place, render};
use proc_macro::Span;

/// How serious it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Compilation fails.
    Error,
    /// Something is suspicious.
    Warning,
    /// Good to know.
    Note,
    /// What to do.
    Help,
}

impl Level {
    /// The compiler's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
            Level::Help => "help",
        }
    }
}

/// Where a diagnostic points: nowhere, at one place, or at several.
///
/// Made from a span, from two (`(first, last)`, a region of several tokens), or from a list.
#[derive(Clone, Debug)]
pub struct Spans(pub(crate) Vec<(Span, Span)>);

impl From<Span> for Spans {
    fn from(span: Span) -> Spans {
        Spans(vec![(span, span)])
    }
}

impl From<(Span, Span)> for Spans {
    fn from(region: (Span, Span)) -> Spans {
        Spans(vec![region])
    }
}

impl From<Vec<Span>> for Spans {
    fn from(spans: Vec<Span>) -> Spans {
        Spans(spans.into_iter().map(|span| (span, span)).collect())
    }
}

/// All tokens of a stream.
impl From<&proc_macro::TokenStream> for Spans {
    fn from(stream: &proc_macro::TokenStream) -> Spans {
        let mut tokens = stream.clone().into_iter().map(|token| token.span());
        let first = tokens.next().unwrap_or_else(Span::call_site);
        Spans(vec![(first, tokens.last().unwrap_or(first))])
    }
}

/// A message with its place, and more messages below it.
///
/// Nothing is told before [`Diagnostic::emit`].
///
/// - An **error** becomes a `compile_error!` at its place. The compiler has no place for its children there,
///   so that they are lines of the message.
/// - **Warnings**, notes and help reach the user as the compiler's own: cargo counts them, shows them again
///   when nothing is compiled, and passes them on to editors. No lint stands behind them: `#[allow]` in the
///   source does not silence them. `-D warnings` on the compiler's command line (`RUSTFLAGS`) makes warnings
///   errors, `-A warnings` silences them, and so does the cap which cargo puts on dependencies from registries.
///   `#![deny(warnings)]` in the source changes nothing; cargo's `build.warnings = "deny"` counts them.
/// - Before Rust 1.88 a macro cannot know where its spans are. A warning is then told as the use of
///   a deprecated constant at its place, which `#[allow(deprecated)]` around the item silences.
/// - With `--cfg precast_nightly` and a nightly compiler all of them are `proc_macro::Diagnostic`, for macros that are
///   compiled from source.
#[derive(Clone, Debug)]
#[must_use = "nothing is told before `emit`"]
pub struct Diagnostic {
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) spans: Spans,
    pub(crate) children: Vec<Diagnostic>,
}

impl Diagnostic {
    /// Any level, at any number of places.
    pub fn new(level: Level, spans: impl Into<Spans>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { level, message: message.into(), spans: spans.into(), children: Vec::new() }
    }

    /// Compilation will fail.
    pub fn error(spans: impl Into<Spans>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Level::Error, spans, message)
    }

    /// Something is suspicious.
    pub fn warning(spans: impl Into<Spans>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Level::Warning, spans, message)
    }

    /// Good to know, by itself.
    pub fn info(spans: impl Into<Spans>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Level::Note, spans, message)
    }

    /// Advice, by itself.
    pub fn advice(spans: impl Into<Spans>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Level::Help, spans, message)
    }

    /// Adds a note without a place.
    pub fn note(self, message: impl Into<String>) -> Diagnostic {
        self.child(Level::Note, Vec::new(), message)
    }

    /// Adds a note with a place.
    pub fn span_note(self, spans: impl Into<Spans>, message: impl Into<String>) -> Diagnostic {
        self.child(Level::Note, spans, message)
    }

    /// Adds advice without a place.
    pub fn help(self, message: impl Into<String>) -> Diagnostic {
        self.child(Level::Help, Vec::new(), message)
    }

    /// Adds advice with a place.
    pub fn span_help(self, spans: impl Into<Spans>, message: impl Into<String>) -> Diagnostic {
        self.child(Level::Help, spans, message)
    }

    /// Adds anything.
    pub fn child(
        mut self,
        level: Level,
        spans: impl Into<Spans>,
        message: impl Into<String>,
    ) -> Diagnostic {
        self.children.push(Diagnostic::new(level, spans, message));
        self
    }

    /// How serious it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Its first message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Tells the user. Errors must be told inside of [`expand!`](crate::expand); outside of it they are panics.
    #[cfg(any(not(precast_nightly), target_family = "wasm"))]
    pub fn emit(mut self) {
        let compiler = compiler();
        if self.level == Level::Warning {
            match compiler.warnings {
                Warnings::Silent => return,
                Warnings::Told => {}
                Warnings::Errors => self.level = Level::Error,
            }
        } else if self.level != Level::Error && compiler.warnings == Warnings::Silent {
            return;
        }
        if compiler.listener == Listener::Data {
            render::print_json(&self, false);
        }
        if self.level == Level::Error {
            return expansion::add_error(&self);
        }
        let first = self.spans.0.first();
        let is_hidden = first.map_or(false, |(first, _)| !place::is_known(*first));
        match compiler.listener {
            Listener::Data | Listener::Nobody => {}
            _ if is_hidden && expansion::add_deprecated(&self) => {}
            Listener::Json { ansi } => render::print_json(&self, ansi),
            Listener::Text => eprintln!("{}", render::text(&self, false)),
        }
    }

    /// Tells the user.
    #[cfg(all(precast_nightly, not(target_family = "wasm")))]
    pub fn emit(self) {
        fn level(level: Level) -> proc_macro::Level {
            match level {
                Level::Error => proc_macro::Level::Error,
                Level::Warning => proc_macro::Level::Warning,
                Level::Note => proc_macro::Level::Note,
                Level::Help => proc_macro::Level::Help,
            }
        }
        fn spans(spans: &Spans) -> Vec<Span> {
            spans.0.iter().map(|(first, last)| first.join(*last).unwrap_or(*first)).collect()
        }
        let mut native =
            proc_macro::Diagnostic::spanned(spans(&self.spans), level(self.level), &*self.message);
        for child in &self.children {
            let (spans, message) = (spans(&child.spans), &*child.message);
            native = match (spans.is_empty(), child.level) {
                (true, Level::Error) => native.error(message),
                (true, Level::Warning) => native.warning(message),
                (true, Level::Note) => native.note(message),
                (true, Level::Help) => native.help(message),
                (false, Level::Error) => native.span_error(spans, message),
                (false, Level::Warning) => native.span_warning(spans, message),
                (false, Level::Note) => native.span_note(spans, message),
                (false, Level::Help) => native.span_help(spans, message),
            };
        }
        native.emit();
    }
}
