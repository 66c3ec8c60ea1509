//! `path-param-unknown`: every field that an argument reads from the path stands in the path.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::{Rule, path_param_unused};
use crate::diagnostics::Sink;
use crate::route::Ready;
use crate::route::expand::whole;
use crate::route::model::Route;
use crate::route::path::RoutePath;

pub(crate) const RULE: Rule =
    Rule { id: "path-param-unknown", check: Some(check), assertion: Some(assertion) };

fn check(route: &Route, sink: &mut Sink) {
    let Some(path) = &route.attribute.path else { return };
    in_another_order(route, path, sink);
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

/// A tuple takes the parameters in the order of the path, and an alias may have them in another one.
fn in_another_order(route: &Route, path: &RoutePath, sink: &mut Sink) {
    if !path_param_unused::path_arguments(route).any(|fields| matches!(fields, Type::Tuple(_))) {
        return;
    }
    let names =
        |path: &RoutePath| path.captures.iter().map(|capture| capture.name.clone()).collect::<Vec<_>>();
    for alias in &route.attribute.aliases {
        let (mut here, mut there) = (names(path), names(&alias.path));
        if here == there {
            continue;
        }
        here.sort_unstable();
        there.sort_unstable();
        if here == there {
            let wrong =
                "a tuple takes the parameters in their order, and this alias has another than the path";
            let help = "give the alias the order of the path, or take a struct that derives `Schema`";
            sink.report(RULE.id, &alias.path.literal, wrong, help);
        }
    }
}

fn assertion(ready: &Ready<'_>) -> TokenStream {
    let aliases = ready.route.attribute.aliases.iter().map(|alias| &alias.path);
    std::iter::once(ready.path)
        .chain(aliases)
        .flat_map(|path| {
            let parameters = path_param_unused::parameters(path);
            let text = path.value();
            path_param_unused::shapes(ready.route).map(move |(shape, ty)| {
                let sentence = quote! { __t::path_param_unknown(#text, #parameters, #shape) };
                super::unless_silent(whole(ty), &sentence)
            })
        })
        .collect()
}
