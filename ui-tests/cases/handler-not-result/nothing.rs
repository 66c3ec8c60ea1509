//! A handler that returns nothing.

use tabagent_api::route;

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200)])]
async fn answer() {}

fn main() {}
