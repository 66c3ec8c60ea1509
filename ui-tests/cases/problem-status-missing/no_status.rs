//! A variant without a status.

use tabagent_api::Problem;

#[derive(Debug, thiserror::Error, Problem)]
enum AskError {
    #[error("there is no such thing")]
    #[problem(title = "Not found", hint = "ask for another")]
    Missing,
}

fn main() {}
