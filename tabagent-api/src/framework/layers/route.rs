//! What stands in front of each route alone: its API key, its body limit, its deadline.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};

use crate::framework::ApiError;
use crate::framework::component::AppState;
use crate::framework::config::Secret;
use crate::framework::record::{Auth, RouteMetadata};

/// A body limit of the route's own, for the extractors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit(pub(crate) usize);

/// What the edge and the layers behind it tell each other of a request.
///
/// The edge puts it into the request before the route is known, and reads the route from it even when no response comes
/// back.
#[derive(Debug, Clone)]
pub(crate) struct Exchange(Arc<(Arc<str>, OnceLock<&'static RouteMetadata>)>);

impl Exchange {
    /// Of a request with this id, and no route yet.
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self(Arc::new((id, OnceLock::new())))
    }

    /// The id of the request.
    pub(crate) fn id(&self) -> &Arc<str> {
        &self.0.0
    }

    /// The route that answers, once it is known.
    pub(crate) fn route(&self) -> Option<&'static RouteMetadata> {
        self.0.1.get().copied()
    }

    fn matched(&self, route: &'static RouteMetadata) {
        self.0.1.get_or_init(|| route);
    }
}

/// The state and the route, for [`guard`].
pub(crate) type Guarded = (AppState, &'static RouteMetadata);

/// Guards one route.
pub(crate) async fn guard(
    State((state, route)): State<Guarded>,
    mut request: Request,
    next: Next,
) -> Response {
    let key = state.config().api_key.as_ref().filter(|_| route.auth != Auth::Public);
    if let Some(exchange) = request.extensions().get::<Exchange>() {
        exchange.matched(route);
    }
    match authorize(key, request.headers()) {
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
    }
}

/// Checks `authorization: Bearer <key>` against the server's key; without one anybody may pass.
///
/// # Errors
/// [`ApiError::Unauthorized`] with what is wrong: nothing was sent, not a bearer token, or not the key.
pub(crate) fn authorize(key: Option<&Secret>, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(key) = key else { return Ok(()) };
    let given = headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let Some(given) = given else { return Err(ApiError::Unauthorized { reason: "no API key was sent" }) };
    let bearer = given.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    match bearer {
        Some((_, token)) if key.matches(token) => Ok(()),
        Some(_) => Err(ApiError::Unauthorized { reason: "the API key is not the server's" }),
        None => Err(ApiError::Unauthorized { reason: "the authorization is not of the form `Bearer <key>`" }),
    }
}
