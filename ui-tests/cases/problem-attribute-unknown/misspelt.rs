//! A misspelt key.

use tabagent_api::Problem;

#[derive(Debug, thiserror::Error, Problem)]
enum AskError {
    #[error("there is no such thing")]
    #[problem(status = 404, title = "Not found", hnit = "ask for another")]
    Missing,
}

fn main() {}
