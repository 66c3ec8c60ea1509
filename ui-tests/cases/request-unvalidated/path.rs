//! A path type without a rule.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Path, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Ask {
    text: String,
}

/// Answer.
#[route(GET, "/v1/answers/{text}", tests = [case("one", path = { text: "a" }, status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer(Path(_ask): Path<Ask>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
