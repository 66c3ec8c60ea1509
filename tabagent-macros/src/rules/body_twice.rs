//! `body-twice`: a part of a request, the body above all, is read by one argument.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::{Rule, path_param_unused};
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::model::Route;
use crate::route::signature::{Argument, ArgumentKind, written};

pub(crate) const RULE: Rule = Rule { id: "body-twice", check: Some(check), assertion: Some(assertion) };

fn check(route: &Route, sink: &mut Sink) {
    // On GET each body is wrong for another reason.
    if route.attribute.method.as_ref().is_none_or(|(method, _)| method.has_body()) {
        once(route, "body", |argument| argument.kind.reads_body(), sink);
    }
    once(route, "query", |argument| matches!(argument.kind, ArgumentKind::Query(_)), sink);
    once(route, "path", |argument| matches!(argument.kind, ArgumentKind::Path(_)), sink);
}

fn once(route: &Route, part: &str, reads: impl Fn(&Argument) -> bool, sink: &mut Sink) {
    let mut found = route.handler.arguments.iter().filter(|argument| reads(argument));
    let Some(first) = found.next() else { return };
    for second in found {
        let (wrong, help) = words(part, &first.ty, &second.ty);
        sink.report(RULE.id, &second.ty, wrong, help);
    }
}

fn words(part: &str, first: &Type, second: &Type) -> (String, &'static str) {
    let help = match part {
        "path" => "take one `Path` of a tuple, or of a struct that derives `Schema`",
        "query" => "take one `Query` of a struct with all fields",
        _ => "take one body with all fields in one type",
    };
    (format!("`{}` reads the {part}, which `{}` has read already", written(second), written(first)), help)
}

/// The same for extractors of the path or the query under another name.
fn assertion(ready: &Ready<'_>) -> TokenStream {
    let unknown: Vec<&Type> = path_param_unused::others(ready.route).collect();
    if unknown.is_empty() {
        return TokenStream::new();
    }
    let known = ready.route.handler.arguments.iter().filter_map(|argument| {
        matches!(argument.kind, ArgumentKind::Path(_) | ArgumentKind::Query(_)).then_some(&argument.ty)
    });
    let readers: Vec<&Type> = known.chain(unknown.iter().copied()).collect();
    let mut checks = TokenStream::new();
    for (at, second) in unknown.iter().enumerate() {
        // Before an argument of unknown name stand those that are known, and the unknown before it.
        for first in &readers[..readers.len() - unknown.len() + at] {
            for (part, reads) in
                [("query", quote! { READS_QUERY }), ("path", quote! { READS_PATH.is_some() })]
            {
                let holds = quote! { !(<__t::Probe<#first>>::#reads && <__t::Probe<#second>>::#reads) };
                let (wrong, help) = words(part, first, second);
                checks.extend(super::unless(RULE.id, whole(*second), &holds, &wrong, help));
            }
        }
    }
    checks
}
