//! A case without the value of a path parameter.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Path, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answers/{id}", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer(Path(id): Path<String>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: id }))
}

fn main() {}
