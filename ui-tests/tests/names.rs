//! What the schema offers is what serde reads: names, and which fields have to be there.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use tabagent_api::__private::utoipa::PartialSchema;
use tabagent_api::Schema;

#[derive(Debug, Deserialize, PartialEq, Schema)]
#[allow(non_camel_case_types, reason = "the name on the wire is a word of the language")]
enum Kind {
    r#type,
    #[serde(rename(serialize = "other", deserialize = "other"))]
    Else,
}

#[derive(Debug, Deserialize, PartialEq, Schema)]
#[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"))]
#[rule(none = "any number is right")]
struct Thing {
    r#type: u8,
    #[serde(deserialize_with = "perhaps")]
    #[rule(schema_as(Option<u8>))]
    its_size: Option<u8>,
    weight: Option<u8>,
    #[serde(skip_deserializing)]
    count: u8,
}

#[derive(Debug, Deserialize, Schema)]
#[allow(dead_code, reason = "only its schema is looked at")]
struct Narrow {
    #[rule(length(min = 3), not_empty)]
    text: String,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Schema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Sort {
    ÀLaCarte,
    Gruß,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Schema)]
#[serde(rename_all = "UPPERCASE")]
struct Menu {
    menü: u8,
    ähnlich: u8,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Schema)]
#[serde(rename_all = "PascalCase")]
struct Dish {
    ähnlich_wie: u8,
}

fn perhaps<'de, D: Deserializer<'de>>(json: D) -> Result<Option<u8>, D::Error> {
    Option::deserialize(json)
}

fn schema<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap()
}

#[test]
fn every_name_of_an_enum_can_be_read() {
    assert_eq!(schema::<Kind>()["enum"], json!(["type", "other"]));
    assert_eq!(
        serde_json::from_value::<Vec<Kind>>(json!(["type", "other"])).unwrap(),
        [Kind::r#type, Kind::Else]
    );
}

#[test]
fn the_least_object_that_the_schema_allows_can_be_read() {
    let schema = schema::<Thing>();
    let mut names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    names.sort_unstable();
    assert_eq!(names, ["count", "itsSize", "type", "weight"]);
    // serde demands an `Option` that a fn reads.
    assert_eq!(schema["required"], json!(["type", "itsSize"]));
    let read: Thing = serde_json::from_value(json!({ "type": 1, "itsSize": null })).unwrap();
    assert_eq!(read, Thing { r#type: 1, its_size: None, weight: None, count: 0 });
    serde_json::from_value::<Thing>(json!({ "type": 1 })).unwrap_err();
}

#[test]
fn case_changes_as_serde_changes_it() {
    let written = serde_json::to_value([Sort::ÀLaCarte, Sort::Gruß]).unwrap();
    assert_eq!(schema::<Sort>()["enum"], written);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let menu = serde_json::to_value(Menu { menü: 1, ähnlich: 2 }).unwrap();
    assert_eq!(keys(&schema::<Menu>()["properties"]), keys(&menu));
    let dish = serde_json::to_value(Dish { ähnlich_wie: 1 }).unwrap();
    assert_eq!(keys(&schema::<Dish>()["properties"]), keys(&dish));
}

#[test]
fn of_two_bounds_the_schema_has_the_narrower() {
    let schema = schema::<Narrow>();
    assert_eq!(schema["properties"]["text"]["minLength"], 3);
}
