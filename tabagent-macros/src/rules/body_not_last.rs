//! `body-not-last`: the argument that reads the body stands last, since reading it uses the request up.

use proc_macro2::TokenStream;
use quote::quote;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::model::Route;
use crate::route::signature::{ArgumentKind, written};

pub(crate) const RULE: Rule = Rule { id: "body-not-last", check: Some(check), assertion: Some(assertion) };

fn words(ty: &syn::Type) -> (String, &'static str) {
    (
        format!("`{}` reads the body and is not the last argument", written(ty)),
        "move it to the end of the arguments",
    )
}

fn check(route: &Route, sink: &mut Sink) {
    let Some((last, others)) = route.handler.arguments.split_last() else { return };
    // Two bodies are `body-twice`, which says more.
    if last.kind.reads_body() {
        return;
    }
    let mut bodies = others.iter().filter(|argument| argument.kind.reads_body());
    if let (Some(argument), None) = (bodies.next(), bodies.next()) {
        let (wrong, help) = words(&argument.ty);
        sink.report(RULE.id, &argument.ty, wrong, help);
    }
}

/// The same for extractors that the macro does not know by name.
fn assertion(ready: &Ready<'_>) -> TokenStream {
    let Some((_, others)) = ready.route.handler.arguments.split_last() else { return TokenStream::new() };
    others
        .iter()
        .filter(|argument| matches!(argument.kind, ArgumentKind::Other))
        .map(|argument| {
            let ty = &argument.ty;
            let holds = quote! { <__t::Probe<#ty>>::READS_HEAD || !<__t::Probe<#ty>>::READS_BODY };
            let (wrong, help) = words(ty);
            super::unless(RULE.id, whole(ty), &holds, &wrong, help)
        })
        .collect()
}
