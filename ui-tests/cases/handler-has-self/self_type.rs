//! A handler that names the type of its impl.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

impl Answer {
    /// Answer.
    #[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
    async fn answer() -> Result<Json<Self>, Infallible> {
        Ok(Json(Self { text: "yes".to_owned() }))
    }
}

fn main() {}
