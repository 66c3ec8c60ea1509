//! An event stream that the route does not declare.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{EventStream, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answers| answers.is_empty())])]
async fn answer() -> Result<EventStream<Answer>, Infallible> {
    std::future::pending().await
}

fn main() {}
