//! A 503 that does not say when to try again.

use tabagent_api::Problem;

#[derive(Debug, thiserror::Error, Problem)]
enum AskError {
    #[error("there is no such thing")]
    #[problem(status = 503, title = "Busy", hint = "ask later")]
    Missing,
}

fn main() {}
