//! A check that gives no outcome.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

fn length(answer: &Answer) -> usize {
    answer.text.len()
}

/// Answer.
#[route(GET, "/v1/answer", tests = [
    case("closure", status = 200, check = |_: &Answer| 3),
    case("fn", status = 200, check = length),
])]
async fn answer() -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
