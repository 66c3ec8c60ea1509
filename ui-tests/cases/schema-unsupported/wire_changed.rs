//! Attributes by which serde reads and writes something else than the schema of the type would say.

use serde::{Deserialize, Deserializer, Serialize};
use tabagent_api::Schema;

#[derive(Serialize, Deserialize, Schema)]
#[serde(transparent)]
struct Name {
    #[rule(length(max = 20))]
    text: String,
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(tag = "kind")]
struct Tagged {
    #[rule(length(max = 20))]
    text: String,
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[serde(alias = "quick")]
    Fast,
    #[serde(untagged)]
    Sized(u8),
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(tag = "type")]
enum Event {
    Start,
    #[serde(other)]
    Unknown,
}

#[derive(Serialize, Deserialize, Schema)]
#[rule(none = "every number is right")]
struct Page {
    #[serde(deserialize_with = "from_text")]
    size: u32,
    // What is said to be on the wire is in the schema.
    #[serde(deserialize_with = "from_text")]
    #[rule(schema_as(String))]
    start: u32,
}

fn from_text<'de, D: Deserializer<'de>>(json: D) -> Result<u32, D::Error> {
    String::deserialize(json)?.parse().map_err(serde::de::Error::custom)
}

fn main() {}
