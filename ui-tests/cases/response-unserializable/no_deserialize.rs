//! A response type that checks cannot read back.

use std::convert::Infallible;

use serde::Serialize;
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer() -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
