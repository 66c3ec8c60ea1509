//! A rule of text on a list.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(max = 100))]
    texts: Vec<String>,
}

fn main() {}
