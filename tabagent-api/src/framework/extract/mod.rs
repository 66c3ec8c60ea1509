//! Extractors: what a route takes from a request, each with its part of the document.
//!
//! Extraction itself is axum's (`FromRequestParts`, `FromRequest`); [`RouteInput`] adds what the document and the start-up
//! check need. Every rejection is an [`super::ApiError`].

mod forms;
mod json;
mod multipart;
mod path;
mod query;
mod shape;
mod strict;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use garde::Validate;
use http::HeaderMap;
use http::request::Parts;

pub use json::Json;
pub use multipart::{FormFile, FormRequest, JsonOrForm};
pub use path::{Path, PathFields, PathShape};
pub use query::Query;

use super::ApiError;
use super::component::{AppState, ComponentRequirement};
use super::layers::route::Exchange;
use super::openapi::OperationBuilder;
use super::problem::FieldError;
use super::validation::broken_rules;

/// An argument of a route.
///
/// An extractor of your own implements axum's `FromRequestParts<AppState>` (or `FromRequest`) and this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a route",
    label = "not an extractor of this framework",
    note = "use `Json`, `Path`, `Query`, `Component`, `RequestId` or `HeaderMap` of tabagent_api, or implement `RouteInput` for an extractor of your own"
)]
pub trait RouteInput {
    /// Adds what this argument reads to the operation: parameters, a body.
    fn describe(operation: &mut OperationBuilder);

    /// Lists the components that it needs.
    fn components(list: &mut Vec<ComponentRequirement>) {
        let _ = list;
    }
}

/// The id of the request, as in the header `x-request-id`, the span and every problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

impl FromRequestParts<AppState> for RequestId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        let exchange = parts.extensions.get::<Exchange>();
        exchange.map(|exchange| Self(Arc::clone(exchange.id()))).ok_or_else(|| ApiError::Internal {
            reason: "the request has no id: a router was built without its layers".to_owned(),
        })
    }
}

impl RouteInput for RequestId {
    fn describe(_: &mut OperationBuilder) {}
}

impl RouteInput for HeaderMap {
    fn describe(_: &mut OperationBuilder) {}
}

/// The state itself, for extractors and routes about the server.
impl FromRequestParts<AppState> for AppState {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        Ok(state.clone())
    }
}

impl RouteInput for AppState {
    fn describe(_: &mut OperationBuilder) {}
}

/// The value, if it keeps the rules of its type.
fn validated<T: Validate<Context = ()>>(value: T) -> Result<T, ApiError> {
    let errors = broken_rules(&value);
    accepted(value, errors)
}

/// The value, if there are no errors.
fn accepted<T>(value: T, errors: Vec<FieldError>) -> Result<T, ApiError> {
    if errors.is_empty() { Ok(value) } else { Err(ApiError::RequestInvalid { errors }) }
}

/// The field at fault and what is wrong with it, from the path of the value that serde gave up and its message.
fn misfit(path: &serde_path_to_error::Path, message: &str) -> FieldError {
    let container = path.to_string();
    let container = if container == "." { String::new() } else { container };
    // Of a field that is not there, or not once, the path has what holds it, and the message the name.
    let named = ["missing field `", "duplicate field `"]
        .iter()
        .find_map(|begin| message.strip_prefix(begin)?.split_once('`'))
        .map(|(name, _)| name);
    let field = match named {
        None => container,
        Some(name) if container.is_empty() => name.to_owned(),
        Some(name) => format!("{container}.{name}"),
    };
    FieldError::new(field, message.to_owned())
}

/// The errors of a part of the request that is not the body; those that concern all of it are named after it.
fn of_part(part: &str, mut errors: Vec<FieldError>) -> Vec<FieldError> {
    for error in errors.iter_mut().filter(|error| error.field.is_empty()) {
        part.clone_into(&mut error.field);
    }
    errors
}
