//! A pattern that is no regular expression.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(pattern("^(a|b$"))]
    text: String,
}

fn main() {}
