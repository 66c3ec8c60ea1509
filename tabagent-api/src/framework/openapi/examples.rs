//! Responses that cases have seen, as examples in the document: what the docs show is what the tests ran.
//!
//! The harness records them ([`Examples::record`]) into a file that is committed; [`crate::App::examples`] reads it. A
//! recorded body is shortened, and held to later responses of the same case by the names of its fields: values may differ
//! from machine to machine, the shape may not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest list of an example.
const ITEMS: usize = 3;
/// Longest text of an example, in characters.
const CHARACTERS: usize = 160;

/// Bodies by operation id and name of the case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Examples {
    by_operation: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Examples {
    /// Reads the file that the harness wrote.
    ///
    /// # Errors
    /// When the text is not such a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("the recorded examples cannot be read: {error}"))
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Keeps a body, shortened.
    pub fn record(&mut self, operation: &str, case: &str, body: &Value) {
        self.by_operation.entry(operation.to_owned()).or_default().insert(case.to_owned(), shorten(body));
    }

    /// The examples of an operation.
    pub(crate) fn of(&self, operation: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.by_operation.get(operation).into_iter().flatten()
    }

    /// Whether a body still has the shape of the example that was recorded for its case.
    pub fn holds(&self, operation: &str, case: &str, body: &Value) -> bool {
        self.by_operation
            .get(operation)
            .and_then(|cases| cases.get(case))
            .is_some_and(|example| same_shape(example, &shorten(body)))
    }
}

fn shorten(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().take(ITEMS).map(shorten).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), shorten(value))).collect())
        }
        Value::String(text) => Value::String(text.chars().take(CHARACTERS).collect()),
        other => other.clone(),
    }
}

/// The same field names wherever both have fields; null stands for a value that this machine lacks.
fn same_shape(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| same_shape(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => match (left.first(), right.first()) {
            (Some(left), Some(right)) => same_shape(left, right),
            _ => true,
        },
        (Value::Null, _) | (_, Value::Null) => true,
        _ => std::mem::discriminant(left) == std::mem::discriminant(right),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_example_is_held_by_its_shape() {
        let mut examples = Examples::default();
        examples.record(
            "embeddings",
            "one",
            &json!({ "data": [{ "embedding": [1.0, 2.0, 3.0, 4.0] }], "id": null }),
        );
        assert_eq!(
            examples.of("embeddings").next().map(|(_, value)| value.clone()),
            Some(json!({ "data": [{ "embedding": [1.0, 2.0, 3.0] }], "id": null }))
        );
        assert!(examples.holds("embeddings", "one", &json!({ "data": [{ "embedding": [9.0] }], "id": "x" })));
        assert!(!examples.holds("embeddings", "one", &json!({ "data": [{ "vector": [9.0] }], "id": "x" })));
        assert!(!examples.holds("embeddings", "two", &json!({})));
        assert_eq!(Examples::parse(&examples.to_text()), Ok(examples));
    }
}
