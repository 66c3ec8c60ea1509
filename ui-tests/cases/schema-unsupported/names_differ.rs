//! Names that serde writes and does not read.

use serde::{Deserialize, Serialize};
use tabagent_api::Schema;

#[derive(Serialize, Deserialize, Schema)]
#[rule(none = "any text is right")]
struct Ask {
    #[serde(rename(serialize = "q"))]
    text: String,
    #[serde(rename(deserialize = "in"))]
    input: String,
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(rename_all(serialize = "snake_case"))]
enum Kind {
    ShortText,
}

fn main() {}
