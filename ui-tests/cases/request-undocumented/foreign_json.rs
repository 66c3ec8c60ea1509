//! axum's `Json`, which neither validates nor documents.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{ApiError, Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(min = 1, max = 80))]
    id: String,
}

/// Answer.
#[route(POST, "/v1/answer", tests = [
    case("one", json = { "id": "a" }, status = 200, check = |answer| !answer.text.is_empty()),
    case("none", json = {}, problem = ApiError::RequestInvalid),
])]
async fn answer(axum::Json(_ask): axum::Json<Ask>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
