//! A response behind `impl Trait`.

use std::convert::Infallible;

use tabagent_api::route;

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer() -> Result<impl axum::response::IntoResponse, Infallible> {
    Ok("yes")
}

fn main() {}
