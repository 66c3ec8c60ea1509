//! A pattern that `regex` refuses to compile for its size, so that no value would match it.

use serde::Deserialize;
use tabagent_api::Schema;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(pattern("^(a|(([a-zé]{300}){300}){300})$"))]
    text: String,
}

fn main() {}
