//! A field that is written, never read, and refused when it is sent.

use serde::{Deserialize, Serialize};
use tabagent_api::Schema;

#[derive(Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
#[rule(none = "any number is right")]
struct Count {
    #[serde(skip_deserializing)]
    words: usize,
    limit: usize,
}

fn main() {}
