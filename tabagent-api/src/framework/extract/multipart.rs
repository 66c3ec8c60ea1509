//! `JsonOrForm<T>`: a JSON body, or a form (`multipart/form-data`) with the same fields and a file.
//!
//! The fields of a form are put together as a JSON object, which is then read and checked as every JSON body is. So both
//! ways have the same rules, and errors name the same fields.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::stream;
use garde::Validate;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::RouteInput;
use super::json::{checked_apart, read_body, refuse_encodings, require_json};
use crate::framework::ApiError;
use crate::framework::component::AppState;
use crate::framework::layers::route::BodyLimit;
use crate::framework::openapi::{OperationBuilder, schema_value};
use crate::framework::problem::FieldError;

/// Most parts of a form.
const MOST_PARTS: usize = 128;

/// A JSON body, or a form with the same fields and a file.
///
/// It is read within the route's limits and checked against the rules of `T`, in either way. In a form a field that is no
/// text in the schema is JSON, as OpenAPI has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonOrForm<T>(pub T);

/// A request that may come as a form with a file.
pub trait FormRequest {
    /// Name of the part that is the file.
    const FILE: &'static str;

    /// Takes the file.
    fn attach(&mut self, file: FormFile);
}

/// The file of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormFile {
    /// Its name, where the client says one.
    pub name: Option<String>,
    /// Its media type, where the client says one.
    pub media_type: Option<String>,
    /// Its content.
    pub content: Bytes,
}

impl<T> FromRequest<AppState> for JsonOrForm<T>
where
    T: DeserializeOwned + Validate<Context = ()> + ToSchema + FormRequest + Send + 'static,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        let boundary = boundary(request.headers())?;
        if boundary.is_none() {
            require_json(request.headers())?;
        }
        refuse_encodings(request.headers())?;
        let limit =
            request.extensions().get::<BodyLimit>().map_or(state.config().body_limit, |limit| limit.0);
        let patience: Duration = state.config().body_timeout;
        let bytes = read_body(request.into_body(), limit, patience).await?;
        let Some(boundary) = boundary else { return checked_apart(bytes).await.map(Self) };
        let (fields, file) = parts(bytes, &boundary, T::FILE, &schema_value(T::schema())).await?;
        let fields = serde_json::to_vec(&fields)
            .map_err(|error| ApiError::Internal { reason: format!("a form cannot be written: {error}") })?;
        let mut value: T = checked_apart(fields.into()).await?;
        if let Some(file) = file {
            value.attach(file);
        }
        Ok(Self(value))
    }
}

impl<T: ToSchema + FormRequest> RouteInput for JsonOrForm<T> {
    fn describe(operation: &mut OperationBuilder) {
        operation.json_body::<T>();
        let schema = schema_value(T::schema());
        let mut fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let file = json!({
            "type": "string", "contentMediaType": "application/octet-stream", "description": "The file.",
        });
        fields.insert(T::FILE.to_owned(), file);
        let form = json!({ "type": "object", "properties": fields, "additionalProperties": false });
        operation.body("multipart/form-data", form);
    }
}

/// The boundary of a form; `None` where the body is none.
fn boundary(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    multer::parse_boundary(&*text).map(Some).map_err(|_| ApiError::BodyMalformed {
        reason: "its content type, `multipart/form-data`, names no boundary".to_owned(),
    })
}

/// The fields of a form as a JSON object, and its file.
async fn parts(
    bytes: Bytes,
    boundary: &str,
    file_name: &str,
    schema: &Value,
) -> Result<(Map<String, Value>, Option<FormFile>), ApiError> {
    let malformed = |error: multer::Error| ApiError::BodyMalformed { reason: error.to_string() };
    let whole = stream::once(std::future::ready(Ok::<_, Infallible>(bytes)));
    let mut form = multer::Multipart::new(whole, boundary);
    let (mut fields, mut file) = (Map::new(), None);
    let mut count = 0;
    while let Some(part) = form.next_field().await.map_err(malformed)? {
        count += 1;
        let Some(name) = part.name().map(str::to_owned).filter(|_| count <= MOST_PARTS) else {
            let reason = format!("a part has no name, or there are more than {MOST_PARTS}");
            return Err(ApiError::BodyMalformed { reason });
        };
        if fields.contains_key(&name) || (file.is_some() && name == file_name) {
            let errors = vec![FieldError::new(name, "stands in the form more than once")];
            return Err(ApiError::RequestInvalid { errors });
        }
        if name == file_name {
            file = Some(FormFile {
                name: part.file_name().filter(|name| !name.is_empty()).map(str::to_owned),
                media_type: part.content_type().map(ToString::to_string),
                content: part.bytes().await.map_err(malformed)?,
            });
            continue;
        }
        let content = part.bytes().await.map_err(malformed)?;
        let text = std::str::from_utf8(&content).map_err(|error| {
            let reason = format!("is not UTF-8 at byte {}", error.valid_up_to());
            ApiError::RequestInvalid { errors: vec![FieldError::new(name.clone(), reason)] }
        })?;
        let value = if is_text(schema, &name) {
            Value::String(text.to_owned())
        } else {
            // What is no JSON stays a text: the check against the rules says what it should be.
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        };
        fields.insert(name, value);
    }
    Ok((fields, file))
}

/// Whether a field is a text in the schema. One that the schema does not name may be another name of one.
fn is_text(schema: &Value, name: &str) -> bool {
    let Some(field) = schema.get("properties").and_then(|fields| fields.get(name)) else { return true };
    match field.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &str) -> Result<(Map<String, Value>, Option<FormFile>), ApiError> {
        let schema = json!({ "properties": {
            "title": { "type": ["string", "null"] }, "size": { "type": "integer" }, "more": { "type": ["object", "null"] },
        } });
        let body = body.replace('\n', "\r\n");
        parts(Bytes::from(body), "x", "file", &schema).await
    }

    fn part(head: &str, content: &str) -> String {
        format!("--x\ncontent-disposition: form-data; {head}\n\n{content}\n")
    }

    #[tokio::test]
    async fn fields_are_read_by_their_schema_and_a_file_is_kept_as_it_is() {
        let body = [
            part("name=\"title\"", "12"),
            part("name=\"size\"", "12"),
            part("name=\"more\"", "{\"a\": [1]}"),
            part("name=\"alias\"", "true"),
            part("name=\"file\"; filename=\"a b.txt\"\ncontent-type: text/plain", "1 < 2"),
            "--x--\n".to_owned(),
        ];
        let (fields, file) = read(&body.concat()).await.unwrap();
        assert_eq!(
            Value::Object(fields),
            json!({ "title": "12", "size": 12, "more": { "a": [1] }, "alias": "true" })
        );
        let file = file.unwrap();
        assert_eq!((file.name.as_deref(), file.media_type.as_deref()), (Some("a b.txt"), Some("text/plain")));
        assert_eq!(file.content, "1 < 2");
    }

    #[tokio::test]
    async fn forms_that_cannot_be_are_refused() {
        let twice = [part("name=\"title\"", "a"), part("name=\"title\"", "b"), "--x--\n".to_owned()].concat();
        assert!(matches!(read(&twice).await, Err(ApiError::RequestInvalid { .. })));
        for malformed in
            [part("name=\"title\"", "cut off"), part("filename=\"a\"", "b") + "--x--\n", String::new()]
        {
            assert!(matches!(read(&malformed).await, Err(ApiError::BodyMalformed { .. })), "{malformed}");
        }
    }

    #[test]
    fn a_form_has_a_boundary() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(text));
            boundary(&headers)
        };
        assert_eq!(of("Multipart/Form-Data; boundary=\"a b\"").unwrap().as_deref(), Some("a b"));
        assert_eq!(of("application/json").unwrap(), None);
        assert!(of("multipart/form-data").is_err());
    }
}
