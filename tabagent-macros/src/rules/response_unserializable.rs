//! `response-unserializable`: what a route gives can be written as JSON, and read back by the checks of its cases.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Rule, response_undocumented};
use crate::route::Ready;
use crate::route::cases::Expectation;
use crate::route::expand::whole;
use crate::route::model::Check;
use crate::route::signature::written;

pub(crate) const RULE: Rule = Rule { id: "response-unserializable", check: None, assertion: Some(assertion) };

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let checked = ready
        .route
        .attribute
        .cases
        .iter()
        .any(|case| !matches!(&case.expectation, Expectation::Success { check: Check::None, .. }));
    response_undocumented::response_types(ready)
        .iter()
        .map(|ty| {
            let name = written(ty);
            let serializes = quote! { <__t::Probe<#ty>>::SERIALIZES };
            let wrong = format!("`{name}` is the response of a route and does not implement `Serialize`");
            let help = "add `#[derive(serde::Serialize, serde::Deserialize)]` to it";
            let mut tokens = super::unless(RULE.id, whole(ty), &serializes, &wrong, help);
            if checked {
                let reads = quote! { <__t::Probe<#ty>>::DESERIALIZES || !#serializes };
                let wrong = format!(
                    "the checks of the cases read `{name}` back, and it does not implement `Deserialize`"
                );
                let help = "add `#[derive(serde::Deserialize)]` to it";
                tokens.extend(super::unless(RULE.id, whole(ty), &reads, &wrong, help));
            }
            tokens
        })
        .collect()
}
