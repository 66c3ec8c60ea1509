//! axum's `Json`, which documents nothing.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer: &Answer| !answer.text.is_empty())])]
async fn answer() -> Result<axum::Json<Answer>, Infallible> {
    Ok(axum::Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
