//! A GET route with an extractor of one's own that reads the body.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{AppState, Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Answer {
    text: String,
}

struct Everything;

impl axum::extract::FromRequest<AppState> for Everything {
    type Rejection = Infallible;

    async fn from_request(_: axum::extract::Request, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl tabagent_api::RouteInput for Everything {
    fn describe(_: &mut tabagent_api::OperationBuilder) {}
}

/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = |answer| !answer.text.is_empty())])]
async fn answer(_all: Everything) -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer { text: "yes".to_owned() }))
}

fn main() {}
