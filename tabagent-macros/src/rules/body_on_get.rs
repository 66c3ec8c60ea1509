//! `body-on-get`: a GET or DELETE route takes no body; browsers and proxies do not send one.

use proc_macro2::TokenStream;
use quote::quote;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::model::{Method, Route};
use crate::route::signature::{ArgumentKind, written};

pub(crate) const RULE: Rule = Rule { id: "body-on-get", check: Some(check), assertion: Some(assertion) };

fn words(method: Method, ty: &syn::Type) -> (String, String) {
    (
        format!("`{}` reads a body, and {} requests have none", written(ty), method.as_str()),
        "take `Query<T>` or `Path<T>` instead, or make the route a POST".to_owned(),
    )
}

fn check(route: &Route, sink: &mut Sink) {
    let Some((method, _)) = &route.attribute.method else { return };
    if method.has_body() {
        return;
    }
    for argument in route.handler.arguments.iter().filter(|argument| argument.kind.reads_body()) {
        let (wrong, help) = words(*method, &argument.ty);
        sink.report(RULE.id, &argument.ty, wrong, help);
    }
}

/// The same for extractors that the macro does not know by name.
fn assertion(ready: &Ready<'_>) -> TokenStream {
    let last = ready.route.handler.arguments.last();
    match last {
        Some(argument) if !ready.method.has_body() && matches!(argument.kind, ArgumentKind::Other) => {
            let ty = &argument.ty;
            let holds = quote! { <__t::Probe<#ty>>::READS_HEAD || !<__t::Probe<#ty>>::READS_BODY };
            let (wrong, help) = words(ready.method, ty);
            super::unless(RULE.id, whole(ty), &holds, &wrong, &help)
        }
        _ => TokenStream::new(),
    }
}
