//! `path-param-unused`: every `{param}` of the path is read by an argument.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::model::Route;
use crate::route::path::RoutePath;
use crate::route::signature::{ArgumentKind, last_ident};

pub(crate) const RULE: Rule =
    Rule { id: "path-param-unused", check: Some(check), assertion: Some(assertion) };

fn check(route: &Route, sink: &mut Sink) {
    let Some(path) = &route.attribute.path else { return };
    // An argument of another name may be the extractor under an alias: types tell, in the assertion.
    if !path.faults.is_empty() || path_arguments(route).next().is_some() || others(route).next().is_some() {
        return;
    }
    for capture in &path.captures {
        let wrong = format!("no argument reads `{{{}}}`{}", capture.name, path.marked(capture, ""));
        let help = format!(
            "take it with an argument `Path({0}): Path<String>`, or remove it from the path",
            capture.name
        );
        sink.report(RULE.id, &path.literal, wrong, help);
    }
    // An alias answers with the same handler: it has to name the same parameters.
    for alias in &route.attribute.aliases {
        for capture in alias.path.captures.iter().filter(|_| alias.path.faults.is_empty()) {
            let wrong = format!("no argument reads `{{{}}}`{}", capture.name, alias.path.marked(capture, ""));
            sink.report(RULE.id, &alias.path.literal, wrong, "remove it from the alias");
        }
    }
}

/// The types inside `Path<..>`.
pub(super) fn path_arguments(route: &Route) -> impl Iterator<Item = &Type> {
    route.handler.arguments.iter().filter_map(|argument| match &argument.kind {
        ArgumentKind::Path(fields) => Some(fields),
        _ => None,
    })
}

/// Arguments whose types do not tell by their names what they read.
pub(super) fn others(route: &Route) -> impl Iterator<Item = &Type> {
    const KNOWN: [&str; 4] = ["Component", "RequestId", "HeaderMap", "AppState"];
    route.handler.arguments.iter().filter_map(|argument| {
        let known = last_ident(&argument.ty).is_some_and(|last| KNOWN.iter().any(|name| last == name));
        (matches!(argument.kind, ArgumentKind::Other) && !known).then_some(&argument.ty)
    })
}

/// How each path argument reads the path, as a const expression, with the tokens to point at.
pub(super) fn shapes(route: &Route) -> impl Iterator<Item = (TokenStream, &Type)> {
    let named = path_arguments(route).map(|fields| (quote! { <__t::Probe<#fields>>::PATH_SHAPE }, fields));
    named.chain(others(route).map(|ty| (quote! { <__t::Probe<#ty>>::READS_PATH }, ty)))
}

/// The parameters of a path as the framework's const fns take them: each name with its drawing.
pub(super) fn parameters(path: &RoutePath) -> TokenStream {
    let pairs = path.captures.iter().map(|capture| {
        let (name, drawing) = (&capture.name, path.marked(capture, ""));
        quote! { (#name, #drawing) }
    });
    quote! { &[#(#pairs),*] }
}

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let aliases = ready.route.attribute.aliases.iter().map(|alias| &alias.path);
    let unread = path_arguments(ready.route).next().is_none() && others(ready.route).next().is_some();
    std::iter::once(ready.path)
        .chain(aliases)
        .flat_map(|path| {
            let parameters = parameters(path);
            let all = shapes(ready.route).map(|(shape, _)| shape);
            let nobody = unread.then(|| quote! { __t::path_unread(#parameters, &[#(#all),*]) });
            let each = shapes(ready.route)
                .map(move |(shape, _)| quote! { __t::path_param_unused(#parameters, #shape) });
            let sentences: Vec<_> = nobody.into_iter().chain(each).collect();
            sentences.into_iter().map(|sentence| super::unless_silent(path.literal.span(), &sentence))
        })
        .collect()
}
