//! A parameter that no argument reads.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/models/{model_id}", tests = [case("one", path = { model_id: "a/b" }, status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer() -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
