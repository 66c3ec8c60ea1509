//! `method-unknown`: the method of a route is GET, POST, PUT, PATCH or DELETE.

use proc_macro2::Span;
use syn::Ident;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Method;
use crate::suggest;

pub(crate) const RULE: Rule = Rule { id: "method-unknown", check: None, assertion: None };

/// Reports a method that routes do not have.
pub(crate) fn report(sink: &mut Sink, written: &Ident) {
    let name = written.to_string();
    let help = match name.as_str() {
        "HEAD" => "write the GET route: HEAD is answered by it, without the body".to_owned(),
        "OPTIONS" => "leave it out: preflight requests are answered for every route".to_owned(),
        "CONNECT" | "TRACE" => format!("a route is one of {}", suggest::list(&Method::NAMES)),
        lower if Method::named(&lower.to_uppercase()).is_some() => {
            format!("methods are written in capitals: `{}`", lower.to_uppercase())
        }
        _ => suggest::help(&name, &Method::NAMES),
    };
    sink.report(RULE.id, written, format!("`{name}` is not a method that a route can have"), help);
}

/// Reports that there is no method at all.
pub(crate) fn missing(sink: &mut Sink) {
    let help = "write `#[route(POST, \"/v1/things\", tests = [..])]`";
    sink.report_at(RULE.id, Span::call_site(), "the route names no method", help);
}
