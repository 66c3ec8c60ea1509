//! `error-not-problem`: the error type of a route derives `Problem`.

use proc_macro2::TokenStream;
use quote::quote;

use super::Rule;
use crate::route::Ready;
use crate::route::signature::{Output, written};

pub(crate) const RULE: Rule = Rule { id: "error-not-problem", check: None, assertion: Some(assertion) };

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let err = &ready.err;
    let holds = quote! { <__t::Probe<#err>>::IS_PROBLEM };
    let name = match &ready.route.handler.output {
        Output::Result { err, .. } => written(err),
        _ => "the error".to_owned(),
    };
    let wrong = format!("`{name}` is the error of a route and not a problem");
    let help = "make it an enum with `#[derive(Debug, thiserror::Error, tabagent_api::Problem)]`, \
                or return `Infallible` if the route cannot fail";
    super::unless(RULE.id, ready.err_span, &holds, &wrong, help)
}
