//! A body that unwraps, in a closure too.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer() -> Result<Json<Answer>, Infallible> {
    let text: String = Some("yes".to_owned()).unwrap();
    let length = [text.as_str()].iter().map(|word| word.chars().next().expect("not empty")).count();
    Ok(Json(Answer { text: format!("{text} {length}") }))
}

fn main() {}
