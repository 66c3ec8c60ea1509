//! A response without a body, written under another name.

use std::convert::Infallible;

use tabagent_api::{NoContent, route};

type Nothing = NoContent;

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200)])]
async fn answer() -> Result<Nothing, Infallible> {
    Ok(NoContent)
}

fn main() {}
