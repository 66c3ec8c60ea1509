//! Two arguments read the path.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Path, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answers/{kind}/{id}", tests = [
    case("one", path = { kind: "a", id: 1 }, status = 200, check = |answer| !answer.text.is_empty()),
])]
async fn answer(Path(_kind): Path<String>, Path(_id): Path<u32>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
