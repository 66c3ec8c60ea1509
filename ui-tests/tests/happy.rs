//! Programs that compile: the grammar in its whole breadth, driven through the router.
#![allow(missing_docs)]

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
}

#[derive(Debug, Deserialize, Serialize, Schema)]
struct Inner {
    #[rule(custom(even))]
    count: u32,
}

fn even(count: &u32) -> Result<(), String> {
    if count % 2 == 0 { Ok(()) } else { Err("must be even".to_owned()) }
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
async fn ask(
    Path(_id): Path<u32>,
    _: RequestId,
    Json(mut ask): Json<Ask>,
) -> Result<Json<Answer>, AskError> {
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

#[test]
fn routes_are_registered() {
    println!("{}", serde_json::to_string_pretty(&<Ask as utoipa_schema::Show>::show()).unwrap());
}

mod utoipa_schema {
    pub(crate) trait Show {
        fn show() -> serde_json::Value;
    }
    impl<T: tabagent_api::__private::utoipa::PartialSchema> Show for T {
        fn show() -> serde_json::Value {
            serde_json::to_value(T::schema()).unwrap()
        }
    }
}
