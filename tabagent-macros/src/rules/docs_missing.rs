//! `docs-missing`: a route has a doc comment, and its first line says what the route does.

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "docs-missing", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    let handler = &route.handler;
    let help = "put `/// What it does.` above the fn; the first line is the summary in the document";
    let docs = handler.docs();
    if handler.attributes.iter().all(|attribute| !attribute.path().is_ident("doc")) {
        let wrong = format!("the route `{}` has no doc comment", handler.plain_name());
        sink.report(RULE.id, handler.name(), wrong, help);
    } else if docs.first().is_none_or(|line| line.trim().is_empty()) {
        let attribute = handler.attributes.iter().find(|attribute| attribute.path().is_ident("doc"));
        let wrong = "the first line of the doc comment is empty";
        match attribute {
            Some(attribute) => sink.report(RULE.id, attribute, wrong, help),
            None => sink.report(RULE.id, handler.name(), wrong, help),
        }
    }
}
