//! `case-duplicate`: no two cases of a route share a name, which is how a failing test is found.

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "case-duplicate", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    let cases = &route.attribute.cases;
    for (index, case) in cases.iter().enumerate() {
        if cases[..index].iter().any(|earlier| earlier.name.value() == case.name.value()) {
            let wrong = format!("two cases are named \"{}\"", case.name.value());
            sink.report(RULE.id, &case.name, wrong, "a failing test prints the name; say what differs");
        }
    }
    let waivers = &route.attribute.waivers;
    for (index, waiver) in waivers.iter().enumerate() {
        if waivers[..index].iter().any(|earlier| earlier.variant == waiver.variant) {
            let wrong = format!("`{}` is waived twice", waiver.variant);
            sink.report(RULE.id, &waiver.variant, wrong, "keep one reason");
        }
    }
}
