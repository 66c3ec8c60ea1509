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

/// Turns a handler's result into its response.
pub fn respond<R: RouteOutput, E: Problem>(result: Result<R, E>, status: u16) -> Response {
    match result {
        Ok(output) => {
            let mut response = output.into_response();
            if let Ok(status) = StatusCode::from_u16(status)
                && response.status() == StatusCode::OK
            {
                *response.status_mut() = status;
            }
            response
        }
        Err(problem) => problem_response(&problem),
    }
}

/// The axum handler of a route.
pub fn handler<F, Fut>(method: Method, call: F) -> MethodRouter<AppState>
where
    F: Fn(State<AppState>, Request) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    on(method.filter(), call)
}
