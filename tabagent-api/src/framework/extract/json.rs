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
use serde_json::de::SliceRead;
use serde_path_to_error::Track;
use utoipa::ToSchema;

use super::strict::Strict;
use super::{RouteInput, accepted, misfit, shape, validated};
use crate::framework::component::AppState;
use crate::framework::layers::route::BodyLimit;
use crate::framework::openapi::OperationBuilder;
use crate::framework::{ApiError, BodyKind, CaseResponse, RouteOutput};

/// Bodies up to this length are parsed on the worker that read them.
const INLINE_BYTES: usize = 64 << 10;

/// How serde begins when none of an untagged enum's variants can be read.
const UNTAGGED: &str = "data did not match any variant of untagged enum ";

/// A JSON body.
///
/// As an argument it is read within the route's limits, parsed and checked against the rules of `T`; a handler sees a
/// valid `T` or is not called. As a response it is serialised.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T> FromRequest<AppState> for Json<T>
where
    T: DeserializeOwned + Validate<Context = ()> + ToSchema + Send + 'static,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        require_json(request.headers())?;
        refuse_encodings(request.headers())?;
        let limit =
            request.extensions().get::<BodyLimit>().map_or(state.config().body_limit, |limit| limit.0);
        let bytes = read_body(request.into_body(), limit, state.config().body_timeout).await?;
        checked_apart(bytes).await.map(Self)
    }
}

impl<T: ToSchema> RouteInput for Json<T> {
    fn describe(operation: &mut OperationBuilder) {
        operation.json_body::<T>();
    }
}

pub(super) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(ApiError::ContentTypeUnsupported { found: "absent".to_owned() });
    };
    let text = value.to_str().unwrap_or("not ASCII");
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    // JSON is UTF-8 (RFC 8259, section 8.1), of which ASCII is a part.
    let is_utf8 = parts
        .filter_map(|part| part.strip_prefix("charset=").map(|name| name.trim_matches('"').to_owned()))
        .all(|name| ["utf-8", "utf8", "us-ascii"].contains(&&*name));
    if is_json && is_utf8 {
        Ok(())
    } else {
        Err(ApiError::ContentTypeUnsupported { found: format!("`{text}`") })
    }
}

/// A compressed body would be called malformed, which says nothing about what to change.
pub(super) fn refuse_encodings(headers: &HeaderMap) -> Result<(), ApiError> {
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        if !text.split(',').all(|coding| coding.trim().eq_ignore_ascii_case("identity")) {
            return Err(ApiError::ContentEncodingUnsupported { found: text.into_owned() });
        }
    }
    Ok(())
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

/// [`checked`], for a long body on a thread of its own: other requests do not wait on this worker until it is read.
pub(super) async fn checked_apart<T>(bytes: Bytes) -> Result<T, ApiError>
where
    T: DeserializeOwned + Validate<Context = ()> + ToSchema + Send + 'static,
{
    if bytes.len() <= INLINE_BYTES {
        return checked(&bytes);
    }
    tokio::task::spawn_blocking(move || checked(&bytes)).await.unwrap_or_else(|error| {
        Err(ApiError::Internal { reason: format!("reading the body failed: {error}") })
    })
}

/// Parses JSON and checks it against the rules of its type, and against its schema where serde may misread it.
fn checked<T>(bytes: &[u8]) -> Result<T, ApiError>
where
    T: DeserializeOwned + Validate<Context = ()> + ToSchema + 'static,
{
    let value = parse(bytes).and_then(validated)?;
    accepted(value, shape::misread::<T>(bytes).into_iter().collect())
}

/// Parses JSON; an error names the field and says where the text goes wrong.
pub(super) fn parse<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, ApiError> {
    let error = match read(bytes, |json| T::deserialize(Strict::new(json, false))) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    // serde calls some values of the wrong type a mistake of syntax: what is JSON to `Value` breaks the schema.
    if !error.is_data()
        && let Err(error) = serde_json::from_slice::<Value>(bytes)
    {
        return Err(ApiError::BodyMalformed { reason: malformed(bytes, &error) });
    }
    read_again(bytes)
}

fn read<'de, T, E: From<serde_json::Error>>(
    bytes: &'de [u8],
    by: impl FnOnce(&mut serde_json::Deserializer<SliceRead<'de>>) -> Result<T, E>,
) -> Result<T, E> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = by(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Reads a body that failed a second time: with `1.0` as `1` wherever an integer may be, and with the path of what is
/// wrong. Only failures pay for either.
fn read_again<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut track = Track::new();
    let again = read(bytes, |json| {
        T::deserialize(serde_path_to_error::Deserializer::new(Strict::new(json, true), &mut track))
    });
    again.map_err(|error: serde_json::Error| {
        let message = error.to_string();
        // serde tells neither which forms there are nor which one is meant; the schema does.
        let error = if message.starts_with(UNTAGGED) {
            // What a schema does not see is a field that stands twice.
            let other = "has none of the forms that its schema allows, or a field of it twice";
            shape::unread::<T>(bytes).unwrap_or_else(|| misfit(&track.path(), other))
        } else {
            misfit(&track.path(), &message)
        };
        ApiError::RequestInvalid { errors: vec![error] }
    })
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
