//! A length that no text has.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(min = -1))]
    text: String,
    #[rule(items(max = 1.5))]
    list: Vec<u8>,
}

fn main() {}
