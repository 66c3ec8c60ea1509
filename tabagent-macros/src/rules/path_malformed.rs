//! `path-malformed`: the path follows axum 0.8's grammar, and clients would ask for it.

use proc_macro2::Span;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "path-malformed", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    let aliases = route.attribute.aliases.iter().map(|alias| &alias.path);
    for path in route.attribute.path.iter().chain(aliases) {
        for (wrong, help) in path.complaints() {
            sink.report(RULE.id, &path.literal, wrong, help);
        }
    }
}

/// Reports that there is no path at all.
pub(crate) fn missing(sink: &mut Sink) {
    let help = "write `#[route(POST, \"/v1/things\", tests = [..])]`";
    sink.report_at(RULE.id, Span::call_site(), "the route names no path", help);
}
