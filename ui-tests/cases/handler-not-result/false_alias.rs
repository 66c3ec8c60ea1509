//! A type that is called a result and is none.

use tabagent_api::route;

struct NoResult;

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200)])]
async fn answer() -> NoResult {
    NoResult
}

fn main() {}
