//! Middleware: every layer, in one place and one order.
//!
//! A request passes them from the top down, its response from the bottom up:
//!
//! 1. [`edge`]: request id, span, access log, metrics; writes the body of every problem
//! 2. [`unread`]: reads what is left of the request's body
//! 3. panics become problems
//! 4. [`limits`]: number and size of headers, length of the URI
//! 5. [`hosts`]: Host and Origin allow-lists, the answer to DNS rebinding and drive-by requests
//! 6. CORS: preflight and the headers that let a named page read the response
//! 7. compression
//! 8. the router, and per route [`route`]: API key, body limit, deadline

pub mod edge;
pub mod hosts;
pub mod limits;
pub mod route;
pub mod unread;

use std::any::Any;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{Method, header};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::ApiError;
use super::component::AppState;

/// Responses shorter than this many bytes are not compressed.
const COMPRESSION_FLOOR: u64 = 1024;

/// Puts all layers around the router.
pub(crate) fn apply(router: Router, state: &AppState) -> Router {
    let config = state.config();
    let router = if config.compression {
        let worthwhile = DefaultPredicate::new().and(SizeAbove::new(COMPRESSION_FLOOR));
        router.layer(CompressionLayer::new().compress_when(worthwhile))
    } else {
        router
    };
    let layers = ServiceBuilder::new()
        .layer(from_fn(edge::edge))
        .layer(from_fn(unread::unread))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), limits::limits))
        .layer(from_fn_with_state(state.clone(), hosts::hosts))
        .layer(from_fn(options))
        .layer(cors(state.clone()));
    router.layer(layers)
}

/// CORS answers every OPTIONS request with 200, as it should for a preflight and where there is something to allow: on a
/// path that does not exist, other than the `*` of the whole server, a plain one gets what any request gets there.
async fn options(request: Request, next: Next) -> Response {
    let is_unknown = *request.method() == Method::OPTIONS
        && !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && request.extensions().get::<MatchedPath>().is_none()
        && request.uri().path() != "*";
    if is_unknown {
        return ApiError::RouteNotFound { path: request.uri().path().to_owned() }.into_response();
    }
    next.run(request).await
}

/// The origin was allowed by [`hosts`] before it comes here; a request without a right origin is not seen.
fn cors(state: AppState) -> CorsLayer {
    let origin = AllowOrigin::predicate(move |origin, parts| {
        hosts::origin_allowed(state.config(), origin, parts.headers.get(header::HOST))
    });
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .allow_private_network(true)
        .expose_headers([
            header::HeaderName::from_static("x-request-id"),
            header::HeaderName::from_static("x-should-retry"),
            header::RETRY_AFTER,
        ])
        .max_age(std::time::Duration::from_secs(600))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    tracing::error!(message, "a handler panicked");
    // The message may hold what a client must not see; the log has it, under the request id.
    ApiError::Internal { reason: "a handler panicked".to_owned() }.into_response()
}
