//! A misspelt rule.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(lenght(max = 100))]
    text: String,
}

fn main() {}
