//! What a route gives: a response type that can describe and parse itself.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::case::CaseResponse;
use super::openapi::OperationBuilder;

/// What the body of a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    None,
    /// JSON of one type.
    Json,
    /// Server-sent events.
    Stream,
    /// JSON, or server-sent events when the request asks for them.
    JsonOrStream,
    /// Anything else.
    Other,
}

impl BodyKind {
    /// Whether it can be server-sent events.
    pub const fn streams(self) -> bool {
        matches!(self, Self::Stream | Self::JsonOrStream)
    }

    /// Status of a success whose route names none: 204 without a body, else 200.
    pub const fn status(self) -> u16 {
        if matches!(self, Self::None) { 204 } else { 200 }
    }
}

/// A response of a route.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the response of a route",
    label = "not a response of this framework",
    note = "return `Json<T>`, `NoContent`, `Text`, `EventStream<T>` or `JsonOrStream<T, E>` of tabagent_api, or implement `RouteOutput`"
)]
pub trait RouteOutput: IntoResponse {
    /// What a case's check sees.
    type Body;
    /// What the body is.
    const BODY: BodyKind;

    /// Adds the response to the operation.
    fn describe(operation: &mut OperationBuilder, status: StatusCode);

    /// Parses a response of this type.
    ///
    /// # Errors
    /// With the reason, when the body is something else.
    fn parse(response: &CaseResponse) -> Result<Self::Body, String>
    where
        Self::Body: DeserializeOwned;
}

/// A response without a body: 204, or the status that the route names.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl RouteOutput for NoContent {
    type Body = ();
    const BODY: BodyKind = BodyKind::None;

    fn describe(operation: &mut OperationBuilder, status: StatusCode) {
        operation.empty_response(status);
    }

    fn parse(response: &CaseResponse) -> Result<(), String> {
        super::case::check_no_body(response)
    }
}

/// Text in UTF-8.
#[derive(Debug, Clone, Default)]
pub struct Text(pub String);

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], self.0).into_response()
    }
}

impl RouteOutput for Text {
    type Body = String;
    const BODY: BodyKind = BodyKind::Other;

    fn describe(operation: &mut OperationBuilder, status: StatusCode) {
        operation.response(status, "text/plain", serde_json::json!({ "type": "string" }));
    }

    fn parse(response: &CaseResponse) -> Result<String, String> {
        String::from_utf8(response.body.clone()).map_err(|error| format!("the body is not UTF-8: {error}"))
    }
}
