//! The extractor of the path under another name, and a path without the parameter.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{ApiError, Json, Path, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(min = 1, max = 80))]
    id: String,
}

type Parameters = Path<Ask>;

/// Answer.
#[route(GET, "/v1/answer", tests = [
    case("one", status = 200, check = |answer| !answer.text.is_empty()),
    case("none", problem = ApiError::RequestInvalid),
])]
async fn answer(Path(_ask): Parameters) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
