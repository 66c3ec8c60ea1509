//! `Path<T>`: the values of a path's parameters.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, MatchedPath};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::{RouteInput, accepted, of_part};
use crate::framework::ApiError;
use crate::framework::component::AppState;
use crate::framework::openapi::{OperationBuilder, parameter_names};
use crate::framework::problem::FieldError;
use crate::framework::validation::{SchemaList, SchemaType};

/// The parameters of the path, percent-decoded: one value, a tuple in the order of the path, or a struct by name.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

/// Which parameters a type reads. Derived by `#[derive(Schema)]` for structs with names for their fields, for structs of
/// one value, and for enums of names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a path",
    label = "not the values of path parameters",
    note = "use a string, a number, a tuple of them, or a struct that derives `tabagent_api::Schema`"
)]
pub trait PathFields {
    /// How the parameters are matched.
    const SHAPE: PathShape;

    /// The schemas of the values, one a parameter: in order, or by name.
    fn schemas() -> Vec<(Option<&'static str>, serde_json::Value)>;

    /// Adds the named schemas that these refer to.
    fn collect(list: &mut SchemaList) {
        let _ = list;
    }

    /// Checks the values against their rules.
    fn check(&self) -> Vec<FieldError> {
        Vec::new()
    }
}

/// How the parameters of a path are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathShape {
    /// One value for the one parameter.
    Scalar,
    /// So many, in order.
    Tuple(usize),
    /// By these names.
    Named(&'static [&'static str]),
}

impl<T> FromRequestParts<AppState> for Path<T>
where
    T: DeserializeOwned + PathFields + Send,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let axum::extract::Path(value) = read.map_err(|refused| {
            let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
            rejection(refused, &parameter_names(path))
        })?;
        let errors = of_part("path", value.check());
        accepted(value, errors).map(Self)
    }
}

/// `names` are those of the path's parameters, in order.
fn rejection(rejection: PathRejection, names: &[&str]) -> ApiError {
    let name = |index: usize| names.get(index).copied().unwrap_or("path").to_owned();
    let error = match rejection {
        PathRejection::FailedToDeserializePathParams(failed) => match failed.into_kind() {
            ErrorKind::ParseErrorAtKey { key, value, expected_type } => {
                FieldError::new(key, misread(&value, expected_type))
            }
            ErrorKind::ParseErrorAtIndex { index, value, expected_type } => {
                FieldError::new(name(index), misread(&value, expected_type))
            }
            ErrorKind::ParseError { value, expected_type } => {
                FieldError::new(name(0), misread(&value, expected_type))
            }
            ErrorKind::InvalidUtf8InPathParam { key } => {
                FieldError::new(key, "is not UTF-8 once percent-decoded".to_owned())
            }
            ErrorKind::DeserializeError { key, value, message } => {
                FieldError::new(key, format!("`{value}`: {message}"))
            }
            other => FieldError::new("path", other.to_string()),
        },
        other => FieldError::new("path", other.to_string()),
    };
    ApiError::RequestInvalid { errors: vec![error] }
}

/// What a value should be that is not of the type that a route reads.
fn misread(value: &str, expected: &str) -> String {
    macro_rules! bounds {
        ($($type:ident),*) => {
            match expected {
                $(stringify!($type) => Some((i128::from($type::MIN), i128::from($type::MAX))),)*
                _ => None,
            }
        };
    }
    match bounds!(u8, u16, u32, u64, i8, i16, i32, i64) {
        Some((least, most)) => format!("must be an integer from {least} to {most}, is `{value}`"),
        None if expected == "bool" => format!("must be true or false, is `{value}`"),
        None => format!("`{value}` is not a {expected}"),
    }
}

impl<T: PathFields> RouteInput for Path<T> {
    fn describe(operation: &mut OperationBuilder) {
        operation.path_parameters::<T>();
    }
}

macro_rules! scalars {
    ($($type:ty),*) => {$(
        impl PathFields for $type {
            const SHAPE: PathShape = PathShape::Scalar;

            fn schemas() -> Vec<(Option<&'static str>, serde_json::Value)> {
                vec![(None, <$type as SchemaType>::usage())]
            }
        }
    )*};
}

scalars!(String, bool, u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! tuples {
    ($(($count:literal: $($name:ident $index:tt),+)),*) => {$(
        impl<$($name: PathFields),+> PathFields for ($($name,)+) {
            const SHAPE: PathShape = PathShape::Tuple($count);

            fn schemas() -> Vec<(Option<&'static str>, serde_json::Value)> {
                let mut schemas = Vec::new();
                $(schemas.extend($name::schemas());)+
                schemas
            }

            fn collect(list: &mut SchemaList) {
                $($name::collect(list);)+
            }

            fn check(&self) -> Vec<FieldError> {
                let mut errors = Vec::new();
                $(errors.extend(self.$index.check());)+
                errors
            }
        }
    )*};
}

tuples!((1: A 0), (2: A 0, B 1), (3: A 0, B 1, C 2), (4: A 0, B 1, C 2, D 3));
