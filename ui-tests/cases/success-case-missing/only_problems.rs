//! Every case ends in a problem.

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
#[route(GET, "/v1/answer", tests = [case("none", problem = AskError::Missing)])]
async fn answer() -> Result<Json<Answer>, AskError> {
    Err(AskError::Missing)
}

fn main() {}
