//! A type that has rules and says that it has none.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
#[rule(none = "no text is wrong")]
struct Ask {
    #[rule(length(max = 100))]
    text: String,
}

fn main() {}
