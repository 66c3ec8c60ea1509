//! `Json<T>`: a body that is read, parsed and validated, and a response.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use garde::Validate;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::{RouteInput, broken_rules};
use crate::framework::component::AppState;
use crate::framework::layers::route::BodyLimit;
use crate::framework::openapi::OperationBuilder;
use crate::framework::problem::FieldError;
use crate::framework::{ApiError, BodyKind, CaseResponse, RouteOutput};

/// A JSON body.
///
/// As an argument it is read within the route's limits, parsed and checked against the rules of `T`; a handler sees a
/// valid `T` or is not called. As a response it is serialised.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T> FromRequest<AppState> for Json<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        require_json(request.headers())?;
        let limit =
            request.extensions().get::<BodyLimit>().map_or(state.config().body_limit, |limit| limit.0);
        let bytes = read_body(request.into_body(), limit, state.config().body_timeout).await?;
        let value: T = parse(&bytes)?;
        value.validate().map_err(|report| ApiError::RequestInvalid { errors: broken_rules(&report) })?;
        Ok(Self(value))
    }
}

impl<T: ToSchema> RouteInput for Json<T> {
    fn describe(operation: &mut OperationBuilder) {
        operation.json_body::<T>();
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(ApiError::ContentTypeUnsupported { found: "absent".to_owned() });
    };
    let text = value.to_str().unwrap_or("not ASCII");
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        Ok(())
    } else {
        Err(ApiError::ContentTypeUnsupported { found: format!("`{text}`") })
    }
}

/// Reads a whole body of at most `limit` bytes that arrives within `patience`.
pub(crate) async fn read_body(mut body: Body, limit: usize, patience: Duration) -> Result<Bytes, ApiError> {
    let read = async {
        // A length that says so beforehand is not waited for.
        if http_body::Body::size_hint(&body).lower() > limit as u64 {
            return Err(ApiError::BodyTooLarge { limit });
        }
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| ApiError::BodyMalformed { reason: error.to_string() })?;
            let Ok(data) = frame.into_data() else { continue };
            let length = first.as_ref().map_or(0, Bytes::len).max(rest.len()) + data.len();
            if length > limit {
                return Err(ApiError::BodyTooLarge { limit });
            }
            // A short body comes in one frame and is not copied.
            match (&first, rest.is_empty()) {
                (None, true) => first = Some(data),
                (Some(begin), true) => {
                    rest.reserve(begin.len() + data.len());
                    rest.extend_from_slice(begin);
                    rest.extend_from_slice(&data);
                }
                _ => rest.extend_from_slice(&data),
            }
        }
        Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
    };
    match tokio::time::timeout(patience, read).await {
        Ok(bytes) => bytes,
        Err(_) => Err(ApiError::BodyStalled { seconds: patience.as_secs() }),
    }
}

/// Parses JSON; an error names the field and says where the text goes wrong.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) if error.is_data() => {
            with_whole_numbers(bytes).ok_or_else(|| wrong_shape::<T>(bytes, &error))
        }
        Err(error) => Err(ApiError::BodyMalformed { reason: malformed(bytes, &error) }),
    }
}

/// Parses again with `1.0` as `1`: to JSON Schema both are integers, to serde only the second is. Only failures pay.
fn with_whole_numbers<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    if !make_whole(&mut value) {
        return None;
    }
    serde_json::from_value(value).ok()
}

/// Turns floats without a fraction into integers; whether there was one.
fn make_whole(value: &mut Value) -> bool {
    /// Beyond this a float no longer holds every integer.
    const EXACT: f64 = (1_u64 << 53) as f64;
    match value {
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            #[allow(clippy::cast_possible_truncation, reason = "it has no fraction and fits into 53 bits")]
            Some(float) if float.fract() == 0.0 && float.abs() <= EXACT => {
                *number = (float as i64).into();
                true
            }
            _ => false,
        },
        Value::Array(items) => items.iter_mut().fold(false, |any, item| make_whole(item) | any),
        Value::Object(fields) => fields.values_mut().fold(false, |any, field| make_whole(field) | any),
        _ => false,
    }
}

fn malformed(bytes: &[u8], error: &serde_json::Error) -> String {
    if bytes.is_empty() {
        return "it is empty".to_owned();
    }
    match std::str::from_utf8(bytes) {
        Err(utf8) => format!("it is not UTF-8 at byte {}", utf8.valid_up_to()),
        Ok(_) => error.to_string(),
    }
}

/// A value of the wrong type, named by its path. Parsing again is what that name costs; only failures pay it.
fn wrong_shape<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let found = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err();
    let (field, message) = match found {
        Some(found) if found.path().iter().next().is_some() => {
            (found.path().to_string(), found.into_inner().to_string())
        }
        _ => (String::new(), error.to_string()),
    };
    ApiError::RequestInvalid { errors: vec![FieldError { field, message }] }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
            }
            Err(error) => ApiError::Internal { reason: format!("the response cannot be written: {error}") }
                .into_response(),
        }
    }
}

impl<T: Serialize + ToSchema> RouteOutput for Json<T> {
    type Body = T;
    const BODY: BodyKind = BodyKind::Json;

    fn describe(operation: &mut OperationBuilder, status: StatusCode) {
        operation.json_response::<T>(status);
    }

    fn parse(response: &CaseResponse) -> Result<T, String>
    where
        T: DeserializeOwned,
    {
        serde_json::from_slice(&response.body)
            .map_err(|error| format!("the body is not the response type: {error}"))
    }
}
