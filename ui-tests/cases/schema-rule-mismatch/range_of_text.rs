//! A rule of numbers on text.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(range(max = 100))]
    text: String,
}

fn main() {}
