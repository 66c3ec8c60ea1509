//! Two arguments read the query, once under another name.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Query, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

use tabagent_api::Query as Asked;

#[derive(Deserialize, Schema)]
#[rule(none = "a number is always right")]
struct Page {
    after: Option<u32>,
}

#[derive(Deserialize, Schema)]
#[rule(none = "a number is always right")]
struct Count {
    count: Option<u32>,
}

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer(Query(_page): Query<Page>, Query(_count): Query<Count>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

/// Answer.
#[route(GET, "/v1/other", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn other(Query(_page): Query<Page>, Asked(_count): Asked<Count>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
