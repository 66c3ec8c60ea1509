//! A variant without a title.

use tabagent_api::Problem;

#[derive(Debug, thiserror::Error, Problem)]
enum AskError {
    #[error("there is no such thing")]
    #[problem(status = 404, hint = "ask for another")]
    Missing,
}

fn main() {}
