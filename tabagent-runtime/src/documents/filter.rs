//! Which documents a search, or a list, is about: conditions on their fields and on their metadata.
//!
//! A filter is an object. Each key is a field of the document (`document_id`, `title`, `source`, `media_type`, `created`,
//! `updated`), or the name of something in its metadata, with dots where that is nested; `metadata.` in front tells what is
//! named like a field. A value is what the field has to be, a list any one of which it has to be, or an object of
//! comparisons: `eq`, `ne`, `in`, `gt`, `gte`, `lt`, `lte`. A list in the metadata passes where one of its elements does.
//! All conditions have to hold.

use serde_json::{Map, Number, Value};

use crate::error::{BackendError, Result};

/// Most conditions of a filter.
const MOST_CONDITIONS: usize = 64;
/// Most values of a list.
const MOST_VALUES: usize = 1000;
/// Most values of all conditions together: each has a place in a statement, and SQLite's statements have 32,766.
const MOST_VALUES_TOGETHER: usize = 16_000;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 256;

/// Conditions that a document has to meet, all of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What is looked at.
    pub field: FilterField,
    /// What it has to be.
    pub test: Test,
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of StoredDocument")]
pub enum FilterField {
    Id,
    Title,
    Source,
    MediaType,
    Created,
    Updated,
    /// In the metadata, along these names.
    Metadata(Vec<String>),
}

/// What a value has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// One of these.
    AnyOf(Vec<Scalar>),
    /// None of these; a value that is absent passes.
    NoneOf(Vec<Scalar>),
    /// A number or a text beyond this one; those of the other type do not pass.
    Compared(Comparison, Scalar),
}

impl Test {
    fn values(&self) -> usize {
        match self {
            Self::AnyOf(values) | Self::NoneOf(values) => values.len(),
            Self::Compared(..) => 1,
        }
    }
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A value without parts.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "those of JSON")]
pub enum Scalar {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Filter {
    /// Reads a filter. `name` is the request's field that it is in.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] of the part that cannot be.
    pub fn read(name: &str, filter: &Map<String, Value>) -> Result<Self> {
        let mut conditions = Vec::new();
        for (key, value) in filter {
            let place = format!("{name}.{key}");
            let field = FilterField::named(&place, key)?;
            let mut add = |test| conditions.push(Condition { field: field.clone(), test });
            match value {
                Value::Array(values) => add(Test::AnyOf(scalars(&place, values)?)),
                Value::Object(tests) if tests.is_empty() => {
                    return Err(BackendError::invalid(place, format!("has no comparison; {COMPARISONS}")));
                }
                Value::Object(tests) => {
                    for (word, value) in tests {
                        add(test(&format!("{place}.{word}"), word, value)?);
                    }
                }
                value => add(Test::AnyOf(vec![scalar(&place, value)?])),
            }
        }
        if conditions.len() > MOST_CONDITIONS {
            let reason = format!("has {} conditions; at most {MOST_CONDITIONS} are taken", conditions.len());
            return Err(BackendError::invalid(name, reason));
        }
        let values: usize = conditions.iter().map(|condition| condition.test.values()).sum();
        if values > MOST_VALUES_TOGETHER {
            let reason = format!("has {values} values; at most {MOST_VALUES_TOGETHER} are taken together");
            return Err(BackendError::invalid(name, reason));
        }
        Ok(Self { conditions })
    }

    /// Whether every document passes.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }
}

const COMPARISONS: &str = "give a value, a list of values, or one or more of eq, ne, in, gt, gte, lt and lte";

impl FilterField {
    fn named(place: &str, key: &str) -> Result<Self> {
        Ok(match key {
            "document_id" | "id" => Self::Id,
            "title" => Self::Title,
            "source" => Self::Source,
            "media_type" => Self::MediaType,
            "created" => Self::Created,
            "updated" => Self::Updated,
            key => {
                let path = key.strip_prefix("metadata.").unwrap_or(key);
                if path.len() > LONGEST_NAME || path.split('.').any(str::is_empty) {
                    let reason =
                        format!("is no name; names are parted by dots and have {LONGEST_NAME} bytes at most");
                    return Err(BackendError::invalid(place, reason));
                }
                Self::Metadata(path.split('.').map(str::to_owned).collect())
            }
        })
    }
}

fn test(place: &str, word: &str, value: &Value) -> Result<Test> {
    let list = |value: &Value| match value {
        Value::Array(values) => scalars(place, values),
        value => Ok(vec![scalar(place, value)?]),
    };
    let compared = |comparison| match scalar(place, value)? {
        value @ (Scalar::Integer(_) | Scalar::Real(_) | Scalar::Text(_)) => {
            Ok(Test::Compared(comparison, value))
        }
        _ => Err(BackendError::invalid(place, "compares with a number or a text")),
    };
    match word.strip_prefix('$').unwrap_or(word) {
        "eq" | "in" => Ok(Test::AnyOf(list(value)?)),
        "ne" | "nin" => Ok(Test::NoneOf(list(value)?)),
        "gt" => compared(Comparison::Greater),
        "gte" => compared(Comparison::AtLeast),
        "lt" => compared(Comparison::Less),
        "lte" => compared(Comparison::AtMost),
        _ => Err(BackendError::invalid(place, format!("is no comparison; {COMPARISONS}"))),
    }
}

fn scalars(place: &str, values: &[Value]) -> Result<Vec<Scalar>> {
    if values.is_empty() || values.len() > MOST_VALUES {
        let reason = format!("has {} values; give 1 to {MOST_VALUES}", values.len());
        return Err(BackendError::invalid(place, reason));
    }
    values.iter().map(|value| scalar(place, value)).collect()
}

fn scalar(place: &str, value: &Value) -> Result<Scalar> {
    Ok(match value {
        Value::Null => Scalar::Null,
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Number(value) => number(value),
        Value::String(value) => Scalar::Text(value.clone()),
        Value::Array(_) | Value::Object(_) => {
            return Err(BackendError::invalid(place, format!("is no single value; {COMPARISONS}")));
        }
    })
}

fn number(value: &Number) -> Scalar {
    match value.as_i64() {
        Some(value) => Scalar::Integer(value),
        None => Scalar::Real(value.as_f64().unwrap_or(f64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(filter: Value) -> Result<Filter> {
        Filter::read("filters", filter.as_object().unwrap())
    }

    #[test]
    fn fields_and_metadata_are_told_apart() {
        let filter = read(json!({
            "source": "a", "metadata.source": "b", "author.name": ["x", null], "year": { "gte": 2020, "lt": 2030.5 },
        }))
        .unwrap();
        let metadata =
            |names: &[&str]| FilterField::Metadata(names.iter().map(|name| (*name).to_owned()).collect());
        let text = |text: &str| Scalar::Text(text.to_owned());
        let expected = [
            (FilterField::Source, Test::AnyOf(vec![text("a")])),
            (metadata(&["source"]), Test::AnyOf(vec![text("b")])),
            (metadata(&["author", "name"]), Test::AnyOf(vec![text("x"), Scalar::Null])),
            (metadata(&["year"]), Test::Compared(Comparison::AtLeast, Scalar::Integer(2020))),
            (metadata(&["year"]), Test::Compared(Comparison::Less, Scalar::Real(2030.5))),
        ];
        let expected = expected.map(|(field, test)| Condition { field, test });
        assert_eq!(filter.conditions, expected);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let field = |filter| match read(filter) {
            Err(BackendError::InvalidInput { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(json!({ "a": { "about": 3 } })), "filters.a.about");
        assert_eq!(field(json!({ "a": { "gt": null } })), "filters.a.gt");
        assert_eq!(field(json!({ "a": [] })), "filters.a");
        assert_eq!(field(json!({ "a": {} })), "filters.a");
        assert_eq!(field(json!({ "a": [["b"]] })), "filters.a");
        assert_eq!(field(json!({ "a..b": 1 })), "filters.a..b");
        let long = "n".repeat(LONGEST_NAME + 1);
        assert_eq!(
            field(Value::Object(Map::from_iter([(long.clone(), json!(1))]))),
            format!("filters.{long}")
        );
        let many: Map<String, Value> =
            (0..17).map(|name| (format!("n{name}"), json!((0..1000).collect::<Vec<_>>()))).collect();
        assert_eq!(field(Value::Object(many)), "filters");
    }
}
