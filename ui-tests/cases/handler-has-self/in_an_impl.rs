//! A handler in an impl block that has no `self`.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

struct Server;

impl Server {
    /// Answer.
    #[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
    async fn answer() -> Result<Json<Answer>, Infallible> {
        Ok(Json(Answer { text: "yes".to_owned() }))
    }
}

fn main() {}
