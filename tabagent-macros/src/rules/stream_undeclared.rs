//! `stream-undeclared`: a route that can answer with server-sent events says `stream`.

use proc_macro2::TokenStream;
use quote::quote;

use super::Rule;
use crate::route::Ready;

pub(crate) const RULE: Rule = Rule { id: "stream-undeclared", check: None, assertion: Some(assertion) };

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let ok = &ready.ok;
    let streams = quote! { <__t::Probe<#ok>>::STREAMS };
    let name = ready
        .route
        .handler
        .output
        .ok()
        .map_or_else(|| "this response".to_owned(), crate::route::signature::written);
    if ready.route.attribute.stream {
        let holds = quote! { #streams || !<__t::Probe<#ok>>::IS_OUTPUT };
        let wrong = format!("the route says `stream`, and `{name}` is no event stream");
        let help = "return `EventStream<T>` or `JsonOrStream<T, E>`, or remove `stream`";
        super::unless(RULE.id, ready.ok_span, &holds, &wrong, help)
    } else {
        let holds = quote! { !#streams };
        let wrong = format!("`{name}` can be an event stream, and the route does not say so");
        let help = "add `stream` to `#[route(..)]`, so that limits and document know it";
        super::unless(RULE.id, ready.ok_span, &holds, &wrong, help)
    }
}
