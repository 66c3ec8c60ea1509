//! `path-param-unused`: every `{param}` of the path is read by an argument.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Type;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::model::Route;
use crate::route::path::RoutePath;
use crate::route::signature::ArgumentKind;

pub(crate) const RULE: Rule =
    Rule { id: "path-param-unused", check: Some(check), assertion: Some(assertion) };

fn check(route: &Route, sink: &mut Sink) {
    let Some(path) = &route.attribute.path else { return };
    if !path.faults.is_empty() || path_arguments(route).next().is_some() {
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
    std::iter::once(ready.path)
        .chain(aliases)
        .flat_map(|path| {
            let parameters = parameters(path);
            path_arguments(ready.route).map(move |fields| {
                let fields = fields.to_token_stream();
                let sentence =
                    quote! { __t::path_param_unused(#parameters, <__t::Probe<#fields>>::PATH_SHAPE) };
                super::unless_silent(path.literal.span(), &sentence)
            })
        })
        .collect()
}
