//! A field that serde leaves out and then misses.

use serde::{Deserialize, Serialize};
use tabagent_api::Schema;

#[derive(Serialize, Deserialize, Schema)]
struct Words {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[rule(items(max = 3))]
    list: Vec<u32>,
    #[serde(skip_serializing)]
    limit: usize,
}

fn main() {}
