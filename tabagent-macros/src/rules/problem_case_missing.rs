//! `problem-case-missing`: at least one case of a route ends in a problem, unless its error type has no variant.

use proc_macro2::TokenStream;
use quote::quote;

use super::Rule;
use crate::route::Ready;

pub(crate) const RULE: Rule = Rule { id: "problem-case-missing", check: None, assertion: Some(assertion) };

fn assertion(ready: &Ready<'_>) -> TokenStream {
    if has_problem_case(ready) {
        return TokenStream::new();
    }
    let err = &ready.err;
    let name = ready.route.handler.plain_name();
    let sentence =
        quote! { __t::problem_case_missing(#name, <__t::Probe<#err>>::NAME, <__t::Probe<#err>>::VARIANTS) };
    super::unless_silent(ready.route.handler.name().span(), &sentence)
}

/// Whether any case ends in a problem; `problem-untested` is silent where none does.
pub(super) fn has_problem_case(ready: &Ready<'_>) -> bool {
    ready.route.attribute.cases.iter().any(|case| case.expectation.may_fail())
}
