//! `status-mismatch`: a success has a success's status, and one without a body where its status forbids one.

use proc_macro2::TokenStream;
use quote::quote;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::cases::Expectation;
use crate::route::model::{Route, Status};
use crate::route::signature::generic_of;

pub(crate) const RULE: Rule = Rule { id: "status-mismatch", check: Some(check), assertion: Some(assertion) };

fn check(route: &Route, sink: &mut Sink) {
    if let Some(status) = route.attribute.status {
        range(status, sink);
        if forbids_body(status.code)
            && let Some(ok) = route.handler.output.ok()
            && ["Json", "EventStream", "JsonOrStream"].iter().any(|name| generic_of(ok, name).is_some())
        {
            let wrong =
                format!("a response of status {} has no body, and this route returns one", status.code);
            sink.report_at(RULE.id, status.span, wrong, "return `NoContent`, or choose another status");
        }
    }
    for case in &route.attribute.cases {
        let Expectation::Success { status, .. } = &case.expectation else { continue };
        let expected = route.status();
        if status.code != expected {
            let (code, name) = (status.code, case.name.value());
            let wrong =
                format!("the case \"{name}\" expects {code}, and a success of this route is {expected}");
            let help = if (200..300).contains(&code) {
                format!("say `status = {code}` on the route, or expect {expected}")
            } else {
                "a failure is a variant of the error type: `problem = MyError::Variant`".to_owned()
            };
            sink.report_at(RULE.id, status.span, wrong, help);
        }
    }
}

fn forbids_body(status: u16) -> bool {
    matches!(status, 204 | 205 | 304)
}

fn range(status: Status, sink: &mut Sink) {
    if !(200..300).contains(&status.code) && status.code != 304 {
        let wrong = format!("{} is not the status of a success", status.code);
        let help = "a success is 2xx; a failure is a variant of the error type with a status of its own";
        sink.report_at(RULE.id, status.span, wrong, help);
    }
}

/// The same for response types that the macro does not know by name, and no body where the status promises one.
fn assertion(ready: &Ready<'_>) -> TokenStream {
    let ok = &ready.ok;
    let Some(status) = ready.route.attribute.status.filter(|status| forbids_body(status.code)) else {
        return TokenStream::new();
    };
    let wrong = format!("a response of status {} has no body, and this route returns one", status.code);
    let holds = quote! { !<__t::Probe<#ok>>::HAS_BODY };
    super::unless(RULE.id, status.span, &holds, &wrong, "return `NoContent`, or choose another status")
}
