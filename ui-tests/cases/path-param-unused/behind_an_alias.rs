//! An argument of a name that tells nothing, and that reads no path.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Query, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(min = 1, max = 80))]
    id: String,
}

type Parameters = Query<Ask>;

/// Answer.
#[route(GET, "/v1/models/{model_id}", tests = [
    case("one", path = { model_id: "a" }, query = { id: "b" }, status = 200, check = |answer| !answer.text.is_empty()),
])]
async fn answer(Query(_ask): Parameters) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
