//! Two values for one parameter.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Path, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/models/{id}", tests = [case("one", path = { id: 1 }, status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer(Path(_ids): Path<(u32, u32)>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
