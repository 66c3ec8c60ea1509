//! `attribute-duplicate`: a key is given once.

use quote::ToTokens;
use syn::Ident;

use super::Rule;
use crate::diagnostics::Sink;

pub(crate) const RULE: Rule = Rule { id: "attribute-duplicate", check: None, assertion: None };

/// Reports the second of two.
pub(crate) fn report(sink: &mut Sink, first: &Ident, second: impl ToTokens) {
    let wrong = format!("`{first}` is given twice");
    sink.report(RULE.id, second, wrong, "keep one of them");
}
