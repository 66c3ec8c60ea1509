//! `attribute-unknown`: the attribute has the keys that it has, with values that they take.

use syn::Ident;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::input::KEYS;
use crate::suggest;

pub(crate) const RULE: Rule = Rule { id: "attribute-unknown", check: None, assertion: None };

/// Reports a key that the attribute does not have.
pub(crate) fn report(sink: &mut Sink, key: &Ident) {
    let name = key.to_string();
    let help = match name.as_str() {
        "summary" | "description" => {
            "write the doc comment of the fn: its first line is the summary".to_owned()
        }
        "request_body" | "responses" | "params" | "security" => {
            "leave it out: the document is made from the fn's arguments and its return type".to_owned()
        }
        "case" | "test" => "put cases in a list: `tests = [case(..), ..]`".to_owned(),
        _ => suggest::help(&name, &KEYS),
    };
    sink.report(RULE.id, key, format!("`#[route]` has no `{name}`"), help);
}

/// Reports a value that its key does not take, or something that is no key at all.
pub(crate) fn unreadable(sink: &mut Sink, error: &syn::Error) {
    for part in error {
        let message = part.to_string();
        let (wrong, help) = message.split_once("; ").unwrap_or((&message, ""));
        sink.report_at(RULE.id, part.span(), wrong, help);
    }
}
