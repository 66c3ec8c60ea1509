//! A list, a struct and flattened fields in a query, and a query without fields.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Query, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Tags {
    #[rule(items(max = 3), each(length(max = 10)))]
    tags: Vec<String>,
}

#[derive(Deserialize, Schema)]
#[rule(none = "a number is always right")]
struct Inner {
    count: u32,
}

#[derive(Deserialize, Schema)]
#[rule(none = "its parts have rules of their own")]
struct Outer {
    inner: Option<Inner>,
}

#[derive(Deserialize, Schema)]
#[rule(none = "its parts have rules of their own")]
struct Flat {
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Deserialize, Schema)]
enum Order {
    Up,
    Down,
}

/// Answer.
#[route(GET, "/v1/tags", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn tags(Query(_): Query<Tags>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

/// Answer.
#[route(GET, "/v1/outer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn outer(Query(_): Query<Outer>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

/// Answer.
#[route(GET, "/v1/flat", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn flat(Query(_): Query<Flat>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

/// Answer.
#[route(GET, "/v1/order", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn order(Query(_): Query<Order>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
