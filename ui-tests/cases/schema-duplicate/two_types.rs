//! Two types of one name, each the response of a route. This compiles; the document cannot be built.

use std::convert::Infallible;

use tabagent_api::{Json, route};

mod chat {
    use serde::{Deserialize, Serialize};
    use tabagent_api::Schema;

    #[derive(Serialize, Deserialize, Schema)]
    pub(super) struct Answer {
        pub(super) text: String,
    }
}

mod search {
    use serde::{Deserialize, Serialize};
    use tabagent_api::Schema;

    #[derive(Serialize, Deserialize, Schema)]
    pub(super) struct Answer {
        pub(super) hits: Vec<String>,
    }
}

/// Chat.
#[route(GET, "/v1/chat", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn chat() -> Result<Json<chat::Answer>, Infallible> {
    Ok(Json(chat::Answer { text: "yes".to_owned() }))
}

/// Search.
#[route(GET, "/v1/search", tests = [case("one", status = 200, check = |answer| answer.hits.is_empty())])]
async fn search() -> Result<Json<search::Answer>, Infallible> {
    Ok(Json(search::Answer { hits: Vec::new() }))
}

#[allow(dead_code, reason = "a program on its own, and a module of the test that starts it")]
fn main() {}
