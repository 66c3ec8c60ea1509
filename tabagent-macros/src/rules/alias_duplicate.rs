//! `alias-duplicate`: an alias is another path than the route's own and than every other alias.

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "alias-duplicate", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    let aliases = &route.attribute.aliases;
    for (index, alias) in aliases.iter().enumerate() {
        let value = alias.path.value();
        let wrong = if route.attribute.path.as_ref().is_some_and(|path| path.value() == value) {
            format!("the alias `{value}` is the route's own path")
        } else if aliases[..index].iter().any(|earlier| earlier.path.value() == value) {
            format!("the alias `{value}` is given twice")
        } else {
            continue;
        };
        sink.report(RULE.id, &alias.path.literal, wrong, "remove it");
    }
}
