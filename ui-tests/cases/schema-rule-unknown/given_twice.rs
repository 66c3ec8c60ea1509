//! A bound and a rule that stand twice, and a bound that is no number.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(length(min = 1, min = 2))]
    text: String,
    #[rule(length(min = 1))]
    #[rule(length(max = 3))]
    name: String,
    #[rule(each(pattern("a"), pattern("b")))]
    list: Vec<String>,
    #[rule(range(max = "3"))]
    count: u8,
}

fn main() {}
