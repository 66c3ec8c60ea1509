//! A `Result` that leaves the error type to an alias.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

type Result<T> = std::result::Result<T, Infallible>;

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer() -> Result<Json<Answer>> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
