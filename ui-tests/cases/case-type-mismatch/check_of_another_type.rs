//! A check of another type than the response.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(max = 100))]
    text: String,
}

fn is_ask(ask: &Ask) -> bool {
    ask.text.is_empty()
}

/// Ask.
#[route(POST, "/v1/ask", tests = [
    case("hello", json = { "text": "hello" }, status = 200, check = is_ask),
])]
async fn ask(Json(ask): Json<Ask>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: ask.text }))
}

fn main() {}
