//! What `overhead` counts: one app with the same handlers twice, as routes and by hand, and a number of requests.
//!
//! `requests SHAPE WHO COUNT [log]`: SHAPE is `body` or `path`, WHO is `route` or `hand`. With `log` every request is
//! also written as a line of log, to nowhere. The handlers by hand stand behind the same layers and have the same
//! extractors, validation and deadline; only what `#[route]` generates is missing.

// `app!` names crates, and this one is named from inside.
extern crate self as requests;

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, io};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tabagent_api::{
    ApiError, AppState, Component, Json, NoContent, Pages, Path, Problem, Query, Schema, app, route,
};
use tower::Service;

/// How often a handler ran.
#[derive(Default)]
struct Counter(AtomicU64);

/// The app's state, once a handler has seen it.
#[derive(Default, Clone)]
struct Seen(Arc<Mutex<Option<AppState>>>);

/// The body of a request that keeps a note.
const NOTE: &str = r#"{"title": "shopping", "text": "bread, apples and a newspaper", "weight": 3}"#;

/// A note to keep.
#[derive(Debug, Deserialize, Serialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Its title.
    #[rule(length(min = 1, max = 64))]
    pub title: String,
    /// What it says.
    #[rule(length(min = 1, max = 4096))]
    pub text: String,
    /// How much it matters.
    #[rule(range(min = 0, max = 9))]
    pub weight: u32,
}

/// A note that was kept.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Kept {
    /// Its number.
    pub number: u64,
    /// Characters of its text.
    pub length: u64,
}

/// Which part of the notes.
#[derive(Debug, Deserialize, Schema)]
pub struct Page {
    /// Notes that come before it.
    #[rule(range(min = 0, max = 1_000_000))]
    pub offset: u32,
    /// Notes on it.
    #[rule(range(min = 1, max = 100))]
    pub limit: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error, Problem)]
pub enum NoteError {
    /// The number is not that of a note.
    #[error("there is no note {number}")]
    #[problem(status = 404, title = "Note not found", hint = "keep it first")]
    NotFound {
        /// The number.
        number: u64,
    },
}

fn keep(counter: &Counter, note: &Note) -> Result<Kept, NoteError> {
    let number = counter.0.fetch_add(1, Ordering::Relaxed);
    if note.weight == 7 {
        return Err(NoteError::NotFound { number });
    }
    Ok(Kept { number, length: note.text.chars().count() as u64 })
}

fn find(counter: &Counter, number: u64, page: &Page) -> Result<Kept, NoteError> {
    counter.0.fetch_add(1, Ordering::Relaxed);
    if number > 1000 {
        return Err(NoteError::NotFound { number });
    }
    Ok(Kept { number, length: u64::from(page.offset) + u64::from(page.limit) })
}

/// Keep a note.
#[route(
    POST, "/route/notes",
    tests = [
        case("a note", json = { "title": "a", "text": "b", "weight": 1 }, status = 200, check = |kept: &Kept| kept.length == 1),
        case("lost", json = { "title": "a", "text": "b", "weight": 7 }, problem = NoteError::NotFound),
        case("no title", json = { "title": "", "text": "b", "weight": 1 }, problem = ApiError::RequestInvalid),
    ],
)]
async fn keep_route(counter: Component<Counter>, Json(note): Json<Note>) -> Result<Json<Kept>, NoteError> {
    keep(&counter, &note).map(Json)
}

/// Read a note.
#[route(
    GET, "/route/notes/{number}",
    tests = [
        case("a note", path = { number: 7 }, query = { offset: 0, limit: 10 }, status = 200, check = |kept: &Kept| kept.number == 7),
        case("lost", path = { number: 1001 }, query = { offset: 0, limit: 10 }, problem = NoteError::NotFound),
    ],
)]
async fn read_route(
    counter: Component<Counter>,
    Path(number): Path<u64>,
    Query(page): Query<Page>,
) -> Result<Json<Kept>, NoteError> {
    find(&counter, number, &page).map(Json)
}

/// Show the app's state to the handlers by hand, which need it before they are mounted.
#[route(POST, "/route/state", status = 204, tests = [case("shown", status = 204)])]
async fn show(seen: Component<Seen>, state: AppState) -> Result<NoContent, std::convert::Infallible> {
    *seen.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    Ok(NoContent)
}

/// The error of the handlers by hand.
struct ByHand(NoteError);

impl IntoResponse for ByHand {
    fn into_response(self) -> Response {
        (StatusCode::NOT_FOUND, self.0.to_string()).into_response()
    }
}

async fn keep_by_hand(counter: Component<Counter>, Json(note): Json<Note>) -> Result<Json<Kept>, ByHand> {
    keep(&counter, &note).map(Json).map_err(ByHand)
}

async fn read_by_hand(
    counter: Component<Counter>,
    Path(number): Path<u64>,
    Query(page): Query<Page>,
) -> Result<Json<Kept>, ByHand> {
    find(&counter, number, &page).map(Json).map_err(ByHand)
}

/// Key and deadline, which every route has. The span is the layers', for both.
async fn guard_by_hand(
    State(state): State<AppState>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    if let Some(key) = &state.config().api_key {
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if !given.is_some_and(|token| key.matches(token)) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
    }
    match tokio::time::timeout(state.config().timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

fn by_hand(state: &AppState) -> Pages {
    let guard = || from_fn_with_state(state.clone(), guard_by_hand);
    Pages::new()
        .route("/xhand/notes", post(keep_by_hand).route_layer(guard()).with_state(state.clone()))
        .route("/xhand/notes/{number}", get(read_by_hand).route_layer(guard()).with_state(state.clone()))
}

fn request(method: &str, path: &str, body: &'static str) -> Result<Request<Body>, http::Error> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "requests")
        .body(Body::from(body))
}

async fn send(router: &mut Router, request: Request<Body>) -> Result<(), Box<dyn Error>> {
    let response = router.call(request).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("{status}: {}", String::from_utf8_lossy(&bytes)).into())
    }
}

async fn run(shape: &str, who: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let seen = Seen::default();
    let app = || app! { crates: [requests] }.provide(Counter::default()).provide(seen.clone());
    let mut first = app().mount()?.router;
    send(&mut first, request("POST", "/route/state", "")?).await?;
    let state =
        seen.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or("no handler saw the state")?;
    let mut router = app().pages(by_hand(&state)).mount()?.router;
    let (method, path, body) = match (shape, who) {
        ("body", "route") => ("POST", "/route/notes", NOTE),
        ("body", "hand") => ("POST", "/xhand/notes", NOTE),
        ("path", "route") => ("GET", "/route/notes/17?offset=20&limit=10", ""),
        ("path", "hand") => ("GET", "/xhand/notes/17?offset=20&limit=10", ""),
        _ => return Err("SHAPE is body or path, WHO is route or hand".into()),
    };
    for _ in 0..count {
        send(&mut router, request(method, path, body)?).await?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [shape, who, count, log @ ..] = arguments.as_slice() else {
        return Err("usage: requests body|path route|hand COUNT [log]".into());
    };
    if !log.is_empty() {
        tracing_subscriber::fmt().with_writer(io::sink).init();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(run(shape, who, count.parse()?))
}
