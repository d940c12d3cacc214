//! What a `macro_rules!` writes: its arms matched and transcribed as the compiler does.

mod fragments;
mod parts;
mod transcribe;

use parts::{is_punct, repetition, trees_of, Bindings, Bound};
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
pub use transcribe::bound_by;

/// A part of what an arm matches.
enum Matcher {
    Token(TokenTree),
    Group(Delimiter, Vec<Matcher>),
    /// `$name:kind`
    Fragment(String, String),
    /// `$( … ) separator operator`
    Repeat(Vec<Matcher>, Vec<TokenTree>, char),
}

/// What the macro writes for an input; none where no arm matches as far as can be told. `krate` stands for `$crate`.
pub fn expand(
    rules: &TokenStream,
    input: &TokenStream,
    krate: &TokenStream,
) -> Option<TokenStream> {
    let trees: Vec<TokenTree> = rules.clone().into_iter().collect();
    let input: Vec<TokenTree> = input.clone().into_iter().collect();
    for arm in trees.split(|tree| is_punct(tree, ';')) {
        let [TokenTree::Group(matched), TokenTree::Punct(_), TokenTree::Punct(_), TokenTree::Group(body)] =
            arm
        else {
            if arm.is_empty() {
                continue;
            }
            return None;
        };
        let matchers = parse(&trees_of(matched.stream()))?;
        if let Some(bindings) = all(&matchers, &input) {
            return transcribe::transcribe(&body.stream(), &bindings, krate);
        }
    }
    None
}

fn parse(trees: &[TokenTree]) -> Option<Vec<Matcher>> {
    let mut found = Vec::new();
    let mut rest = trees;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if let TokenTree::Group(group) = first {
            found.push(Matcher::Group(group.delimiter(), parse(&trees_of(group.stream()))?));
        } else if !is_punct(first, '$') {
            found.push(Matcher::Token(first.clone()));
        } else {
            match rest {
                [TokenTree::Ident(name), colon, TokenTree::Ident(kind), after @ ..]
                    if is_punct(colon, ':') =>
                {
                    found.push(Matcher::Fragment(name.to_string(), kind.to_string()));
                    rest = after;
                }
                [TokenTree::Group(group), after @ ..] => {
                    let (separator, operator, after) = repetition(after)?;
                    let inner = parse(&trees_of(group.stream()))?;
                    found.push(Matcher::Repeat(inner, separator.to_vec(), operator));
                    rest = after;
                }
                _ => return None,
            }
        }
    }
    Some(found)
}

/// Matches all tokens.
fn all(matchers: &[Matcher], input: &[TokenTree]) -> Option<Bindings> {
    let mut found = Bindings::new();
    let matched = sequence(matchers, input, &mut found, &mut |rest| rest.is_empty());
    matched.then_some(found)
}

/// Matches what follows each other, where what is left suits.
fn sequence(
    matchers: &[Matcher],
    input: &[TokenTree],
    found: &mut Bindings,
    suits: &mut dyn FnMut(&[TokenTree]) -> bool,
) -> bool {
    let Some((first, others)) = matchers.split_first() else { return suits(input) };
    match first {
        Matcher::Token(token) => match input.split_first() {
            Some((tree, rest)) if is_same(token, tree) => sequence(others, rest, found, suits),
            _ => false,
        },
        Matcher::Group(delimiter, inner) => match input.split_first() {
            Some((TokenTree::Group(group), rest)) if group.delimiter() == *delimiter => {
                match all(inner, &trees_of(group.stream())) {
                    Some(bindings) => {
                        found.extend(bindings);
                        sequence(others, rest, found, suits)
                    }
                    None => false,
                }
            }
            _ => false,
        },
        Matcher::Fragment(name, kind) => match fragments::take(kind, input) {
            Some((tokens, n)) => {
                found.insert(name.clone(), Bound::One(tokens));
                sequence(others, &input[n..], found, suits)
            }
            None => false,
        },
        Matcher::Repeat(inner, separator, operator) => {
            repeat(inner, separator, *operator, others, input, found, suits)
        }
    }
}

/// The most repetitions after which the others match.
fn repeat(
    inner: &[Matcher],
    separator: &[TokenTree],
    operator: char,
    others: &[Matcher],
    input: &[TokenTree],
    found: &mut Bindings,
    suits: &mut dyn FnMut(&[TokenTree]) -> bool,
) -> bool {
    // What is left after each number of repetitions, with their bindings.
    let mut states: Vec<(&[TokenTree], Bindings)> = vec![(input, Bindings::new())];
    while let Some((rest, _)) = states.last() {
        let mut at = *rest;
        if states.len() > 1 {
            let is_separated = at.len() >= separator.len()
                && separator.iter().zip(at).all(|(wanted, tree)| is_same(wanted, tree));
            if !is_separated {
                break;
            }
            at = &at[separator.len()..];
        }
        let mut one = Bindings::new();
        let mut left = None;
        let n_before = at.len();
        // The shortest match of the last part is the compiler's: fragments take what they can.
        let matched = sequence(inner, at, &mut one, &mut |rest| {
            left = Some(rest.len());
            true
        });
        match left.filter(|left| matched && *left < n_before) {
            Some(left) => states.push((&at[n_before - left..], one)),
            None => break,
        }
        if operator == '?' {
            break;
        }
    }
    let least = usize::from(operator == '+');
    for n in (least..states.len()).rev() {
        let mut bindings = found.clone();
        for name in names(inner) {
            let many = states[1..=n].iter().filter_map(|(_, one)| one.get(&name).cloned());
            let many = many.collect();
            bindings.insert(name, Bound::Many(many));
        }
        if sequence(others, states[n].0, &mut bindings, suits) {
            *found = bindings;
            return true;
        }
    }
    false
}

/// The names that these bind.
fn names(matchers: &[Matcher]) -> Vec<String> {
    let mut all = Vec::new();
    for matcher in matchers {
        match matcher {
            Matcher::Token(_) => {}
            Matcher::Fragment(name, _) => all.push(name.clone()),
            Matcher::Group(_, inner) | Matcher::Repeat(inner, ..) => all.extend(names(inner)),
        }
    }
    all
}

fn is_same(wanted: &TokenTree, tree: &TokenTree) -> bool {
    let name = |ident: &Ident| ident.to_string();
    match (wanted, tree) {
        (TokenTree::Ident(a), TokenTree::Ident(b)) => name(a) == name(b),
        (TokenTree::Punct(a), TokenTree::Punct(b)) => a.as_char() == b.as_char(),
        (TokenTree::Literal(a), TokenTree::Literal(b)) => a.to_string() == b.to_string(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::expand;
    use quote::quote;

    #[track_caller]
    fn check(rules: &str, input: &str, expected: &str) {
        let [rules, input] = [rules, input].map(|text| text.parse().unwrap());
        let found = expand(&rules, &input, &quote!(::other));
        let expected: proc_macro2::TokenStream = expected.parse().unwrap();
        let text = |tokens: proc_macro2::TokenStream| tokens.to_string().replace(' ', "");
        assert_eq!(found.map(text), Some(text(expected)));
    }

    #[test]
    fn arms_match_as_in_the_compiler() {
        check("() => { a }; ($x:ident) => { [$x] }", "b", "[b]");
        check("($($x:expr),* $(,)?) => { f($($x);*) }", "1 + 2, g(3),", "f((1 + 2); g(3))");
        check(
            "($($k:ident => $v:ty),+) => { $(type $k = $v;)+ }",
            "A => u8, B => Vec<u8>",
            "type A = u8; type B = Vec<u8>;",
        );
        check(
            "($($(#[$m:meta])* $v:vis struct $n:ident;)*) => { $($(#[$m])* $v enum $n {})* }",
            "#[a] #[b(c)] pub struct X; struct Y;",
            "#[a] #[b(c)] pub enum X {} enum Y {}",
        );
        check(
            "($($t:tt)*) => { $crate::next! { $($t)* } }",
            "'a -> { 1 }",
            "::other::next! { 'a -> { 1 } }",
        );
        check("(-$x:literal) => { no }; ($x:literal) => { $x }", "-5", "no");
        check("(@a $x:lifetime) => { $x }", "@a 'b", "'b");
        check("($($a:ident)* ; $($b:ident),*) => { $($a = $b;)* }", "x y; z, w", "x = z; y = w;");
        // As often as the names say that are in it, or not at all.
        let [rules, input] = ["($($a:ident)* ; $($b:ident),*) => { $($a = $b;)* }", "x; z, w"]
            .map(|text| text.parse().unwrap());
        assert!(expand(&rules, &input, &quote!(crate)).is_none());
    }

    #[test]
    fn names_of_the_macro_are_its_own() {
        check(
            "($e:expr) => { { let x = 1; x + $e } }",
            "x",
            "{ let x_of_macro = 1; x_of_macro + x }",
        );
        check("($e:expr) => { { let x = 1; x + $e } }", "y", "{ let x = 1; x + y }");
        check("($e:ident) => { |a, $e| a.b($e) }", "b", "|a, b| a.b(b)");
    }
}
