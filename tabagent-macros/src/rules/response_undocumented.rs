//! `response-undocumented`: what a route gives has a schema.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::Rule;
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::signature::{generic_of, written};
use crate::route::unnamed::Unnamed;

pub(crate) const RULE: Rule = Rule { id: "response-undocumented", check: None, assertion: Some(assertion) };

/// The types inside `Json<T>`, `EventStream<T>` or `JsonOrStream<T, E>`, where the response is written out.
pub(super) fn response_types(ready: &Ready<'_>) -> Vec<Type> {
    let Some(ok) = ready.route.handler.output.ok() else { return Vec::new() };
    ["Json", "EventStream", "JsonOrStream"].iter().find_map(|name| generic_of(ok, name)).unwrap_or_default()
}

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let inner = response_types(ready);
    if inner.is_empty() {
        let ok = &ready.ok;
        let holds = quote! { <__t::Probe<#ok>>::IS_OUTPUT };
        let wrong = format!("`{}` does not say what it answers with, so the document cannot", shown(ready));
        let help = "return `Json<T>`, `NoContent`, `Text`, `EventStream<T>` or `JsonOrStream<T, E>`, \
                    or implement `tabagent_api::RouteOutput` for it";
        return super::unless(RULE.id, ready.ok_span, &holds, &wrong, help);
    }
    // What is wrong with the types inside is said by other rules; with none of it, the response is another one.
    let ok = &ready.ok;
    let right = inner.iter().map(|ty| {
        let probe = quote! { <__t::Probe<#ty>> };
        quote! { #probe::HAS_SCHEMA && #probe::SERIALIZES && #probe::DESERIALIZES }
    });
    let holds = quote! { <__t::Probe<#ok>>::IS_OUTPUT || !(true #(&& #right)*) };
    let wrong = format!(
        "`{}` is not the framework's response of that name, so the document cannot say it",
        shown(ready)
    );
    let help = "return the `Json`, `EventStream` or `JsonOrStream` of `tabagent_api`";
    let foreign = super::unless(RULE.id, ready.ok_span, &holds, &wrong, help);
    inner
        .iter()
        .map(|ty| {
            let holds = quote! { <__t::Probe<#ty>>::HAS_SCHEMA };
            let (wrong, help) = match Unnamed::of(ty) {
                Some(unnamed) => unnamed.sentence("response", ty),
                None => (
                    format!("`{}` is the response of a route and has no schema", written(ty)),
                    "derive `tabagent_api::Schema` for it".to_owned(),
                ),
            };
            super::unless(RULE.id, whole(ty), &holds, &wrong, &help)
        })
        .chain([foreign])
        .collect()
}

fn shown(ready: &Ready<'_>) -> String {
    ready.route.handler.output.ok().map_or_else(|| "this response".to_owned(), written)
}
