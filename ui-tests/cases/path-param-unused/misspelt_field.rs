//! A parameter whose field is spelt otherwise.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Path, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Place {
    #[rule(length(min = 1, max = 100))]
    model_id: String,
}

/// Answer.
#[route(GET, "/v1/models/{modle_id}", tests = [case("one", path = { modle_id: "a/b" }, status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer(Path(_place): Path<Place>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
