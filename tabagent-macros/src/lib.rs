//! The macros of TabAgent: `#[route]`, `#[derive(Problem)]` and `#[derive(Schema)]`.
//!
//! This crate knows tokens and nothing else. It is used through `tabagent_api`, which re-exports the macros, documents
//! them (`docs/rules.md` is their chapter) and holds everything that generated code names.
//!
//! In reading order: [`route`] parses a route into a model, `rules` judges the model (one named rule a file),
//! `route::expand` writes the registration; `problem` and `schema` are the derives.

mod diagnostics;
mod problem;
mod route;
mod rules;
mod schema;
mod suggest;

use proc_macro::TokenStream;

/// Makes an `async fn` a registered route; `tabagent_api::route` documents it.
#[proc_macro_attribute]
pub fn route(arguments: TokenStream, item: TokenStream) -> TokenStream {
    diagnostics::shown("route", route::expand(arguments.into(), item.into())).into()
}

/// Makes an error enum an error of routes; `tabagent_api::Problem` documents it.
#[proc_macro_derive(Problem, attributes(problem))]
pub fn derive_problem(item: TokenStream) -> TokenStream {
    diagnostics::shown("derive(Problem)", problem::expand(item.into())).into()
}

/// Validation and JSON Schema from one statement; `tabagent_api::Schema` documents it.
#[proc_macro_derive(Schema, attributes(rule))]
pub fn derive_schema(item: TokenStream) -> TokenStream {
    diagnostics::shown("derive(Schema)", schema::expand(item.into())).into()
}

#[cfg(test)]
mod golden;
