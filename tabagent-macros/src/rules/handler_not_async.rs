//! `handler-not-async`: a handler is a plain `async fn`.

use proc_macro2::{Span, TokenStream};
use syn::{ReturnType, Safety, Type};

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "handler-not-async", check: Some(check), assertion: None };

const FORM: &str = "write `pub async fn name(..) -> Result<Json<T>, MyError>`";

/// Reports that the attribute stands on something else than a fn.
pub(crate) fn not_a_fn(sink: &mut Sink, item: &TokenStream, error: &syn::Error) {
    if syn::parse2::<syn::Item>(item.clone()).is_ok_and(|item| !matches!(item, syn::Item::Fn(_))) {
        sink.report(RULE.id, first_token(item), "`#[route]` goes on an async fn", FORM);
    } else {
        sink.report_at(RULE.id, error.span(), format!("this fn cannot be read: {error}"), FORM);
    }
}

/// The item's keyword; attributes and visibility before it are skipped where that is easy.
fn first_token(item: &TokenStream) -> TokenStream {
    item.clone()
        .into_iter()
        .find(|token| matches!(token, proc_macro2::TokenTree::Ident(word) if word != "pub"))
        .map_or_else(|| item.clone(), TokenStream::from)
}

fn check(route: &Route, sink: &mut Sink) {
    let signature = &route.handler.signature;
    if signature.asyncness.is_none() {
        let wrong = format!("the handler `{}` is not async", route.handler.plain_name());
        let future =
            matches!(&signature.output, ReturnType::Type(_, ty) if matches!(**ty, Type::ImplTrait(_)));
        let help = if future {
            "write `async fn` and the type that the future gives"
        } else {
            "write `async fn`; work that blocks goes to a thread of its own with `spawn_blocking`"
        };
        sink.report(RULE.id, signature.fn_token, wrong, help);
    }
    let other: [(Option<Span>, &str); 4] = [
        (signature.constness.map(|token| token.span), "`const`"),
        (
            match &signature.safety {
                Safety::Unsafe(token) => Some(token.span),
                _ => None,
            },
            "`unsafe`",
        ),
        (signature.abi.as_ref().map(|abi| abi.extern_token.span), "`extern`"),
        (signature.variadic.as_ref().map(|variadic| variadic.dots.spans[0]), "variadic"),
    ];
    for (span, word) in other.into_iter().filter_map(|(span, word)| Some((span?, word))) {
        sink.report_at(RULE.id, span, format!("a handler is a plain async fn, not {word}"), FORM);
    }
}
