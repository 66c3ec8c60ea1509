//! A generic type.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Page<T> {
    items: Vec<T>,
}

fn main() {}
