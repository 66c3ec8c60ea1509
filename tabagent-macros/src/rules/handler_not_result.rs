//! `handler-not-result`: a handler returns `Result<Success, Problem>`.

use syn::ReturnType;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;
use crate::route::signature::{Output, generic_of, last_ident, written};

pub(crate) const RULE: Rule = Rule { id: "handler-not-result", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    if !matches!(route.handler.output, Output::Other) {
        return;
    }
    let help = "return `Result<Json<T>, MyError>`, or `Result<Json<T>, Infallible>` if it cannot fail";
    match &route.handler.signature.output {
        ReturnType::Default => {
            let wrong = format!("the handler `{}` returns nothing", route.handler.plain_name());
            let help =
                "return `Result<NoContent, MyError>`, or `Result<NoContent, Infallible>` if it cannot fail";
            sink.report(RULE.id, route.handler.name(), wrong, help);
        }
        // A future is the async rule's, and so is its type.
        ReturnType::Type(_, _) if route.handler.signature.asyncness.is_none() => {}
        ReturnType::Type(_, ty) if generic_of(ty, "Option").is_some() => {
            let help = "return `Result`, with a problem of status 404 for what is not there";
            sink.report(RULE.id, ty, format!("`{}` does not say what went wrong", written(ty)), help);
        }
        ReturnType::Type(_, ty)
            if last_ident(ty).is_some_and(|name| name.to_string().ends_with("Result")) =>
        {
            let wrong = format!("`{}` does not show what a success and what a failure is", written(ty));
            sink.report(RULE.id, ty, wrong, "write both types: `Result<Json<T>, MyError>`");
        }
        ReturnType::Type(_, ty) => {
            sink.report(RULE.id, ty, format!("the handler returns `{}`, not a `Result`", written(ty)), help);
        }
    }
}
