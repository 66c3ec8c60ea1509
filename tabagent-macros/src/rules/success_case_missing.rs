//! `success-case-missing`: at least one case of a route succeeds.

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "success-case-missing", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    let cases = &route.attribute.cases;
    if cases.is_empty() || cases.iter().any(|case| case.expectation.may_succeed()) {
        return;
    }
    let wrong = format!("no case of the route `{}` succeeds", route.handler.plain_name());
    let how = match route.attribute.status {
        Some(status) => format!("`status = {}`", status.code),
        None => "`status = 200, check = my_check`, or `status = 204` where it has no body".to_owned(),
    };
    let help = format!("add one with {how}; it becomes the example in the document");
    sink.report(RULE.id, route.handler.name(), wrong, help);
}
