//! `#[route]`: parse the attribute and the fn into a model, judge it, write the registration.

pub(crate) mod cases;
mod dedup;
pub(crate) mod expand;
pub(crate) mod input;
mod json;
pub(crate) mod model;
pub(crate) mod path;
pub(crate) mod signature;
pub(crate) mod unnamed;
pub(crate) mod values;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;

use crate::diagnostics::Sink;
use crate::rules;
pub(crate) use expand::Ready;
use model::Route;
use signature::Handler;

/// The expansion: the item as it was written, then its registration, or every error that it has.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut sink = Sink::default();
    let handler = match Handler::parse.parse2(item.clone()) {
        Ok(handler) => handler,
        Err(error) => {
            rules::handler_not_async::not_a_fn(&mut sink, &item, &error);
            let errors = sink.into_compile_errors();
            return quote! { #item #errors };
        }
    };
    let attribute = input::parse(arguments, &mut sink);
    let route = Route { attribute, handler };
    rules::check(&route, &mut sink);
    let generated = match (sink.is_empty(), Ready::of(&route)) {
        (true, Some(ready)) => ready.expand(),
        _ => quote! {},
    };
    let errors = sink.into_compile_errors();
    quote! { #item #errors #generated }
}
