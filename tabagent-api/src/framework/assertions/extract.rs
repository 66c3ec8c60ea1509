//! Extraction and response of a route whose types may be wrong: the right methods where they hold, silent ones where a
//! const check has already stopped the compiler.

use std::future::{Future, Ready, ready};
use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use super::Probe;
use crate::framework::component::AppState;
use crate::framework::extract::RouteInput;
use crate::framework::mount::{extract_last, extract_parts, respond};
use crate::framework::output::RouteOutput;
use crate::framework::problem::Problem;

impl<A: RouteInput + FromRequestParts<AppState>> Probe<A> {
    /// Takes an argument that reads the request's head.
    ///
    /// # Errors
    /// The response that the extractor answers with instead.
    pub async fn extract(parts: &mut Parts, state: &AppState) -> Result<A, Response> {
        extract_parts(parts, state).await
    }
}

/// The last argument of a handler, which may read the body.
///
/// `(&&Last::<A>::NEW).extract(..)` finds the first of three traits that holds for `A`, by the compiler's order of
/// dereferencing: [`LastOfHead`], [`LastOfBody`], [`UnlessLast`].
#[derive(Debug)]
pub struct Last<A>(PhantomData<A>);

impl<A> Clone for Last<A> {
    fn clone(&self) -> Self {
        *self
    }
}

// The last of the three takes the probe out of its references.
impl<A> Copy for Last<A> {}

impl<A> Last<A> {
    /// The value to call on.
    pub const NEW: Self = Self(PhantomData);
}

/// A last argument that reads the head of the request.
pub trait LastOfHead<A> {
    /// Takes the argument, or gives the response that the extractor answers with instead.
    fn extract(self, request: Request, state: &AppState) -> impl Future<Output = Result<A, Response>> + Send;
}

impl<A: RouteInput + FromRequestParts<AppState>> LastOfHead<A> for &&Last<A> {
    #[allow(clippy::manual_async_fn, reason = "an async fn would capture the reference to the probe")]
    fn extract(self, request: Request, state: &AppState) -> impl Future<Output = Result<A, Response>> + Send {
        async move { extract_parts(&mut request.into_parts().0, state).await }
    }
}

/// A last argument that reads the body.
pub trait LastOfBody<A> {
    /// Takes the argument, or gives the response that the extractor answers with instead.
    fn extract(self, request: Request, state: &AppState) -> impl Future<Output = Result<A, Response>> + Send;
}

impl<A: RouteInput + FromRequest<AppState>> LastOfBody<A> for &Last<A> {
    fn extract(self, request: Request, state: &AppState) -> impl Future<Output = Result<A, Response>> + Send {
        extract_last(request, state)
    }
}

/// Extraction of a type that cannot be extracted: never called, since a const check has stopped the compiler.
pub trait UnlessLast<A> {
    /// Answers with 500.
    fn extract(self, _: Request, _: &AppState) -> Ready<Result<A, Response>>;
}

impl<A> UnlessLast<A> for Last<A> {
    fn extract(self, _: Request, _: &AppState) -> Ready<Result<A, Response>> {
        ready(Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()))
    }
}

/// Extraction of an argument before the last that cannot be extracted there: never called either.
pub trait UnlessHead {
    /// The argument.
    type Argument;

    /// Answers with 500.
    fn extract(_: &mut Parts, _: &AppState) -> Ready<Result<Self::Argument, Response>> {
        ready(Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()))
    }
}

impl<A> UnlessHead for Probe<A> {
    type Argument = A;
}

impl<R: RouteOutput, E: Problem> Probe<Result<R, E>> {
    /// Turns a handler's result into its response.
    pub fn respond(result: Result<R, E>, status: u16) -> Response {
        respond(result, status)
    }
}

/// The response of a type that is none: never called, since a const check has stopped the compiler.
pub trait UnlessResult {
    /// Answers with 500.
    fn respond<T>(_: T, _: u16) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<T> UnlessResult for Probe<T> {}

/// What a handler returns, seen through aliases of `Result`.
#[diagnostic::on_unimplemented(
    message = "[route::handler-not-result] the handler returns `{Self}`, which is no `Result`",
    label = "return `Result<Json<T>, MyError>`"
)]
pub trait HandlerResult {
    /// The response.
    type Success;
    /// The problem.
    type Failure;
}

impl<R, E> HandlerResult for Result<R, E> {
    type Success = R;
    type Failure = E;
}
