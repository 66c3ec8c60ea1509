//! A string without a rule, beside one with a rule.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(max = 100))]
    text: String,
    model: String,
    tags: Option<Vec<String>>,
}

fn main() {}
