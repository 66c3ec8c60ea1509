//! One variant waived twice.

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
    #[error("this is too much")]
    #[problem(status = 400, title = "Too much", hint = "ask for less")]
    TooMuch,
    #[error("not now")]
    #[problem(status = 503, title = "Busy", hint = "ask later", retry_after = 1)]
    Busy,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [
    case("one", status = 200, check = |answer| !answer.text.is_empty()),
    case("none", problem = AskError::Missing),
    untested(Busy, "never busy"),
    untested(Busy, "really never"),
    untested(TooMuch, "nothing is too much"),
])]
async fn answer() -> Result<Json<Answer>, AskError> {
    Err(AskError::Missing)
}

fn main() {}
