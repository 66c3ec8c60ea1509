//! A response that does not say what it is.

use std::convert::Infallible;

use tabagent_api::route;

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200)])]
async fn answer() -> Result<String, Infallible> {
    Ok("yes".to_owned())
}

fn main() {}
