//! `case-malformed`: a case says what it sends and what it expects, in the grammar of cases.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::{Rule, status_mismatch};
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::cases::{Case, CaseBody, Expectation};
use crate::route::expand::whole;
use crate::route::model::{Check, Route};
use crate::suggest;

pub(crate) const RULE: Rule = Rule { id: "case-malformed", check: Some(check), assertion: Some(assertion) };

/// Reports what could not be read of a case.
pub(crate) fn report(sink: &mut Sink, error: &syn::Error) {
    for part in error {
        let message = part.to_string();
        let (wrong, help) = message.split_once("; ").unwrap_or((&message, ""));
        sink.report_at(RULE.id, part.span(), wrong, help);
    }
}

/// Reports what is wrong with a case that could be read.
pub(crate) fn say(sink: &mut Sink, tokens: impl ToTokens, wrong: &str, help: &str) {
    sink.report(RULE.id, tokens, wrong, help);
}

fn check(route: &Route, sink: &mut Sink) {
    for case in &route.attribute.cases {
        path_values(route, case, sink);
        if let CaseBody::Json { key, .. } | CaseBody::Raw { key, .. } = &case.body
            && let Some((method, _)) = &route.attribute.method
            && !method.has_body()
        {
            let wrong = format!("{} requests have no body", method.as_str());
            sink.report(RULE.id, key, wrong, "send `path = {..}` and `query = {..}` only");
        }
    }
}

/// A case gives a value for each parameter of the path, and for nothing else.
fn path_values(route: &Route, case: &Case, sink: &mut Sink) {
    let Some(path) = &route.attribute.path else { return };
    if !path.faults.is_empty() {
        return;
    }
    let names = path.names();
    let given: &[_] = case.path.as_ref().map_or(&[], |(_, pairs)| pairs.as_slice());
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    for pair in given {
        if !known.contains(&pair.key.as_str()) {
            let help = if known.is_empty() {
                "remove it: the path has no parameter".to_owned()
            } else {
                suggest::help(&pair.key, &known)
            };
            sink.report_at(RULE.id, pair.key_span, format!("the path has no parameter `{}`", pair.key), help);
        }
    }
    let missing: Vec<&str> =
        known.iter().copied().filter(|name| given.iter().all(|pair| pair.key != *name)).collect();
    let strangers = given.len() + missing.len() > known.len();
    if !missing.is_empty() && !strangers {
        let wrong = format!("the case gives no value for the path's {}", suggest::list(&missing));
        let example: Vec<String> = missing.iter().map(|name| format!("{name}: \"..\"")).collect();
        sink.report(RULE.id, &case.name, wrong, format!("add `path = {{ {} }}`", example.join(", ")));
    }
}

/// A success with a body has a check, a success without one has none.
fn assertion(ready: &Ready<'_>) -> TokenStream {
    let ok = &ready.ok;
    let with_check = ready.route.attribute.cases.iter().filter_map(|case| match &case.expectation {
        Expectation::Success { check: Check::Function(check), .. } => Some((case, check.to_token_stream())),
        Expectation::Success { check: Check::Expression(check), .. } => Some((case, check.to_token_stream())),
        _ => None,
    });
    let needless = with_check.map(|(case, check)| {
        let holds = quote! { <__t::Probe<#ok>>::HAS_BODY || !<__t::Probe<#ok>>::IS_OUTPUT };
        let wrong = format!("the case \"{}\" checks the body of a response that has none", case.name.value());
        super::unless(
            RULE.id,
            whole(&check),
            &holds,
            &wrong,
            "remove `check`: that there is no body is checked",
        )
    });
    // `status-mismatch` says that the body should not be there.
    if ready.route.attribute.status.is_some_and(|status| status_mismatch::forbids_body(status.code)) {
        return needless.collect();
    }
    let without_check = ready.route.attribute.cases.iter().filter_map(|case| match &case.expectation {
        Expectation::Success { status, check: Check::None } => Some((case, status)),
        _ => None,
    });
    without_check
        .map(|(case, status)| {
            let holds = quote! { !<__t::Probe<#ok>>::HAS_BODY };
            let help = "add `check = my_check`, a fn or closure that takes the response type by reference";
            let wrong = format!("the case \"{}\" does not look at the response", case.name.value());
            super::unless(RULE.id, status.span, &holds, &wrong, help)
        })
        .chain(needless)
        .collect()
}
