//! A transparent variant of two fields.

use tabagent_api::Problem;

#[derive(Debug, thiserror::Error, Problem)]
enum AskError {
    #[error("there is no such thing")]
    #[problem(transparent)]
    Missing(u8, u8),
}

fn main() {}
