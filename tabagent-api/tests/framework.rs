//! The framework alone: routes of this file, mounted and asked through the real router.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test target, all of it"
)]

// The app names its crates, and this file is one.
extern crate self as framework;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::{Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tabagent_api::framework::config::Secret;
use tabagent_api::{
    ApiConfig, ApiError, EventStream, Json, JsonOrStream, MountedApp, NoContent, Path, Problem, Query,
    Schema, app, route,
};
use tower::ServiceExt;

/// A request for a countdown.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct CountRequest {
    /// Where it begins.
    #[rule(range(max = 100))]
    pub from: u32,
    /// Whether it comes as events.
    #[serde(default)]
    pub stream: bool,
    /// Where it fails.
    pub fail_at: Option<u32>,
}

/// A countdown.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Countdown {
    /// Its numbers.
    pub numbers: Vec<u32>,
}

/// A number of a countdown.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Tick {
    /// The number.
    pub number: u32,
}

/// Why a countdown ends early.
#[derive(Debug, thiserror::Error, Problem)]
pub enum CountError {
    /// The number at which it should fail was reached.
    #[error("the countdown failed at {at}")]
    #[problem(status = 409, title = "Countdown failed", hint = "ask for none that fails")]
    Failed {
        /// Where.
        at: u32,
    },
}

/// Count down.
///
/// As a list, or as events.
#[route(
    POST, "/v1/count",
    alias = ["/count", deprecated("/old/count")],
    stream,
    body_limit = 1024,
    tests = [
        case("list", json = { "from": 2 }, status = 200, check = |_: &_| true),
        case("fails", json = { "from": 2, "fail_at": 1 }, problem = CountError::Failed),
    ],
)]
pub async fn count(Json(request): Json<CountRequest>) -> Result<JsonOrStream<Countdown, Tick>, CountError> {
    let numbers: Vec<u32> = (0..=request.from).rev().collect();
    if request.stream {
        let ticks = numbers.into_iter().map(move |number| match request.fail_at {
            Some(at) if at == number => Err(CountError::Failed { at }),
            _ => Ok(Tick { number }),
        });
        return Ok(JsonOrStream::Stream(EventStream::new(stream::iter(ticks)).with_done()));
    }
    match request.fail_at {
        Some(at) => Err(CountError::Failed { at }),
        None => Ok(JsonOrStream::Json(Countdown { numbers })),
    }
}

/// Answer too late.
#[route(GET, "/v1/late", timeout = "20ms", tests = [
    case("late", problem = ApiError::DeadlinePassed),
    case("never", status = 204),
])]
pub async fn late() -> Result<NoContent, Infallible> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(NoContent)
}

/// Panic, as handlers may by an index that is out of bounds.
#[route(GET, "/v1/panic", auth = public, tests = [case("a panic", problem = ApiError::Internal), case("none", status = 204)])]
pub async fn panics() -> Result<NoContent, Infallible> {
    let empty: Vec<u32> = Vec::new();
    let index = empty.len();
    let _ = empty[index];
    Ok(NoContent)
}

/// Which item.
#[derive(Debug, Deserialize, Schema)]
pub struct ItemPath {
    /// Id of the shelf.
    #[rule(range(min = 1, max = 9))]
    pub shelf: u32,
    /// Name of the item, with slashes.
    #[rule(length(min = 1, max = 20))]
    pub item: String,
}

/// How to show it.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ItemQuery {
    /// How many.
    #[rule(range(min = 1, max = 5))]
    pub count: Option<u32>,
}

/// An item.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Item {
    /// All of it.
    pub text: String,
}

/// Show an item.
#[route(GET, "/v1/shelves/{shelf}/{*item}", tests = [
    case("shown", path = { shelf: 1, item: "a/b" }, query = { count: 2 }, status = 200, check = |item: &Item| item.text == "1 a/b 2"),
    case("no such shelf", path = { shelf: 10, item: "a" }, problem = ApiError::RequestInvalid),
])]
pub async fn show_item(
    Path(path): Path<ItemPath>,
    Query(query): Query<ItemQuery>,
) -> Result<Json<Item>, Infallible> {
    Ok(Json(Item { text: format!("{} {} {}", path.shelf, path.item, query.count.unwrap_or(1)) }))
}

fn mounted(config: ApiConfig) -> MountedApp {
    app! { crates: [framework] }.configure(config).mount().expect("the routes of this file live together")
}

async fn send(app: &MountedApp, request: Request<Body>) -> (StatusCode, http::HeaderMap, String) {
    let response = app.router.clone().oneshot(request).await.expect("a router does not fail");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

fn post(path: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request")
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "localhost").body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn one_operation_answers_json_or_events() {
    let app = mounted(ApiConfig::default());
    let (status, headers, body) = send(&app, post("/v1/count", &json!({ "from": 2 }))).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"numbers":[2,1,0]}"#));
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");

    let (status, headers, body) = send(&app, post("/count", &json!({ "from": 1, "stream": true }))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(body, "data: {\"number\":1}\n\ndata: {\"number\":0}\n\ndata: [DONE]\n\n");

    let responses = &app.document["paths"]["/v1/count"]["post"]["responses"]["200"]["content"];
    assert!(responses["application/json"].is_object() && responses["text/event-stream"].is_object());
    assert_eq!(app.document["paths"]["/old/count"]["post"]["deprecated"], true);
    assert_eq!(app.document["paths"]["/count"]["post"]["deprecated"], Value::Null);
}

#[tokio::test]
async fn a_failure_within_a_stream_is_its_last_event() {
    let app = mounted(ApiConfig::default());
    let (status, _, body) =
        send(&app, post("/v1/count", &json!({ "from": 2, "stream": true, "fail_at": 1 }))).await;
    assert_eq!(status, StatusCode::OK);
    let lines: Vec<&str> = body.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 2, "{body}");
    let error: Value = serde_json::from_str(lines[1].strip_prefix("data: ").expect("data")).expect("JSON");
    assert_eq!(error["error"]["code"], "failed");
}

#[tokio::test]
async fn limits_are_the_routes_own() {
    let app = mounted(ApiConfig::default());
    let (status, _, body) = send(&app, get("/v1/late")).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{body}");
    let long = json!({ "from": 1, "padding": "x".repeat(2000) });
    let (status, _, body) = send(&app, post("/v1/count", &long)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{body}");
    assert!(body.contains("longer than 1024 bytes"), "{body}");
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let app = mounted(ApiConfig::default());
    let (status, headers, body) = send(&app, get("/v1/panic")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["request_id"], headers["x-request-id"].to_str().expect("text"));
    assert!(!body.contains("bounds"), "{body}");
}

#[tokio::test]
async fn the_key_guards_what_is_not_public() {
    let app = mounted(ApiConfig { api_key: Some(Secret::new("right")), ..ApiConfig::default() });
    let with = |value: &str| {
        let mut request = get("/v1/shelves/1/a");
        request.headers_mut().insert(header::AUTHORIZATION, value.parse().expect("a header"));
        request
    };
    assert_eq!(send(&app, get("/v1/shelves/1/a")).await.0, StatusCode::UNAUTHORIZED);
    for wrong in ["Bearer wrong", "Bearer righ", "Bearer rightt", "Bearer ", "Basic right", "right"] {
        assert_eq!(send(&app, with(wrong)).await.0, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    assert_eq!(send(&app, with("bearer right")).await.0, StatusCode::OK);
    assert_eq!(send(&app, get("/v1/panic")).await.0, StatusCode::INTERNAL_SERVER_ERROR, "public");
    let operation = &app.document["paths"]["/v1/shelves/{shelf}/{item}"]["get"];
    assert_eq!(operation["security"], json!([{ "api_key": [] }]));
    assert_eq!(app.document["paths"]["/v1/panic"]["get"]["security"], Value::Null);
}

#[tokio::test]
async fn path_and_query_are_checked_by_name() {
    let app = mounted(ApiConfig::default());
    let (status, _, body) = send(&app, get("/v1/shelves/3/a%2Fb/c?count=5")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"text":"3 a/b/c 5"}"#));
    for (path, field) in [
        ("/v1/shelves/12/a", "shelf"),
        ("/v1/shelves/x/a", "shelf"),
        ("/v1/shelves/1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "item"),
        ("/v1/shelves/1/a?count=6", "count"),
        ("/v1/shelves/1/a?count=many", "count"),
        ("/v1/shelves/1/a?amount=2", "amount"),
        ("/v1/shelves/1/%ff", "item"),
    ] {
        let (status, _, body) = send(&app, get(path)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {body}");
        assert!(body.contains(field), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_wrong_method_says_which_are_right() {
    let app = mounted(ApiConfig::default());
    let request =
        Request::delete("/v1/count").header("host", "localhost").body(Body::empty()).expect("a request");
    let (status, headers, body) = send(&app, request).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(headers[header::ALLOW], "POST", "{body}");
    let (status, _, body) = send(&app, get("/v1/nothing")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("/v1/nothing"), "{body}");
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page() {
    let app = mounted(ApiConfig::default());
    let (_, _, body) = send(&app, post("/v1/count", &json!({ "from": 2, "fail_at": 1 }))).await;
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    let (status, headers, page) = send(&app, get(problem["type"].as_str().expect("a type"))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(page.contains("Countdown failed") && page.contains("POST /v1/count"), "{page}");
}
