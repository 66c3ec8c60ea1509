//! An error type that is no problem.

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("there is no such thing")]
    Missing,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [
    case("one", status = 200, check = |answer| !answer.text.is_empty()),
    case("none", problem = AskError::Missing),
])]
async fn answer() -> Result<Json<Answer>, AskError> {
    Err(AskError::Missing)
}

fn main() {}
