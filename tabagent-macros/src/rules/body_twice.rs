//! `body-twice`: a body can be read once.

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;
use crate::route::signature::written;

pub(crate) const RULE: Rule = Rule { id: "body-twice", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    // On GET each body is wrong for another reason.
    if route.attribute.method.as_ref().is_some_and(|(method, _)| !method.has_body()) {
        return;
    }
    let mut bodies = route.handler.arguments.iter().filter(|argument| argument.kind.reads_body());
    let Some(first) = bodies.next() else { return };
    for second in bodies {
        let wrong = format!(
            "`{}` reads the body, which `{}` has read already",
            written(&second.ty),
            written(&first.ty)
        );
        sink.report(RULE.id, &second.ty, wrong, "take one body with all fields in one type");
    }
}
