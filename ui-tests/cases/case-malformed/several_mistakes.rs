//! Every mistake of a list is shown at once.

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
    case("no quotes", json = { "text": hello }, status = 200, check = |answer| answer.text == "hello"),
    case(json = { "text": "no name" }, status = 200),
    cas("misspelt", status = 200),
    untested(Busy),
])]
async fn ask(Json(ask): Json<Ask>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: ask.text }))
}

fn main() {}
