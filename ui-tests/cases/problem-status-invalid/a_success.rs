//! A problem with the status of a success.

use tabagent_api::Problem;

#[derive(Debug, thiserror::Error, Problem)]
enum AskError {
    #[error("there is no such thing")]
    #[problem(status = 200, title = "Not found", hint = "ask for another")]
    Missing,
}

fn main() {}
