//! What generated code calls to mount and describe a route.

use std::future::Future;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, on};
use http::StatusCode;
use http::request::Parts;

use super::component::AppState;
use super::extract::RouteInput;
use super::output::RouteOutput;
use super::problem::{Problem, problem_response};
use super::record::Method;

/// Takes an argument that reads the request's head.
///
/// # Errors
/// The response that the extractor answers with instead.
pub async fn extract_parts<A>(parts: &mut Parts, state: &AppState) -> Result<A, Response>
where
    A: RouteInput + FromRequestParts<AppState>,
{
    A::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)
}

/// Takes the last argument, which may read the body.
///
/// # Errors
/// The response that the extractor answers with instead.
pub async fn extract_last<A, M>(request: Request, state: &AppState) -> Result<A, Response>
where
    A: RouteInput + FromRequest<AppState, M>,
{
    A::from_request(request, state).await.map_err(IntoResponse::into_response)
}

/// Turns a handler's result into its response. An output that chose a status of its own keeps it.
pub fn respond<R: RouteOutput, E: Problem>(result: Result<R, E>, status: u16) -> Response {
    match result {
        Ok(output) => {
            let mut response = output.into_response();
            if let Ok(status) = StatusCode::from_u16(status)
                && (response.status() == StatusCode::OK || response.status() == R::BODY.status())
            {
                *response.status_mut() = status;
            }
            response
        }
        Err(problem) => problem_response(&problem),
    }
}

/// The first line of a doc comment.
pub const fn doc_summary(docs: &str) -> &str {
    docs.split_at(first_line(docs)).0.trim_ascii()
}

/// What follows the first line of a doc comment.
pub const fn doc_description(docs: &str) -> &str {
    docs.split_at(first_line(docs)).1.trim_ascii()
}

/// A doc comment without the space around it.
pub const fn doc_trimmed(docs: &str) -> &str {
    docs.trim_ascii()
}

const fn first_line(docs: &str) -> usize {
    let bytes = docs.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'\n' {
        at += 1;
    }
    at
}

/// The axum handler of a route.
pub fn handler<F, Fut>(method: Method, call: F) -> MethodRouter<AppState>
where
    F: Fn(State<AppState>, Request) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    on(method.filter(), call)
}
