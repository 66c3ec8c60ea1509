//! `Query<T>`: the parameters after the question mark.

use axum::extract::FromRequestParts;
use garde::Validate;
use http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{RouteInput, accepted, of_part};
use crate::framework::ApiError;
use crate::framework::component::AppState;
use crate::framework::openapi::OperationBuilder;
use crate::framework::problem::FieldError;
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
        let pairs = form_urlencoded::parse(text.as_bytes());
        let deserializer = serde_urlencoded::Deserializer::new(pairs);
        let value: T = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let field = error.path().to_string();
            let message = error.into_inner().to_string();
            let field = if field == "." { "query".to_owned() } else { field };
            ApiError::RequestInvalid { errors: vec![FieldError::new(field, message)] }
        })?;
        let errors = of_part("query", broken_rules(&value));
        accepted(value, errors).map(Self)
    }
}

impl<T: ToSchema> RouteInput for Query<T> {
    fn describe(operation: &mut OperationBuilder) {
        operation.query_parameters::<T>();
    }
}
