//! `handler-has-self`: a handler is a free fn; what it shares with others is a `Component`.

use syn::FnArg;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "handler-has-self", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    for argument in &route.handler.signature.inputs {
        if let FnArg::Receiver(receiver) = argument {
            let wrong = "a handler is a free fn and has no `self`";
            let help = "take the value as an argument `Component<T>`, and move the fn out of the impl";
            sink.report(RULE.id, receiver, wrong, help);
        }
    }
}
