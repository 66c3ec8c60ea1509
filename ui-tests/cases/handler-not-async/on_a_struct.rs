//! The attribute on something that is no fn.

use tabagent_api::route;

/// Answer.
#[route(GET, "/v1/answer", tests = [])]
pub struct Answer;

fn main() {}
