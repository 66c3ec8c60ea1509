//! `docs-missing`: a route has a doc comment, and its first line says what the route does.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Expr;
use syn::spanned::Spanned;

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "docs-missing", check: Some(check), assertion: Some(assertion) };

const EMPTY: &str = "the first line of the doc comment is empty";
const FORM: &str = "put `/// What it does.` above the fn; the first line is the summary in the document";

fn check(route: &Route, sink: &mut Sink) {
    let handler = &route.handler;
    match handler.first_doc() {
        None => {
            let wrong = format!("the route `{}` has no doc comment", handler.plain_name());
            sink.report(RULE.id, handler.name(), wrong, FORM);
        }
        // What a macro gives is looked at when the compiler has it.
        Some(Expr::Macro(_)) => {}
        Some(first) => {
            if handler.docs().first().is_none_or(|line| line.trim().is_empty()) {
                let is_doc = |attribute: &&syn::Attribute| attribute.path().is_ident("doc");
                match handler.attributes.iter().find(is_doc) {
                    Some(attribute) => sink.report(RULE.id, attribute, EMPTY, FORM),
                    None => sink.report(RULE.id, first, EMPTY, FORM),
                }
            }
        }
    }
}

/// The same for a doc comment whose first line comes from a macro.
fn assertion(ready: &Ready<'_>) -> TokenStream {
    match ready.route.handler.first_doc() {
        Some(first @ Expr::Macro(_)) => {
            let holds = quote! { !__t::doc_summary(__DOCS).is_empty() };
            super::unless(RULE.id, first.span(), &holds, EMPTY, FORM)
        }
        _ => TokenStream::new(),
    }
}
