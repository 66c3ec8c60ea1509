//! Routes that are written in unusual ways: judged by what the names stand for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test target, all of it"
)]

// The app names its crates, and this file is one.
extern crate self as written;

use std::convert::Infallible;

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use tabagent_api::{ApiConfig, Json, MountedApp, NoContent, Problem, Query, Schema, app, route};
use tower::ServiceExt;

type Nothing = NoContent;
type AnswerResult<T> = Result<T, Infallible>;

/// Do nothing.
#[route(GET, "/nothing/alias", tests = [case("none", status = 204)])]
async fn alias() -> Result<Nothing, Infallible> {
    Ok(NoContent)
}

/// Do nothing.
#[route(GET, "/nothing/result", tests = [case("none", status = 204)])]
async fn result() -> AnswerResult<Nothing> {
    Ok(NoContent)
}

/// Do nothing.
#[route(GET, "/nothing/ok", status = 200, tests = [case("none", status = 200)])]
async fn ok() -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// Do nothing yet.
#[route(GET, "/nothing/accepted", status = 202, tests = [case("none", status = 202)])]
async fn accepted() -> AnswerResult<Nothing> {
    Ok(NoContent)
}

#[doc = include_str!("answer.md")]
#[route(GET, "/docs/file", tests = [case("none", status = 204)])]
async fn from_a_file() -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// Answer from both.
///
#[doc = concat!("Made of ", "parts.")]
/// And a last line.
#[route(GET, "/docs/parts", tests = [case("none", status = 204)])]
async fn from_parts() -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// What to look for: each field is one text.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
struct Search {
    #[doc = concat!("The text", " itself.")]
    #[rule(length(max = 10))]
    #[serde(default = "everything")]
    text: String,
    #[rule(schema_as(String), custom(few))]
    #[serde(default, deserialize_with = "at_commas")]
    tags: Vec<String>,
    order: Option<Order>,
    mark: Option<char>,
    least: Option<f64>,
}

#[derive(Debug, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Up,
    Down,
}

fn everything() -> String {
    "all".to_owned()
}

fn few(tags: &[String]) -> Result<(), String> {
    if tags.len() > 3 { Err("must be at most 3 tags".to_owned()) } else { Ok(()) }
}

fn at_commas<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(String::deserialize(deserializer)?.split(',').map(ToOwned::to_owned).collect())
}

/// Search.
#[route(GET, "/search", tests = [
    case("tags", query = { tags: "a,b", order: "up", mark: "x", least: 1.5 }, status = 200, check = |found: &String| found.contains('b')),
])]
async fn search(Query(search): Query<Search>) -> Result<Json<String>, Infallible> {
    let Search { text, tags, order, mark, least } = search;
    Ok(Json(format!("{text} {tags:?} {order:?} {mark:?} {least:?}")))
}

/// Why a value cannot be used.
#[derive(Debug, thiserror::Error, Problem)]
pub enum ValueError {
    #[doc = include_str!("answer.md")]
    #[error("`{field}`: has {count} tokens")]
    #[problem(status = 400, title = "Value too long", hint = "send less")]
    TooLong {
        /// Which.
        #[problem(param)]
        field: String,
        /// How long it is.
        count: usize,
    },
}

/// Fail.
#[route(GET, "/fails", tests = [case("always", problem = ValueError::TooLong), case("never", status = 204)])]
async fn fails() -> Result<NoContent, ValueError> {
    Err(ValueError::TooLong { field: "input[3]".to_owned(), count: 600 })
}

fn mounted() -> MountedApp {
    app! { crates: [written] }
        .configure(ApiConfig::default())
        .mount()
        .expect("the routes of this file live together")
}

async fn get(app: &MountedApp, path: &str) -> (StatusCode, http::HeaderMap, String) {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).expect("a request");
    let response = app.router.clone().oneshot(request).await.expect("a router does not fail");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn an_empty_success_has_the_status_of_its_type_or_its_route() {
    let app = mounted();
    for (path, code) in [("alias", 204), ("result", 204), ("ok", 200), ("accepted", 202)] {
        let path = format!("/nothing/{path}");
        let (status, headers, body) = get(&app, &path).await;
        assert_eq!((status.as_u16(), body.as_str()), (code, ""), "{path}");
        assert!(!headers.contains_key(header::CONTENT_TYPE), "{path}");
        let responses = app.document["paths"][&path]["get"]["responses"].as_object().expect("responses");
        assert_eq!(
            responses.keys().filter(|status| status.starts_with('2')).collect::<Vec<_>>(),
            [&code.to_string()]
        );
        assert_eq!(responses[&code.to_string()]["content"], Value::Null);
    }
}

#[test]
fn doc_text_may_come_from_a_macro() {
    let app = mounted();
    let operation = |path: &str| &app.document["paths"][path]["get"];
    assert_eq!(operation("/docs/file")["summary"], "Answer from a file.");
    assert_eq!(operation("/docs/file")["description"], "At length, as files do.");
    assert_eq!(operation("/docs/parts")["summary"], "Answer from both.");
    assert_eq!(operation("/docs/parts")["description"], "Made of parts.\nAnd a last line.");
}

#[test]
fn descriptions_may_come_from_a_macro() {
    let kind = ValueError::TooLong { field: String::new(), count: 0 }.kind();
    assert_eq!(kind.description, "Answer from a file.\n\nAt length, as files do.");
}

#[tokio::test]
async fn a_query_holds_all_that_is_one_text() {
    let app = mounted();
    let (status, _, body) = get(&app, "/search?tags=a,b&order=down&mark=%C3%A9&least=1.5").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::OK, r#""all [\"a\", \"b\"] Some(Down) Some('é') Some(1.5)""#)
    );
    let (status, _, body) = get(&app, "/search?tags=a,b,c,d").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let parameters = app.document["paths"]["/search"]["get"]["parameters"].as_array().expect("parameters");
    let tags = parameters.iter().find(|parameter| parameter["name"] == "tags").expect("tags");
    assert_eq!(tags["schema"]["type"], "string");
    let text = parameters.iter().find(|parameter| parameter["name"] == "text").expect("text");
    assert_eq!(text["description"], "The text itself.");
}

#[tokio::test]
async fn a_message_about_a_field_does_not_repeat_its_name() {
    let (_, _, body) = get(&mounted(), "/fails").await;
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["errors"], serde_json::json!([{ "field": "input[3]", "message": "has 600 tokens" }]));
    assert_eq!(problem["detail"], "`input[3]`: has 600 tokens; send less");
    assert_eq!(problem["error"]["param"], "input[3]");
}
