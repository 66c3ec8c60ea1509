//! A variant of another enum that has the name of the error type.

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

mod other {
    #[derive(Debug, thiserror::Error, tabagent_api::Problem)]
    pub enum AskError {
        #[error("there is no such thing")]
        #[problem(status = 418, title = "Not found", slug = "other-missing", hint = "ask for another")]
        Missing,
    }
}

/// Answer.
#[route(GET, "/v1/answer", tests = [
    case("one", status = 200, check = |answer| !answer.text.is_empty()),
    case("none", problem = other::AskError::Missing),
])]
async fn answer() -> Result<Json<Answer>, AskError> {
    Err(AskError::Missing)
}

fn main() {}
