//! What stands in front of each route alone: its API key, its body limit, its deadline.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};

use crate::framework::ApiError;
use crate::framework::component::AppState;
use crate::framework::record::{Auth, RouteMetadata};

/// A body limit of the route's own, for the extractors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit(pub(crate) usize);

/// The route that answered, for the log and the metrics of the edge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatchedRoute(pub(crate) &'static RouteMetadata);

/// The state and the route, for [`guard`].
pub(crate) type Guarded = (AppState, &'static RouteMetadata);

/// Guards one route.
pub(crate) async fn guard(
    State((state, route)): State<Guarded>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match authorize(&state, route, request.headers()) {
        Err(error) => error.into_response(),
        Ok(()) => {
            if let Some(bytes) = route.limits.body_bytes {
                request.extensions_mut().insert(BodyLimit(bytes));
            }
            let deadline = route.limits.timeout_ms.map_or(state.config().timeout, Duration::from_millis);
            match tokio::time::timeout(deadline, next.run(request)).await {
                Ok(response) => response,
                Err(_) => ApiError::DeadlinePassed { seconds: deadline.as_secs() }.into_response(),
            }
        }
    };
    response.extensions_mut().insert(MatchedRoute(route));
    response
}

fn authorize(state: &AppState, route: &RouteMetadata, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(key) = &state.config().api_key else { return Ok(()) };
    if route.auth == Auth::Public {
        return Ok(());
    }
    let given = headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let Some(given) = given else { return Err(ApiError::Unauthorized { reason: "no API key was sent" }) };
    let bearer = given.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    match bearer {
        Some((_, token)) if key.matches(token) => Ok(()),
        Some(_) => Err(ApiError::Unauthorized { reason: "the API key is not the server's" }),
        None => Err(ApiError::Unauthorized { reason: "the authorization is not of the form `Bearer <key>`" }),
    }
}
