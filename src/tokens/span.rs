//! Where tokens come from: a text that was lexed here, or a place that an editor knows.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::panic::resume_unwind;
use std::rc::Rc;

#[derive(Clone, Copy)]
pub enum Span {
    Text(proc_macro2::Span),
    /// The empty span at the end of that one, which proc-macro2 cannot make.
    After(proc_macro2::Span),
    Place(Place),
}

/// A place as rust-analyzer tells it. The numbers are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub file: u32,
    /// The item in the file to which the range is relative.
    pub item: u32,
    pub start: u32,
    pub end: u32,
    /// The macro expansions that it comes from.
    pub context: u32,
}

/// An item that rust-analyzer has made up to complete unfinished code; ranges in it mean something else.
const MADE_UP: u32 = 0;

/// What only the editor knows of a place. An error ends the expansion.
pub trait Questions {
    fn source_text(&mut self, place: Place) -> Result<Option<String>, String>;
    fn file(&mut self, place: Place) -> Result<String, String>;
    fn local_file(&mut self, place: Place) -> Result<Option<String>, String>;
    /// Both count from 1.
    fn line_column(&mut self, place: Place) -> Result<(u32, u32), String>;
}

/// Where an expansion is, and who is asked. Without it spans are those of texts.
#[derive(Clone)]
pub struct Sites {
    pub call_site: Place,
    pub mixed_site: Place,
    pub questions: Option<Rc<RefCell<dyn Questions>>>,
}

thread_local! {
    static SITES: RefCell<Option<Sites>> = const { RefCell::new(None) };
    static MIXED: Cell<Option<proc_macro2::Span>> = const { Cell::new(None) };
}

/// Expands with this span for `mixed_site`, which proc-macro2 does not tell from `call_site`.
pub fn marked<T>(mark: proc_macro2::Span, work: impl FnOnce() -> T) -> T {
    let before = MIXED.replace(Some(mark));
    let result = work();
    MIXED.set(before);
    result
}

/// Expands with an editor's spans.
pub fn answer<T>(sites: Sites, work: impl FnOnce() -> T) -> T {
    struct Before(Option<Sites>);

    impl Drop for Before {
        fn drop(&mut self) {
            SITES.set(self.0.take());
        }
    }

    let _before = Before(SITES.replace(Some(sites)));
    work()
}

fn sites<T>(take: impl FnOnce(&Sites) -> T) -> Option<T> {
    SITES.with_borrow(|sites| sites.as_ref().map(take))
}

/// The span of what a macro has lexed: as natively its call site, if somebody has said where that is.
pub(super) fn lexed(span: proc_macro2::Span) -> Span {
    sites(|sites| Span::Place(sites.call_site)).unwrap_or(Span::Text(span))
}

impl Span {
    pub fn call_site() -> Span {
        lexed(proc_macro2::Span::call_site())
    }

    pub fn mixed_site() -> Span {
        let place = sites(|sites| Span::Place(sites.mixed_site));
        let text = || MIXED.get().unwrap_or_else(proc_macro2::Span::mixed_site);
        place.unwrap_or_else(|| Span::Text(text()))
    }

    /// From here to there, if both are in one text.
    pub(super) fn to(self, other: Span) -> Span {
        match (self, other) {
            (Span::Place(from), Span::Place(to)) => Span::Place(from.to(to)),
            (Span::Place(_), _) | (_, Span::Place(_)) => other,
            (from, to) => {
                let (from, to) = (from.given(), to.given());
                Span::Text(from.join(to).unwrap_or(to))
            }
        }
    }

    pub(super) fn given(self) -> proc_macro2::Span {
        match self {
            Span::Text(span) | Span::After(span) => span,
            Span::Place(_) => proc_macro2::Span::call_site(),
        }
    }
}

impl Place {
    fn to(self, other: Place) -> Place {
        match () {
            () if self.item == MADE_UP => other,
            () if other.item == MADE_UP => self,
            () if (self.file, self.item) != (other.file, other.item) => other,
            () => {
                Place { start: self.start.min(other.start), end: self.end.max(other.end), ..other }
            }
        }
    }

    fn empty_at(self, offset: u32) -> Place {
        match self.item == MADE_UP {
            true => self,
            false => Place { start: offset, end: offset, ..self },
        }
    }
}

impl Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Text(span) | Span::After(span) => Debug::fmt(span, f),
            Span::Place(place) => {
                write!(f, "#{} bytes({}..{})", place.context, place.start, place.end)
            }
        }
    }
}

/// Asks the editor, if it answers. An answer that it does not give ends the expansion as a panic of the
/// native interface would.
fn ask<T>(question: impl FnOnce(&mut dyn Questions) -> Result<T, String>) -> Option<T> {
    let questions = sites(|sites| sites.questions.clone()).flatten()?;
    let answer = question(&mut *questions.borrow_mut());
    Some(answer.unwrap_or_else(|reason| resume_unwind(Box::new(reason))))
}

/// `span_text`
pub fn text(span: Span, what: u32) -> Option<String> {
    match (span, what) {
        (span, 0) => Some(format!("{span:?}")),
        (Span::Text(span), 1) => span.source_text(),
        (Span::After(_), 1) => Some(String::new()),
        (Span::Text(span) | Span::After(span), 2) => Some(span.file()),
        (Span::Text(span) | Span::After(span), _) => {
            span.local_file()?.into_os_string().into_string().ok()
        }
        (Span::Place(place), 1) => ask(|editor| editor.source_text(place)).flatten(),
        (Span::Place(place), 2) => Some(ask(|editor| editor.file(place)).unwrap_or_default()),
        (Span::Place(place), _) => ask(|editor| editor.local_file(place)).flatten(),
    }
}

/// `span_number`
pub fn number(span: Span, what: u32) -> u32 {
    let (line, column) = match span {
        Span::Text(span) => counted(span.start()),
        Span::After(span) => counted(span.end()),
        Span::Place(place) => ask(|editor| editor.line_column(place)).unwrap_or((1, 1)),
    };
    if what == 0 {
        line
    } else {
        column
    }
}

fn counted(at: proc_macro2::LineColumn) -> (u32, u32) {
    (at.line as u32, at.column as u32 + 1)
}

/// `span_derive`. Of a text, the empty span at the start is the span itself: both begin there.
pub fn derive(span: Span, other: Span, what: u32) -> Span {
    match (span, other, what) {
        (Span::Place(place), _, 0) => Span::Place(place.empty_at(place.start)),
        (Span::Place(place), _, 1) => Span::Place(place.empty_at(place.end)),
        (Span::Place(place), Span::Place(at), _) => {
            Span::Place(Place { context: at.context, ..place })
        }
        (Span::Text(span), _, 1) => Span::After(span),
        // Names are told apart by the mark alone; what they are resolved at is more than where they are.
        (_, Span::Text(at), 2) if is_mark(at) => other,
        (Span::Text(span), Span::Text(at) | Span::After(at), 2) => Span::Text(span.resolved_at(at)),
        (span, _, _) => span,
    }
}

fn is_mark(span: proc_macro2::Span) -> bool {
    MIXED
        .get()
        .is_some_and(|mark| mark.byte_range() == span.byte_range() && mark.file() == span.file())
}
