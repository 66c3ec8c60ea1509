//! Patterns that clients, whose schemas have the regular expressions of ECMA-262, read otherwise.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(pattern(r"^[a-z]+\z"))]
    word: String,
    #[rule(pattern("^[a-z&&[^aeiou]]+$"))]
    consonants: String,
    #[rule(pattern("(?i)^yes$"))]
    answer: String,
    #[rule(pattern(r"^\d+$"))]
    number: String,
}

fn main() {}
