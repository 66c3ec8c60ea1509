//! The rules of a route, one a file, each named as its message, its section in the docs and its folder of failing
//! programs are.
//!
//! A rule judges the model (`check`), or writes code that the compiler judges because types are needed (`assertion`),
//! or is met while the arguments are read, and then its file holds the report.

pub(crate) mod alias_duplicate;
pub(crate) mod attribute_duplicate;
pub(crate) mod attribute_unknown;
pub(crate) mod body_not_last;
pub(crate) mod body_on_get;
pub(crate) mod body_twice;
pub(crate) mod case_duplicate;
pub(crate) mod case_malformed;
pub(crate) mod case_type_mismatch;
pub(crate) mod docs_missing;
pub(crate) mod error_not_problem;
pub(crate) mod handler_generic;
pub(crate) mod handler_has_self;
pub(crate) mod handler_not_async;
pub(crate) mod handler_not_result;
pub(crate) mod handler_panics;
pub(crate) mod method_unknown;
pub(crate) mod path_malformed;
pub(crate) mod path_param_unknown;
pub(crate) mod path_param_unused;
pub(crate) mod problem_case_missing;
pub(crate) mod problem_untested;
pub(crate) mod request_undeserializable;
pub(crate) mod request_undocumented;
pub(crate) mod request_unvalidated;
pub(crate) mod response_undocumented;
pub(crate) mod response_unserializable;
pub(crate) mod route_duplicate;
pub(crate) mod schema_duplicate;
pub(crate) mod status_mismatch;
pub(crate) mod stream_undeclared;
pub(crate) mod success_case_missing;
pub(crate) mod tests_missing;

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use crate::diagnostics::{Sink, text};
use crate::route::Ready;
use crate::route::model::Route;

/// A rule.
pub(crate) struct Rule {
    /// Name, in messages after `route::`.
    pub(crate) id: &'static str,
    /// Judges what the macro can see.
    pub(crate) check: Option<fn(&Route, &mut Sink)>,
    /// Writes code that does not compile when the rule is broken.
    pub(crate) assertion: Option<fn(&Ready<'_>) -> TokenStream>,
}

/// Every rule of a route.
pub(crate) const RULES: [Rule; 33] = [
    docs_missing::RULE,
    tests_missing::RULE,
    success_case_missing::RULE,
    problem_case_missing::RULE,
    problem_untested::RULE,
    case_duplicate::RULE,
    case_malformed::RULE,
    case_type_mismatch::RULE,
    method_unknown::RULE,
    path_malformed::RULE,
    path_param_unused::RULE,
    path_param_unknown::RULE,
    body_on_get::RULE,
    body_not_last::RULE,
    body_twice::RULE,
    request_unvalidated::RULE,
    request_undocumented::RULE,
    request_undeserializable::RULE,
    response_undocumented::RULE,
    response_unserializable::RULE,
    error_not_problem::RULE,
    handler_not_async::RULE,
    handler_generic::RULE,
    handler_has_self::RULE,
    handler_not_result::RULE,
    handler_panics::RULE,
    attribute_unknown::RULE,
    attribute_duplicate::RULE,
    alias_duplicate::RULE,
    status_mismatch::RULE,
    stream_undeclared::RULE,
    route_duplicate::RULE,
    schema_duplicate::RULE,
];

/// Judges a route by every rule that needs no types.
pub(crate) fn check(route: &Route, sink: &mut Sink) {
    for check in RULES.iter().filter_map(|rule| rule.check) {
        check(route, sink);
    }
}

/// The code of every rule that needs types.
pub(crate) fn assertions(ready: &Ready<'_>) -> TokenStream {
    RULES.iter().filter_map(|rule| rule.assertion).map(|assertion| assertion(ready)).collect()
}

/// Code that stops the compiler with a sentence of ours at `span` unless `holds`, a const bool.
fn unless(id: &str, span: Span, holds: &TokenStream, wrong: &str, help: &str) -> TokenStream {
    let sentence = text(id, wrong, help);
    quote_spanned! { span =>
        const _: () = if !(#holds) { ::core::panic!("{}", #sentence) };
    }
}

/// Code that stops the compiler at `span` when `sentence`, a const `Sentence`, says something.
fn unless_silent(span: Span, sentence: &TokenStream) -> TokenStream {
    quote_spanned! { span =>
        const _: () = {
            const __SENTENCE: __t::Sentence = #sentence;
            if !__SENTENCE.is_silent() { ::core::panic!("{}", __SENTENCE.text()) }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn every_file_is_a_rule_of_its_name() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().replace('_', "-"))
            .filter(|name| name != "mod")
            .collect();
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        files.sort_unstable();
        ids.sort_unstable();
        assert_eq!(files, ids);
    }
}
