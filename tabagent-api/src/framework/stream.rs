//! Server-sent events: a typed stream, alone or beside JSON on the same operation.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use http::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::case::CaseResponse;
use super::openapi::OperationBuilder;
use super::problem::{Problem, ProblemReport};
use super::{BodyKind, Json, RouteOutput};

/// How often a silent stream says that it is alive, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// One event: a name, if the protocol has names, and data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent<T> {
    /// The `event:` line.
    pub name: Option<&'static str>,
    /// The `data:` line, as JSON.
    pub data: T,
}

impl<T> From<T> for StreamEvent<T> {
    fn from(data: T) -> Self {
        Self { name: None, data }
    }
}

/// Server-sent events with a `T` as JSON in each `data:` line.
///
/// A problem in the middle ends the stream with one `data: {"error": ...}` line, which is what OpenAI's clients raise.
/// A client that leaves drops the stream, and with it the work.
pub struct EventStream<T> {
    /// Events, and the failure after which nothing more is sent.
    events: Pin<Box<dyn Stream<Item = Result<Event, Event>> + Send>>,
    data: std::marker::PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}

impl<T: Serialize + 'static> EventStream<T> {
    /// A stream of events; the first problem ends it.
    pub fn new<I, P>(events: impl Stream<Item = Result<I, P>> + Send + 'static) -> Self
    where
        I: Into<StreamEvent<T>>,
        P: Problem,
    {
        let events = events.map(|item| match item {
            Ok(item) => data_event(item.into()),
            Err(problem) => Err(error_event(&ProblemReport::of(&problem))),
        });
        Self { events: Box::pin(events), data: std::marker::PhantomData }
    }

    /// The same, ended by the line `data: [DONE]`, as OpenAI's chat and completions end.
    #[must_use]
    pub fn with_done(self) -> Self {
        let done = stream::once(std::future::ready(Ok(Event::default().data("[DONE]"))));
        Self { events: Box::pin(self.events.chain(done)), data: self.data }
    }
}

fn data_event<T: Serialize>(event: StreamEvent<T>) -> Result<Event, Event> {
    let named = event.name.map_or_else(Event::default, |name| Event::default().event(name));
    named.json_data(&event.data).map_err(|error| {
        let problem = super::ApiError::Internal { reason: format!("an event cannot be written: {error}") };
        error_event(&ProblemReport::of(&problem))
    })
}

fn error_event(report: &ProblemReport) -> Event {
    let error = report.body("").error;
    Event::default().data(serde_json::json!({ "error": error }).to_string())
}

impl<T> IntoResponse for EventStream<T> {
    fn into_response(self) -> Response {
        let events = self.events.scan(false, |failed, event| {
            let sent = (!*failed).then(|| {
                Ok::<_, Infallible>(event.unwrap_or_else(|failure| {
                    *failed = true;
                    failure
                }))
            });
            std::future::ready(sent)
        });
        let mut response =
            Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("ping")).into_response();
        response.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
        response
    }
}

impl<T: Serialize + ToSchema> RouteOutput for EventStream<T> {
    type Body = Vec<T>;
    const BODY: BodyKind = BodyKind::Stream;

    fn describe(operation: &mut OperationBuilder, status: StatusCode) {
        operation.stream_response::<T>(status);
    }

    fn parse(response: &CaseResponse) -> Result<Vec<T>, String>
    where
        Vec<T>: DeserializeOwned,
    {
        let text = std::str::from_utf8(&response.body)
            .map_err(|error| format!("the stream is not UTF-8: {error}"))?;
        let lines: Vec<serde_json::Value> = data_lines(text)
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).map_err(|error| format!("`{data}` is not JSON: {error}")))
            .collect::<Result<_, _>>()?;
        serde_json::from_value(serde_json::Value::Array(lines))
            .map_err(|error| format!("the events are not of the declared type: {error}"))
    }
}

/// The contents of the `data:` lines of a stream whose events have one line each.
pub(crate) fn data_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| data.strip_prefix(' ').unwrap_or(data))
}

/// JSON, or server-sent events when the request asks for them.
#[derive(Debug)]
pub enum JsonOrStream<T, E> {
    /// The whole answer at once.
    Json(T),
    /// The answer as it comes.
    Stream(EventStream<E>),
}

impl<T: Serialize, E> IntoResponse for JsonOrStream<T, E> {
    fn into_response(self) -> Response {
        match self {
            Self::Json(value) => Json(value).into_response(),
            Self::Stream(stream) => stream.into_response(),
        }
    }
}

/// What a case's check sees of a [`JsonOrStream`].
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum JsonOrEvents<T, E> {
    /// The JSON body.
    Json(T),
    /// The events.
    Events(Vec<E>),
}

impl<T: Serialize + ToSchema, E: Serialize + ToSchema> RouteOutput for JsonOrStream<T, E> {
    type Body = JsonOrEvents<T, E>;
    const BODY: BodyKind = BodyKind::JsonOrStream;

    fn describe(operation: &mut OperationBuilder, status: StatusCode) {
        operation.json_response::<T>(status);
        operation.stream_response::<E>(status);
    }

    fn parse(response: &CaseResponse) -> Result<Self::Body, String>
    where
        Self::Body: DeserializeOwned,
    {
        let stream = response
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        if stream {
            let text = std::str::from_utf8(&response.body)
                .map_err(|error| format!("the stream is not UTF-8: {error}"))?;
            let lines: Vec<&str> = data_lines(text).filter(|data| *data != "[DONE]").collect();
            let array = format!("[{}]", lines.join(","));
            serde_json::from_str(&array)
                .map_err(|error| format!("the events are not of the declared type: {error}"))
        } else {
            serde_json::from_slice(&response.body)
                .map_err(|error| format!("the body is not the response type: {error}"))
        }
    }
}
