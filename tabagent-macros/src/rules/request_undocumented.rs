//! `request-undocumented`: what a route takes has a schema, so that the document can say it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::Rule;
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::signature::{ArgumentKind, written};
use crate::route::unnamed::Unnamed;

pub(crate) const RULE: Rule = Rule { id: "request-undocumented", check: None, assertion: Some(assertion) };

/// The types that requests are read into, each with the part of the request.
pub(super) fn request_types<'a>(ready: &'a Ready<'_>) -> impl Iterator<Item = (&'static str, &'a Type)> {
    ready.route.handler.arguments.iter().filter_map(|argument| match &argument.kind {
        ArgumentKind::Path(ty) => Some(("path", ty)),
        ArgumentKind::Query(ty) => Some(("query", ty)),
        ArgumentKind::Json(ty) => Some(("body", ty)),
        ArgumentKind::Body | ArgumentKind::Other => None,
    })
}

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let read = request_types(ready).map(|(part, ty)| {
        let probe = quote! { <__t::Probe<#ty>> };
        if let Some(unnamed) = Unnamed::of(ty) {
            let holds = if part == "path" {
                quote! { #probe::IS_PATH }
            } else {
                quote! { #probe::HAS_SCHEMA && #probe::VALIDATES }
            };
            let (wrong, help) = unnamed.sentence(part, ty);
            return super::unless(RULE.id, whole(ty), &holds, &wrong, &help);
        }
        let holds = if part == "path" {
            quote! { #probe::IS_PATH || (#probe::HAS_SCHEMA && !#probe::VALIDATES) }
        } else {
            quote! { #probe::HAS_SCHEMA }
        };
        let wrong = format!("`{}` is the {part} of a route and has no schema", written(ty));
        let help = "derive `tabagent_api::Schema` for it, with `#[rule(..)]` on its fields";
        super::unless(RULE.id, whole(ty), &holds, &wrong, help)
    });
    let others = ready
        .route
        .handler
        .arguments
        .iter()
        .filter(|argument| matches!(argument.kind, ArgumentKind::Body | ArgumentKind::Other))
        .map(|argument| {
            let ty = &argument.ty;
            let probe = quote! { <__t::Probe<#ty>> };
            // An argument that is no extractor at all is `request-undeserializable`.
            let holds = quote! { #probe::IS_INPUT || !(#probe::READS_HEAD || #probe::READS_BODY) };
            let wrong = format!("`{}` does not say what it reads, so the document cannot", written(ty));
            let help = "use `Json`, `Path`, `Query`, `Component`, `RequestId` or `HeaderMap`, \
                        or implement `tabagent_api::RouteInput` for it";
            super::unless(RULE.id, whole(ty), &holds, &wrong, help)
        });
    let foreign = ready.route.handler.arguments.iter().filter_map(|argument| {
        let (name, inner) = match &argument.kind {
            ArgumentKind::Path(inner) => ("Path", inner),
            ArgumentKind::Query(inner) => ("Query", inner),
            ArgumentKind::Json(inner) => ("Json", inner),
            ArgumentKind::Body | ArgumentKind::Other => return None,
        };
        let ty = &argument.ty;
        let probe = quote! { <__t::Probe<#inner>> };
        // What is wrong with the type inside is said by other rules; with none of it, the extractor is another one.
        let right = if name == "Path" {
            quote! { #probe::IS_PATH }
        } else {
            quote! { #probe::HAS_SCHEMA && #probe::VALIDATES }
        };
        let holds = quote! { <__t::Probe<#ty>>::IS_INPUT || !(#right && #probe::DESERIALIZES) };
        let wrong =
            format!("`{}` is not the framework's `{name}`: it neither validates nor documents", written(ty));
        let help = format!("take `tabagent_api::{name}`");
        Some(super::unless(RULE.id, whole(ty), &holds, &wrong, &help))
    });
    read.chain(others).chain(foreign).collect()
}
