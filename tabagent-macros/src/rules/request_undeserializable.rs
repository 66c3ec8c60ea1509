//! `request-undeserializable`: what a route takes can be read from a request.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Rule, request_undocumented};
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::signature::{ArgumentKind, written};

pub(crate) const RULE: Rule =
    Rule { id: "request-undeserializable", check: None, assertion: Some(assertion) };

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let read = request_undocumented::request_types(ready).map(|(part, ty)| {
        let holds = quote! { <__t::Probe<#ty>>::DESERIALIZES };
        let wrong =
            format!("`{}` is the {part} of a route and does not implement `Deserialize`", written(ty));
        super::unless(RULE.id, whole(ty), &holds, &wrong, "add `#[derive(serde::Deserialize)]` to it")
    });
    let others = ready
        .route
        .handler
        .arguments
        .iter()
        .filter(|argument| matches!(argument.kind, ArgumentKind::Body | ArgumentKind::Other))
        .map(|argument| {
            let ty = &argument.ty;
            let holds = quote! { <__t::Probe<#ty>>::READS_HEAD || <__t::Probe<#ty>>::READS_BODY };
            let wrong = format!("`{}` cannot be read from a request: it is no extractor", written(ty));
            let help = "wrap it: `Json<T>` for a body, `Query<T>`, `Path<T>`, `Component<T>` for what the app provides";
            super::unless(RULE.id, whole(ty), &holds, &wrong, help)
        });
    read.chain(others).chain(texts(ready)).collect()
}

/// A query and a path are text, field by field.
fn texts<'a>(ready: &'a Ready<'_>) -> impl Iterator<Item = TokenStream> + 'a {
    ready.route.handler.arguments.iter().filter_map(|argument| {
        let ty = &argument.ty;
        let (part, inner) = match &argument.kind {
            ArgumentKind::Path(inner) => (quote! { "path" }, inner),
            ArgumentKind::Query(inner) => (quote! { "query" }, inner),
            // Either under another name, or neither.
            ArgumentKind::Other => {
                (quote! { if <__t::Probe<#ty>>::READS_QUERY { "query" } else { "path" } }, ty)
            }
            ArgumentKind::Json(_) | ArgumentKind::Body => return None,
        };
        let name = written(inner);
        let sentence = quote! { __t::text_unreadable(#part, #name, <__t::Probe<#ty>>::TEXT_FIELDS) };
        Some(super::unless_silent(whole(inner), &sentence))
    })
}
