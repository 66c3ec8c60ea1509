//! `path-param-unknown`: every field that an argument reads from the path stands in the path.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Rule, path_param_unused};
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::model::Route;

pub(crate) const RULE: Rule =
    Rule { id: "path-param-unknown", check: Some(check), assertion: Some(assertion) };

fn check(route: &Route, sink: &mut Sink) {
    let Some(path) = &route.attribute.path else { return };
    if !path.faults.is_empty() || !path.captures.is_empty() {
        return;
    }
    for fields in path_param_unused::path_arguments(route) {
        let wrong = format!("this argument reads the path's parameters, and `{}` has none", path.value());
        sink.report(
            RULE.id,
            fields,
            wrong,
            "write the parameter in the path, such as `/v1/models/{model_id}`",
        );
    }
}

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let aliases = ready.route.attribute.aliases.iter().map(|alias| &alias.path);
    std::iter::once(ready.path)
        .chain(aliases)
        .flat_map(|path| {
            let parameters = path_param_unused::parameters(path);
            let text = path.value();
            path_param_unused::path_arguments(ready.route).map(move |fields| {
                let sentence = quote! {
                    __t::path_param_unknown(#text, #parameters, <__t::Probe<#fields>>::PATH_SHAPE)
                };
                super::unless_silent(whole(fields), &sentence)
            })
        })
        .collect()
}
