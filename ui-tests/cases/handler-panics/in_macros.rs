//! What panics inside macros, and under other names.

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
    macro_rules! last {
        ($list:expr) => {
            $list.last().unwrap()
        };
    }
    let words = ["yes".to_owned()];
    let _ = last!(words);
    let text = <Option<&String>>::unwrap(words.first()).clone();
    let _ = matches!(words.first().r#expect("a word").as_str(), "yes");
    Ok(Json(Answer { text }))
}

fn main() {}
