//! `request-unvalidated`: a body, query or path type states the rules of its fields, or says that it has none and why.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Rule, request_undocumented};
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::signature::written;
use crate::route::unnamed::Unnamed;

pub(crate) const RULE: Rule = Rule { id: "request-unvalidated", check: None, assertion: Some(assertion) };

fn assertion(ready: &Ready<'_>) -> TokenStream {
    request_undocumented::request_types(ready)
        // Of types that nobody can derive for, `request-undocumented` says what to take instead.
        .filter(|(_, ty)| Unnamed::of(ty).is_none())
        .map(|(part, ty)| {
            let probe = quote! { <__t::Probe<#ty>> };
            let accepted = if part == "path" {
                quote! { #probe::IS_PATH }
            } else {
                quote! { #probe::VALIDATES }
            };
            // A type without a schema has no rules either; `request-undocumented` says so once.
            let holds =
                quote! { #accepted || !#probe::HAS_SCHEMA || (#probe::VALIDATES && !#probe::IS_PATH) };
            let wrong = format!("`{}` is the {part} of a route and has no validation rules", written(ty));
            let help = "derive `tabagent_api::Schema` and give its fields `#[rule(..)]`, \
                        or say `#[rule(none = \"why no value can be wrong\")]` on the type";
            super::unless(RULE.id, whole(ty), &holds, &wrong, help)
        })
        .collect()
}
