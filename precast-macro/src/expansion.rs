//! One expansion: what it emits becomes a part of its output.

use crate::diagnostic::Diagnostic;
use crate::records;
use crate::render;
use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use std::cell::RefCell;

/// What the output of a macro is.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub enum Position {
    Items,
    Statements,
    Expression,
}

struct Expansion {
    /// `NAME@VERSION` of the macro package.
    package: &'static str,
    /// Items to be added.
    added: TokenStream,
}

thread_local! {
    /// One expansion may call another function that is one.
    static OPEN: RefCell<Vec<Expansion>> = const { RefCell::new(Vec::new()) };
}

/// Closes the expansion also when the macro panics: the next one is not to have what it left.
struct Closing(usize);

impl Drop for Closing {
    fn drop(&mut self) {
        OPEN.with(|open| {
            let mut open = open.borrow_mut();
            open.truncate(self.0);
            if self.0 == 0 {
                // An expansion that leaves memory behind is not remembered.
                *open = Vec::new();
            }
        });
    }
}

#[doc(hidden)]
pub fn collect(
    position: Position,
    package: &'static str,
    body: impl FnOnce() -> TokenStream,
) -> TokenStream {
    let depth = OPEN.with(|open| {
        let mut open = open.borrow_mut();
        open.push(Expansion { package, added: TokenStream::new() });
        open.len()
    });
    let _closing = Closing(depth - 1);
    let output = body();
    let added = OPEN.with(|open| open.borrow_mut().pop());
    let added = added.map_or_else(TokenStream::new, |expansion| expansion.added);
    if added.is_empty() {
        return output;
    }
    let both = |first: TokenStream, second: TokenStream| {
        first.into_iter().chain(second).collect::<TokenStream>()
    };
    match position {
        Position::Items => both(output, added),
        Position::Statements => both(added, output),
        Position::Expression => {
            TokenTree::Group(Group::new(Delimiter::Brace, both(added, output))).into()
        }
    }
}

/// Adds items to the innermost expansion. False if there is none.
fn add(items: TokenStream) -> bool {
    OPEN.with(|open| match open.borrow_mut().last_mut() {
        Some(expansion) => {
            expansion.added.extend(items);
            true
        }
        None => false,
    })
}

pub(crate) fn add_error(diagnostic: &Diagnostic) {
    let message = render::lines(diagnostic);
    let call_site = (Span::call_site(), Span::call_site());
    let (first, last) = diagnostic.spans.0.first().copied().unwrap_or(call_site);
    if !add(compile_error(&message, first, last)) {
        panic!("{}", message);
    }
}

/// `::core::compile_error! { "message" }`: the compiler marks from its first token to its last.
fn compile_error(message: &str, first: Span, last: Span) -> TokenStream {
    let mut text = Literal::string(message);
    text.set_span(last);
    let mut braces = Group::new(Delimiter::Brace, TokenTree::Literal(text).into());
    braces.set_span(last);
    let mut tokens = Vec::new();
    for name in ["core", "compile_error"].iter() {
        for spacing in [Spacing::Joint, Spacing::Alone].iter() {
            let mut colon = Punct::new(':', *spacing);
            colon.set_span(first);
            tokens.push(TokenTree::Punct(colon));
        }
        tokens.push(TokenTree::Ident(Ident::new(name, first)));
    }
    let mut bang = Punct::new('!', Spacing::Alone);
    bang.set_span(first);
    tokens.push(TokenTree::Punct(bang));
    tokens.push(TokenTree::Group(braces));
    tokens.into_iter().collect()
}

/// A warning as the use of a deprecated constant. False if nothing can be added.
pub(crate) fn add_deprecated(diagnostic: &Diagnostic) -> bool {
    let name = diagnostic.level().as_str();
    let span = diagnostic.spans.0.first().map_or_else(Span::call_site, |(first, _)| *first);
    let message = Literal::string(&render::lines(diagnostic)).to_string();
    let text = format!(
        "const _: () = {{ #[deprecated(note = {})] #[allow(non_upper_case_globals)] \
         const {name}: () = (); {name} }};",
        message,
        name = name
    );
    let items = parsed(&text).into_iter().map(|token| at_use(token, name, span)).collect();
    add(items)
}

/// Puts the constant's name, in its declaration and in its use, to the place of the warning. The span must be one of
/// the user's own: the compiler says nothing of what a macro of another crate does.
fn at_use(token: TokenTree, name: &str, span: Span) -> TokenTree {
    match token {
        TokenTree::Ident(ident) if ident.to_string() == name => {
            TokenTree::Ident(Ident::new(name, span))
        }
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let inner = group.stream().into_iter().map(|token| at_use(token, name, span)).collect();
            TokenTree::Group(Group::new(Delimiter::Brace, inner))
        }
        other => other,
    }
}

/// Adds a record with the path of an item in the module of the expansion.
pub(crate) fn add_record(key: &str, item: Option<&str>, data: &[u8]) {
    let package = OPEN.with(|open| open.borrow().last().map(|expansion| expansion.package));
    let package = match package {
        Some(package) => package,
        None => panic!("`aux::emit` works inside of `precast_macro::expand!` alone"),
    };
    add(parsed(&records::constant(package, key, item, data)));
}

/// What `executable_attribute!` makes of a function: itself, and a record.
#[doc(hidden)]
pub fn executable(attribute: &str, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut tokens = item.clone().into_iter();
    let is_fn =
        |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn");
    let found = tokens.by_ref().find(is_fn);
    match (found, tokens.next()) {
        (Some(_), Some(TokenTree::Ident(name))) => {
            let data = arguments.to_string();
            let key = format!("executable:{}", attribute);
            add_record(&key, Some(&name.to_string()), data.as_bytes());
        }
        _ => {
            let message = format!("`#[{}]` marks functions", attribute);
            Diagnostic::error(Span::call_site(), message).emit();
        }
    }
    item
}

fn parsed(text: &str) -> TokenStream {
    text.parse().expect("the library's own text is Rust")
}
