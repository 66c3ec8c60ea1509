//! A response type without a schema.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, route};

#[derive(Serialize, Deserialize)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer() -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
