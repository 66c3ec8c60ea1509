//! Programs that compile: the grammar in its whole breadth, driven through the router.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{ApiError, Json, NoContent, Path, Problem, Query, RequestId, Schema, route};

#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// The text.
    #[rule(length(min = 1, max = 10), pattern("^[a-z]+$"))]
    text: String,
    #[rule(items(max = 3), each(length(max = 4), not_empty))]
    #[serde(default)]
    tags: Vec<String>,
    #[rule(range(min = 0, max = 2.5))]
    heat: Option<f32>,
    #[rule(one_of("fast", "good"))]
    mode: Option<String>,
    #[serde(alias = "modelId")]
    #[rule(any("checked against the models that are here"))]
    model: Option<String>,
    inner: Option<Inner>,
    seed: Option<u64>,
    #[rule(not_empty, length(max = 4))]
    mark: Option<Box<str>>,
}

#[derive(Debug, Deserialize, Serialize, Schema)]
struct Inner {
    #[rule(custom(even))]
    count: u32,
}

fn even(count: &u32) -> Result<(), String> {
    if count.is_multiple_of(2) { Ok(()) } else { Err("must be even".to_owned()) }
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
    items: Vec<Inner>,
}

#[derive(Debug, thiserror::Error, Problem)]
enum AskError {
    /// Longer words.
    #[error("there is no `{model}`")]
    #[problem(status = 404, title = "Model not found", hint = "GET /v1/models")]
    NoModel {
        #[problem(param)]
        field: String,
        model: String,
    },
    #[error("later")]
    #[problem(status = 503, title = "Busy", hint = "try again", retry_after = 5, retry = true)]
    Busy,
}

/// Types that reach the attribute through another macro, and an extractor under another name.
mod through_macros {
    use std::convert::Infallible;

    use tabagent_api::{ApiError, Json, Path as Parameters, route};

    use super::{Answer, Inner};

    macro_rules! echo {
        ($name:ident, $path:literal, $body:ty, $response:ty) => {
            /// Count.
            #[route(POST, $path, tests = [
                case("even", path = { id: 7 }, json = { "count": 2 }, status = 200, check = |answer: &Answer| answer.items.len() == 1),
                case("odd", path = { id: 7 }, json = { "count": 1 }, problem = ApiError::RequestInvalid),
            ])]
            async fn $name(Parameters(id): Parameters<u32>, Json(inner): $body) -> $response {
                Ok(Json(Answer { text: id.to_string(), items: vec![inner] }))
            }
        };
    }

    echo!(count, "/v1/echo/{id}", Json<Inner>, Result<Json<Answer>, Infallible>);
}

fn says_hello(answer: &Answer) {
    assert_eq!(answer.text, "hello");
}

/// Ask something.
///
/// At length.
#[route(
    POST, "/ui/ask/{id}",
    alias = ["/ui/old/{id}", deprecated("/ui/older/{id}")],
    tag = "ui",
    timeout = "30s",
    body_limit = "1MiB",
    auth = public,
    tests = [
        case("hello", path = { id: 7 }, json = { "text": "hello" }, status = 200, check = says_hello),
        case("closure", path = { id: 7 }, json = { "text": "hello" }, status = 200, check = |answer| answer.items.is_empty()),
        case("nobody", path = { id: 7 }, json = { "text": "a", "model": "b" }, problem = AskError::NoModel),
        case("broken", path = { id: 7 }, body = b"{", content_type = "application/json", problem = ApiError::BodyMalformed),
        untested(Busy, "nothing here is ever busy"),
    ],
)]
async fn ask(Path(_id): Path<u32>, _: RequestId, Json(mut ask): Json<Ask>) -> Result<Json<Answer>, AskError> {
    if let Some(model) = ask.model.take() {
        return Err(AskError::NoModel { field: "model".to_owned(), model });
    }
    Ok(Json(Answer { text: ask.text, items: Vec::new() }))
}

#[derive(Debug, Deserialize, Schema)]
struct Where {
    #[rule(length(min = 1, max = 10))]
    kind: String,
    #[rule(range(min = 1))]
    id: u32,
}

#[derive(Debug, Default, Deserialize, Schema)]
#[rule(none = "a number is always right")]
struct Page {
    after: Option<u32>,
}

/** Remove.

Block comment. */
#[route(
    method = DELETE,
    path = "/ui/things/{kind}/{id}",
    tests = [case("gone", path = { kind: "a", id: "1" }, query = { after: 3 }, status = 204)],
)]
async fn remove(Path(place): Path<Where>, Query(page): Query<Page>) -> Result<NoContent, Infallible> {
    let _ = (place.kind, place.id, page.after);
    Ok(NoContent)
}

type AskResult<T> = Result<T, AskError>;

/// Through an alias of Result.
#[route(GET, "/ui/alias", tests = [
    case("ok", status = 200, check = |_| true),
    case("no", query = { after: 1 }, problem = AskError::NoModel),
    untested(Busy, "never"),
])]
async fn through_alias(Query(page): Query<Page>) -> AskResult<Json<Answer>> {
    match page.after {
        None => Ok(Json(Answer { text: String::new(), items: Vec::new() })),
        Some(_) => Err(AskError::NoModel { field: "after".to_owned(), model: String::new() }),
    }
}

/// Never here.
#[route(GET, "/ui/never", tests = [case("x", status = 200, check = |_| true)])]
#[cfg(any())]
async fn never(nothing: Nowhere) -> Result<Json<Nothing>, Infallible> {}

fn check(json: &str) -> Vec<String> {
    use tabagent_api::__private::garde::Validate as _;
    let ask: Ask = serde_json::from_str(json).unwrap();
    ask.validate().err().map_or_else(Vec::new, |report| {
        report.iter().map(|(path, error)| format!("{path}: {error}")).collect()
    })
}

#[test]
fn rules_are_enforced_and_name_their_field() {
    assert_eq!(check(r#"{"text": "hello", "heat": 2.5, "mode": "fast", "inner": {"count": 2}}"#), [""; 0]);
    let wrong = r#"{"text": "NO", "tags": ["a", "", "toolong", "b"], "heat": 2.6, "mode": "x",
        "inner": {"count": 3}, "seed": 9007199254740993, "mark": ""}"#;
    assert_eq!(
        check(wrong),
        [
            "text: must match `^[a-z]+$`",
            "tags: must have at most 3 items, has 4",
            "heat: must be at most 2.5",
            "mode: must be one of \"fast\", \"good\"",
            "inner.count: must be even",
            "seed: must be at most 9007199254740991",
            "mark: must not be empty",
        ]
    );
    // Elements are looked at where their number is right, so that a long list is not walked to be refused.
    assert_eq!(
        check(r#"{"text": "hello", "tags": ["a", "", "toolong"]}"#),
        ["tags[1]: must not be empty", "tags[2]: must have at most 4 characters, has 7"]
    );
}

#[test]
fn the_schema_says_what_is_enforced() {
    let document = tabagent_api::App::of(&["right"]).mount().unwrap().document;
    let found = &document["components"]["schemas"]["Ask"];
    let expected = serde_json::json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["text"],
        "properties": {
            "text": {
                "type": "string", "description": "The text.", "minLength": 1, "maxLength": 10, "pattern": "^[a-z]+$",
            },
            "tags": {
                "type": "array", "maxItems": 3, "items": { "type": "string", "minLength": 1, "maxLength": 4 },
            },
            "heat": { "type": ["number", "null"], "format": "float", "minimum": 0, "maximum": 2.5 },
            "mode": { "type": ["string", "null"], "enum": ["fast", "good", null] },
            "model": { "type": ["string", "null"] },
            "modelId": { "type": ["string", "null"], "description": "Another name of `model`." },
            "inner": { "anyOf": [{ "$ref": "#/components/schemas/Inner" }, { "type": "null" }] },
            "seed": { "type": ["integer", "null"], "minimum": 0, "maximum": 9_007_199_254_740_991_i64 },
            "mark": { "type": ["string", "null"], "minLength": 1, "maxLength": 4 },
        },
        "allOf": [{ "oneOf": [
            { "required": ["model"] },
            { "required": ["modelId"] },
            { "not": { "anyOf": [{ "required": ["model"] }, { "required": ["modelId"] }] } },
        ]}],
    });
    assert_eq!(*found, expected, "{found:#}");
}

#[test]
fn records_say_what_was_written() {
    let routes = tabagent_api::App::of(&["right"]).mount().unwrap().routes;
    let names: Vec<String> = routes.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["GET /ui/alias", "POST /ui/ask/{id}", "DELETE /ui/things/{kind}/{id}", "POST /v1/echo/{id}",]
    );
    let ask = routes[1];
    assert_eq!((ask.summary, ask.description, ask.tag), ("Ask something.", "At length.", "ui"));
    assert_eq!((ask.limits.timeout_ms, ask.limits.body_bytes), (Some(30_000), Some(1 << 20)));
    assert_eq!(ask.paths().collect::<Vec<_>>(), ["/ui/ask/{id}", "/ui/old/{id}", "/ui/older/{id}"]);
    assert_eq!(ask.source.line, line_of("POST, \"/ui/ask/{id}\""));
    assert_eq!(ask.cases[2].line, line_of("case(\"nobody\""));
    assert_eq!(ask.waived, [("Busy", "nothing here is ever busy")]);
    let problems: Vec<_> =
        ask.problems.iter().flat_map(tabagent_api::ProblemVariant::all_kinds).map(|kind| kind.slug).collect();
    assert_eq!(problems, ["ask-no-model", "ask-busy"]);
    assert_eq!((routes[2].status, routes[2].summary), (204, "Remove."));
}

fn line_of(text: &str) -> u32 {
    let line = include_str!("right.rs").lines().position(|line| line.contains(text)).unwrap();
    u32::try_from(line).unwrap() + 1
}

#[test]
fn a_problem_names_its_field_and_its_time() {
    let missing = AskError::NoModel { field: "model".to_owned(), model: "x".to_owned() };
    assert_eq!(missing.param().as_deref(), Some("model"));
    assert_eq!(missing.fields()[0].message, "there is no `x`");
    assert_eq!(missing.kind().description, "Longer words.");
    assert_eq!(AskError::Busy.retry_after(), Some(std::time::Duration::from_secs(5)));
    assert_eq!((AskError::Busy.param(), AskError::Busy.kind().retry), (None, Some(true)));
}
