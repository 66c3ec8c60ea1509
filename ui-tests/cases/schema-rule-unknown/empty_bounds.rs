//! A rule that says nothing.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length)]
    text: String,
}

fn main() {}
