//! Paths that no client sends.

use std::convert::Infallible;

use tabagent_api::{NoContent, route};

/// Up.
#[route(GET, "/v1/../x", alias = ["/v1/./b", "/a<b", "/a\\b"], tests = [case("one", status = 204)])]
async fn up() -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A fragment.
#[route(GET, "/v1/x#y", tests = [case("one", status = 204)])]
async fn fragment() -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

fn main() {}
