//! A variant that a case exercises and that is waived all the same.

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Problem, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Debug, thiserror::Error, Problem)]
enum AskError {
    #[error("there is no such thing")]
    #[problem(status = 404, title = "Not found", hint = "ask for another")]
    Missing,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [
    case("one", status = 200, check = |answer| !answer.text.is_empty()),
    case("none", problem = AskError::Missing),
    untested(Missing, "it was hard to cause once"),
])]
async fn answer() -> Result<Json<Answer>, AskError> {
    Err(AskError::Missing)
}

fn main() {}
