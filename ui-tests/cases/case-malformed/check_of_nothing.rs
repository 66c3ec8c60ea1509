//! A check of a response that has no body.

use std::convert::Infallible;

use tabagent_api::{NoContent, route};

fn ok(_: &NoContent) -> bool {
    true
}

/// Remove.
#[route(DELETE, "/v1/thing", tests = [case("one", status = 204, check = ok)])]
async fn remove() -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// Remove, and say the status.
#[route(DELETE, "/v1/other", status = 204, tests = [case("one", status = 204, check = |_| true)])]
async fn remove_other() -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

fn main() {}
