//! `handler-has-self`: a handler is a free fn; what it shares with others is a `Component`.

use syn::visit::Visit;
use syn::{FnArg, Ident};

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
            return;
        }
    }
    let mut named = SelfType(None);
    named.visit_signature(&route.handler.signature);
    if let Some(token) = named.0 {
        let wrong = "a handler is a free fn, and `Self` is the type of an impl";
        sink.report(RULE.id, token, wrong, "name the type, and move the fn out of the impl");
    }
}

/// Finds `Self`.
struct SelfType(Option<Ident>);

impl<'ast> Visit<'ast> for SelfType {
    fn visit_ident(&mut self, ident: &'ast Ident) {
        if ident == "Self" && self.0.is_none() {
            self.0 = Some(ident.clone());
        }
    }
}

/// The name of an item beside the handler, which the registration reads.
///
/// A macro does not see what its item stands in. A free fn's neighbour is found by its name, one in an impl is not, and
/// the name is what the compiler then shows.
pub(crate) fn name_of_a_free_fn(route: &Route) -> Ident {
    let name = format!("handler_has_self__move__{}__out_of_the_impl", route.handler.plain_name());
    Ident::new(&name, route.handler.name().span())
}
