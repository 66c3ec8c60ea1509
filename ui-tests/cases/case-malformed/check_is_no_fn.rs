//! Checks that are no fn of the response, keys in other quotes, and headers that cannot be sent.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(range(max = 3))]
    a: u8,
}

/// Answer.
#[route(POST, "/v1/answer", tests = [
    case("a value", json = { "a": 1 }, status = 200, check = true),
    case("no argument", json = { "a": 1 }, status = 200, check = || true),
    case("quotes", json = { 'a': 1 }, status = 200, check = |answer| !answer.text.is_empty()),
    case("name", headers = { "a b": "x" }, json = { "a": 1 }, status = 200, check = |answer| !answer.text.is_empty()),
    case("value", headers = { "x-a": "x\n" }, json = { "a": 1 }, status = 200, check = |answer| !answer.text.is_empty()),
])]
async fn answer(_: Json<Ask>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
