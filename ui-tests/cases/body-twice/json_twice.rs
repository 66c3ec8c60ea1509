//! Two arguments read the body.

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

/// Ask.
#[route(POST, "/v1/ask", tests = [
    case("hello", json = { "text": "hello" }, status = 200, check = |answer| !answer.text.is_empty()),
])]
async fn ask(Json(_one): Json<Ask>, Json(_two): Json<Ask>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
