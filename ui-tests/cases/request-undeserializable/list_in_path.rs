//! A list in a path.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Path, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

#[derive(Deserialize, Schema)]
struct Place {
    #[rule(items(max = 3), each(length(max = 10)))]
    names: Vec<String>,
}

/// Answer.
#[route(GET, "/v1/places/{names}", tests = [
    case("one", path = { names: "a" }, status = 200, check = |answer| !answer.text.is_empty()),
])]
async fn answer(Path(_): Path<Place>) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
