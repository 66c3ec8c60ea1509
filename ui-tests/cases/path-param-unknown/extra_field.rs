//! A field that no parameter fills.

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
    #[rule(range(min = 1))]
    version: u32,
}

/// Answer.
#[route(GET, "/v1/models/{model_id}", tests = [case("one", path = { model_id: "a" }, status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer(Path(_place): Path<Place>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
