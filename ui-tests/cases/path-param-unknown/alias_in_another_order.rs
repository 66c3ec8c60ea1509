//! A tuple takes its values in the order of the path, and the alias has another.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{ApiError, Json, Path, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(
    GET, "/v1/{owner}/models/{name}",
    alias = ["/v2/{name}/of/{owner}"],
    tests = [
        case("one", path = { owner: "a", name: "b" }, status = 200, check = |answer| !answer.text.is_empty()),
        case("no text", path = { owner: "%FF", name: "b" }, problem = ApiError::RequestInvalid),
    ],
)]
async fn answer(Path((_owner, _name)): Path<(String, String)>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
