//! A rule of numbers on a type that is text behind an alias.

use serde::Deserialize;
use tabagent_api::Schema;

type Text = String;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(range(max = 100))]
    text: Text,
}

fn main() {}
