//! `tests-missing`: a route has at least one case.

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "tests-missing", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    // An unreadable list has its own errors.
    if !route.attribute.cases.is_empty() || (route.attribute.has_tests && !sink.is_empty()) {
        return;
    }
    let wrong = format!("the route `{}` has no case", route.handler.plain_name());
    let help = "add `tests = [case(\"..\", json = {..}, status = 200, check = my_check), \
                case(\"..\", json = {..}, problem = MyError::Variant)]`";
    sink.report(RULE.id, route.handler.name(), wrong, help);
}
