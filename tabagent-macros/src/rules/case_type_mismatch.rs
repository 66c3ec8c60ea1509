//! `case-type-mismatch`: a check takes the response type, a problem names a variant of the error type.
//!
//! That a check takes the response type is said by the trait bound of the generated call; the rest is judged here.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Path;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;

use super::Rule;
use crate::route::Ready;
use crate::route::cases::Expectation;

pub(crate) const RULE: Rule = Rule { id: "case-type-mismatch", check: None, assertion: Some(assertion) };

/// `Enum::Variant` as the type and the variant's name.
pub(crate) fn split(variant: &Path) -> (TokenStream, String) {
    let mut of = variant.clone();
    let name = of.segments.pop().map(|last| last.ident.unraw().to_string()).unwrap_or_default();
    // `pop` leaves the `::` that stood before the variant.
    of.segments.pop_punct();
    (of.to_token_stream(), name)
}

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let err = &ready.err;
    let problems = ready.route.attribute.cases.iter().filter_map(|case| match &case.expectation {
        Expectation::Problem { variant } => {
            let (of, name) = split(variant);
            let sentence = quote! {
                __t::case_problem_unknown(
                    (<__t::Probe<#err>>::NAME, <__t::Probe<#err>>::VARIANTS),
                    (<__t::Probe<#of>>::NAME, <__t::Probe<#of>>::VARIANTS),
                    #name,
                )
            };
            let mut checks = super::unless_silent(variant.span(), &sentence);
            // Two enums may have one name.
            let holds = quote! {
                <__t::Probe<(#err, #of)>>::SAME
                    || !__t::same(<__t::Probe<#err>>::NAME, <__t::Probe<#of>>::NAME)
            };
            let wrong = "this enum has the name of the route's error type, and is another one";
            let help = "name a variant of the error type that the handler returns";
            checks.extend(super::unless(RULE.id, variant.span(), &holds, wrong, help));
            Some(checks)
        }
        _ => None,
    });
    let waivers = ready.route.attribute.waivers.iter().map(|waiver| {
        let name = waiver.variant.unraw().to_string();
        let own = quote! { (<__t::Probe<#err>>::NAME, <__t::Probe<#err>>::VARIANTS) };
        let sentence = quote! { __t::case_problem_unknown(#own, #own, #name) };
        super::unless_silent(waiver.variant.span(), &sentence)
    });
    problems.chain(waivers).collect()
}
