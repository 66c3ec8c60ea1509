//! `problem-untested`: every variant of the error type is exercised by a case, or waived with a reason.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;

use super::{Rule, case_type_mismatch, problem_case_missing};
use crate::route::Ready;
use crate::route::cases::Expectation;

pub(crate) const RULE: Rule = Rule { id: "problem-untested", check: None, assertion: Some(assertion) };

fn assertion(ready: &Ready<'_>) -> TokenStream {
    if !problem_case_missing::has_problem_case(ready) {
        return TokenStream::new();
    }
    let err = &ready.err;
    let attribute = &ready.route.attribute;
    let tested = attribute.cases.iter().filter_map(|case| match &case.expectation {
        Expectation::Problem { variant } => {
            let (of, name) = case_type_mismatch::split(variant);
            Some(quote! { (<__t::Probe<#of>>::NAME, #name) })
        }
        _ => None,
    });
    let waived = attribute.waivers.iter().map(|waiver| waiver.variant.unraw().to_string());
    let sentence = quote! {
        __t::problem_untested(
            <__t::Probe<#err>>::NAME,
            <__t::Probe<#err>>::VARIANTS,
            &[#(#tested),*],
            &[#(#waived),*],
        )
    };
    super::unless_silent(ready.err_span, &sentence)
}
