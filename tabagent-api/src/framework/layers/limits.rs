//! Limits on the head of a request. The connection's own limits are wider, so that these answer with a problem.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::framework::ApiError;
use crate::framework::component::AppState;

/// Refuses heads that are over the limits.
pub(super) async fn limits(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match check(&state, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(state: &AppState, request: &Request) -> Result<(), ApiError> {
    let config = state.config();
    let uri = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    if uri > config.uri_bytes {
        return Err(ApiError::UriTooLong { found: uri, limit: config.uri_bytes });
    }
    let headers = request.headers();
    if headers.len() > config.header_count {
        return Err(ApiError::HeadersTooLarge {
            found: headers.len(),
            limit: config.header_count,
            unit: "headers",
        });
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > config.header_bytes {
        return Err(ApiError::HeadersTooLarge { found: bytes, limit: config.header_bytes, unit: "bytes" });
    }
    Ok(())
}
