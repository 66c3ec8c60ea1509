//! `handler-panics`: a handler answers every request; what goes wrong is a problem, not a panic.
//!
//! The body is read as tokens: what stands in a macro, such as `select!` or one of the author's own, is code as well, and
//! a parser of Rust does not see into it.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "handler-panics", check: Some(check), assertion: None };

const METHODS: [&str; 4] = ["unwrap", "expect", "unwrap_err", "expect_err"];
const MACROS: [&str; 10] = [
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
];

fn check(route: &Route, sink: &mut Sink) {
    walk(&route.handler.body, sink);
}

fn walk(tokens: &TokenStream, sink: &mut Sink) {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' && is_test(tokens.get(at + 1)) => {
                // The item below the attribute: to its braces or its semicolon.
                at += 2;
                while tokens.get(at).is_some_and(|token| !ends_item(token)) {
                    at += 1;
                }
            }
            TokenTree::Group(group) => walk(&group.stream(), sink),
            TokenTree::Ident(ident) => {
                let name = ident.unraw().to_string();
                if let Some(what) = call(&tokens, at, &name) {
                    report(sink, ident.span(), &what);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn report(sink: &mut Sink, span: Span, what: &str) {
    let wrong = format!("`{what}` panics, and a handler answers every request");
    sink.report_at(RULE.id, span, wrong, "return a problem with `?`, such as `.ok_or(MyError::Missing)?`");
}

/// What the name at `at` calls, where that panics.
fn call(tokens: &[TokenTree], at: usize, name: &str) -> Option<String> {
    let before = |steps: usize| at.checked_sub(steps).and_then(|at| tokens.get(at));
    if MACROS.contains(&name) && is_punct(tokens.get(at + 1), '!') {
        return matches!(tokens.get(at + 2), Some(TokenTree::Group(_))).then(|| format!("{name}!"));
    }
    if !METHODS.contains(&name) {
        return None;
    }
    if is_punct(before(1), '.') {
        // `expect` and `unwrap` of a Result or Option; a builder's `expect(a, b)` is something else.
        let Some(TokenTree::Group(arguments)) = tokens.get(at + 1) else { return None };
        let fits = count(arguments) == usize::from(name.starts_with("expect"));
        return fits.then(|| format!(".{name}()"));
    }
    // `Option::unwrap`, `<Option<T>>::unwrap`; of another type an `expect` may be anything.
    if is_punct(before(1), ':') && is_punct(before(2), ':') {
        return match before(3) {
            Some(TokenTree::Ident(ty))
                if *ty == "Option" || *ty == "Result" || name.starts_with("unwrap") =>
            {
                Some(format!("{ty}::{name}"))
            }
            Some(TokenTree::Punct(angle)) if angle.as_char() == '>' => Some(format!("<..>::{name}")),
            _ => None,
        };
    }
    None
}

/// Arguments of a call: the parts between commas, of which the last may be empty.
fn count(arguments: &Group) -> usize {
    let mut count = 0;
    let mut empty = true;
    for token in arguments.stream() {
        if is_punct(Some(&token), ',') {
            count += 1;
            empty = true;
        } else {
            empty = false;
        }
    }
    count + usize::from(!empty)
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(Some(token), ';'),
    }
}

/// The brackets of `#[cfg(test)]` or `#[test]`.
fn is_test(attribute: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = attribute else { return false };
    let written = group.stream().to_string().replace(' ', "");
    group.delimiter() == Delimiter::Bracket && matches!(written.as_str(), "test" | "cfg(test)")
}
