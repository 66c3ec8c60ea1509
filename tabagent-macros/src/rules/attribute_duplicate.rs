//! `attribute-duplicate`: a fn has one `#[route]`, and a key in it is given once.

use quote::ToTokens;
use syn::Ident;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "attribute-duplicate", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    let is_route = |attribute: &&syn::Attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "route")
    };
    for second in route.handler.attributes.iter().filter(is_route) {
        let wrong = format!("`{}` has two `#[route]`", route.handler.plain_name());
        let help = "another path of the same method is `alias = [\"/v1/other\"]`; \
                    another method is a fn of its own, which may call a shared one";
        sink.report(RULE.id, second, wrong, help);
    }
}

/// Reports the second of two.
pub(crate) fn report(sink: &mut Sink, first: &Ident, second: impl ToTokens) {
    let wrong = format!("`{first}` is given twice");
    sink.report(RULE.id, second, wrong, "keep one of them");
}
