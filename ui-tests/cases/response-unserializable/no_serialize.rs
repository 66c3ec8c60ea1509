//! A response type without `Serialize`.

use std::convert::Infallible;

use serde::Deserialize;
use tabagent_api::{Json, Schema, route};

#[derive(Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer() -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
