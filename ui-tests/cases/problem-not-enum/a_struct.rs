//! A struct as a problem.

use tabagent_api::Problem;

#[derive(Debug, thiserror::Error, Problem)]
#[error("there is no such thing")]
struct AskError;

fn main() {}
