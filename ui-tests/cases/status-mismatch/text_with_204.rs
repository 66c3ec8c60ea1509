//! Text under a status that has no body.

use std::convert::Infallible;

use tabagent_api::route;

/// Answer.
#[route(GET, "/v1/answer", status = 204, tests = [case("one", status = 204, check = |text| text.is_empty())])]
async fn answer() -> Result<tabagent_api::Text, Infallible> {
    Ok(tabagent_api::Text::default())
}

fn main() {}
