//! `Query<T>`: the parameters after the question mark.

use axum::extract::FromRequestParts;
use garde::Validate;
use http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{RouteInput, accepted, misfit, of_part};
use crate::framework::ApiError;
use crate::framework::component::AppState;
use crate::framework::openapi::OperationBuilder;
use crate::framework::validation::broken_rules;

/// Query parameters, one for each field of `T`, parsed and checked against its rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T> FromRequestParts<AppState> for Query<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        let text = parts.uri.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(text.as_bytes());
        let deserializer = serde_urlencoded::Deserializer::new(pairs);
        let value: T = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let mut error = misfit(error.path(), &error.inner().to_string());
            if let Some((_, value)) = pairs.find(|(name, _)| *name == error.field) {
                error.message = in_words(error.message, &value);
            }
            ApiError::RequestInvalid { errors: of_part("query", vec![error]) }
        })?;
        let errors = of_part("query", broken_rules(&value));
        accepted(value, errors).map(Self)
    }
}

/// What the standard library's parsers say, as a client understands it; any other message stands as it is.
fn in_words(message: String, value: &str) -> String {
    let is_number = value.strip_prefix('-').is_some_and(|digits| digits.parse::<u64>().is_ok());
    let reason = match &*message {
        "invalid digit found in string" if is_number => "must not be negative",
        "invalid digit found in string" => "must be an integer",
        "cannot parse integer from empty string" => "must be an integer, is empty",
        "cannot parse float from empty string" => "must be a number, is empty",
        "number too large to fit in target type" => "is too large",
        "number too small to fit in target type" => "is too small",
        "invalid float literal" => "must be a number",
        "provided string was not `true` or `false`" => "must be true or false",
        _ => return message,
    };
    if value.is_empty() { reason.to_owned() } else { format!("{reason}, is `{value}`") }
}

impl<T: ToSchema> RouteInput for Query<T> {
    fn describe(operation: &mut OperationBuilder) {
        operation.query_parameters::<T>();
    }
}
