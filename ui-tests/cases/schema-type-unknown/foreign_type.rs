//! A field whose type has no schema.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(max = 100))]
    text: String,
    since: std::time::Duration,
}

fn main() {}
