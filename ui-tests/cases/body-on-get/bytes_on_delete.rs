//! A DELETE route that takes bytes.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(DELETE, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer(_body: axum::body::Bytes) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
