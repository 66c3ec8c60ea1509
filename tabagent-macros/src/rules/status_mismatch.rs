//! `status-mismatch`: a success has a success's status, and one without a body where its status forbids one.
//!
//! Whether a response has a body is judged by its type, which may be written under any name.

use proc_macro2::TokenStream;
use quote::quote;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::cases::{Case, Expectation};
use crate::route::model::{Route, Status};

pub(crate) const RULE: Rule = Rule { id: "status-mismatch", check: Some(check), assertion: Some(assertion) };

fn check(route: &Route, sink: &mut Sink) {
    let Some(status) = route.attribute.status else { return };
    range(status, sink);
    for (case, found) in successes(route).filter(|(_, found)| found.code != status.code) {
        let (wrong, help) = words(case, found.code, status.code);
        sink.report_at(RULE.id, found.span, wrong, help);
    }
}

/// The cases that expect a success, each with its status.
fn successes(route: &Route) -> impl Iterator<Item = (&Case, Status)> {
    route.attribute.cases.iter().filter_map(|case| match &case.expectation {
        Expectation::Success { status, .. } => Some((case, *status)),
        _ => None,
    })
}

/// That a case expects `found` of a route whose success is `expected`.
fn words(case: &Case, found: u16, expected: u16) -> (String, String) {
    let name = case.name.value();
    let wrong = format!("the case \"{name}\" expects {found}, and a success of this route is {expected}");
    let help = if (200..300).contains(&found) {
        format!("say `status = {found}` on the route, or expect {expected}")
    } else {
        "a failure is a variant of the error type: `problem = MyError::Variant`".to_owned()
    };
    (wrong, help)
}

/// Whether a response of this status has no body.
pub(super) fn forbids_body(status: u16) -> bool {
    matches!(status, 204 | 205 | 304)
}

fn range(status: Status, sink: &mut Sink) {
    if !(200..300).contains(&status.code) && status.code != 304 {
        let wrong = format!("{} is not the status of a success", status.code);
        let help = "a success is 2xx; a failure is a variant of the error type with a status of its own";
        sink.report_at(RULE.id, status.span, wrong, help);
    }
}

/// No body where the status forbids one; without a status on the route, cases that expect what the type stands for.
fn assertion(ready: &Ready<'_>) -> TokenStream {
    let ok = &ready.ok;
    match ready.route.attribute.status {
        Some(status) if forbids_body(status.code) => {
            let wrong =
                format!("a response of status {} has no body, and this route returns one", status.code);
            let holds = quote! { !<__t::Probe<#ok>>::HAS_BODY };
            super::unless(
                RULE.id,
                status.span,
                &holds,
                &wrong,
                "return `NoContent`, or choose another status",
            )
        }
        Some(_) => TokenStream::new(),
        None => successes(ready.route)
            .flat_map(|(case, found)| [200, 204].map(|expected| (case, found, expected)))
            .filter(|(_, found, expected)| found.code != *expected)
            .map(|(case, found, expected)| {
                let holds = quote! { <__t::Probe<#ok>>::STATUS != #expected };
                let (wrong, help) = words(case, found.code, expected);
                super::unless(RULE.id, found.span, &holds, &wrong, &help)
            })
            .collect(),
    }
}
