//! The edge: the first layer that sees a request and the last that sees its response.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use tracing::{Instrument, Span, field};

use crate::framework::ApiError;
use crate::framework::layers::route::Exchange;
use crate::framework::problem::ProblemReport;

/// The header that carries the request id, both ways.
pub const REQUEST_ID: &str = "x-request-id";

/// Longest request id that is taken from a client.
const REQUEST_ID_MAX: usize = 128;

/// Gives the request its id and span, and every failure its body.
pub(super) async fn edge(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let exchange = Exchange::new(request_id(request.headers().get(REQUEST_ID)));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(exchange.clone());
    // Of the highest level, so that every line of the log has its request id, whatever the filter.
    let span = tracing::error_span!(
        "request",
        request_id = &**exchange.id(),
        http.request.method = method.as_str(),
        url.path = path,
        http.route = field::Empty,
        http.response.status_code = field::Empty,
    );
    let record = Record { span, exchange, method, started, status: None };
    let mut response = next.run(request).instrument(record.span.clone()).await;
    finish(&mut response, record.exchange.id(), &record.method, &path);
    record.answered(response.status());
    response
}

/// What proxies log where the connection was closed before its answer, mostly by the client; nobody receives it.
const UNANSWERED: u16 = 499;

/// The line of the log and the sample of the metrics that each request leaves, even one whose client does not wait: then
/// the future of [`edge`] is dropped, and this with it.
struct Record {
    span: Span,
    exchange: Exchange,
    method: Method,
    started: Instant,
    /// None until the response is there.
    status: Option<StatusCode>,
}

impl Record {
    fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let route = self.exchange.route().map_or("none", |route| route.path);
        let code = self.status.map_or(UNANSWERED, |status| status.as_u16());
        self.span.record("http.route", route);
        self.span.record("http.response.status_code", code);
        let labels = [
            ("http_request_method", known(&self.method).to_owned()),
            ("http_route", route.to_owned()),
            ("http_response_status_code", code.to_string()),
        ];
        metrics::histogram!("http_server_request_duration_seconds", &labels).record(seconds);
        let _entered = self.span.enter();
        match self.status {
            None => tracing::info!(seconds, "unanswered: the connection was closed"),
            Some(status) if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE => {
                tracing::error!(seconds, "failed");
            }
            Some(_) => tracing::info!(seconds, "answered"),
        }
    }
}

/// A well-formed id of the client's, else a new one: time-ordered, so that logs sort.
fn request_id(given: Option<&HeaderValue>) -> Arc<str> {
    let well_formed = |text: &&str| {
        (1..=REQUEST_ID_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    match given.and_then(|value| value.to_str().ok()).filter(well_formed) {
        Some(id) => id.into(),
        None => format!("req_{}", uuid::Uuid::now_v7().simple()).into(),
    }
}

/// Writes the problem's body, or gives a failure without one a problem, and the request id.
fn finish(response: &mut Response, id: &str, method: &Method, path: &str) {
    let report =
        response.extensions_mut().remove::<ProblemReport>().or_else(|| bare_failure(response, method, path));
    if let Some(report) = report {
        let body = serde_json::to_vec(&report.body(id)).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        *response.body_mut() = if *method == Method::HEAD { Body::empty() } else { Body::from(body) };
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// A failure that some layer answered without saying it as a problem.
fn bare_failure(response: &Response, method: &Method, path: &str) -> Option<ProblemReport> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let error = match status {
        StatusCode::NOT_FOUND => ApiError::RouteNotFound { path: path.to_owned() },
        StatusCode::METHOD_NOT_ALLOWED => {
            ApiError::MethodNotAllowed { method: method.to_string(), path: path.to_owned() }
        }
        _ => {
            ApiError::Refused { reason: status.canonical_reason().unwrap_or("unknown status").to_lowercase() }
        }
    };
    let mut report = ProblemReport::of(&error);
    report.kind.status = status.as_u16();
    Some(report)
}

/// The method, if it is one that HTTP defines: a label that clients choose would grow without bound.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.as_str(),
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_clients_are_taken_when_well_formed() {
        let take = |text: &'static str| request_id(Some(&HeaderValue::from_static(text)));
        assert_eq!(&*take("abc-123"), "abc-123");
        assert!(take("a b").starts_with("req_"));
        assert!(take("").starts_with("req_"));
        assert_ne!(request_id(None), request_id(None));
    }

    /// The lines of the log, as a subscriber gets them.
    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_request_whose_client_leaves_is_logged() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _subscribed = tracing::subscriber::set_default(subscriber);
        let router = axum::Router::new()
            .route("/slow", axum::routing::get(async || std::future::pending::<()>().await))
            .route("/fast", axum::routing::get(async || ()))
            .layer(axum::middleware::from_fn(edge));
        let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        tower::ServiceExt::oneshot(router.clone(), get("/fast")).await.unwrap();
        let slow = tower::ServiceExt::oneshot(router, get("/slow"));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), slow).await.is_err());
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let of = |path: &str| text.lines().filter(|line| line.contains(path)).collect::<Vec<_>>();
        assert!(
            matches!(of("/fast")[..], [line] if line.contains("answered") && line.contains("200")),
            "{text}"
        );
        assert!(
            matches!(of("/slow")[..], [line] if line.contains("unanswered") && line.contains("499")),
            "{text}"
        );
    }
}
