//! Filters as SQL: each condition selects the numbers of documents, and a filter what all of them select. Every name and every
//! value is bound: nothing of a request becomes a part of a statement.

use rusqlite::types::Value;

use super::values::path;
use crate::documents::{Comparison, Condition, Filter, FilterField, Scalar, Test};

const ALL: &str = "SELECT number FROM documents";
const NONE: &str = "SELECT number FROM documents WHERE FALSE";

/// The types of values that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Boolean,
}

impl Kind {
    /// As the table of values calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text => "text",
            Self::Boolean => "boolean",
        }
    }
}

/// A statement that selects the numbers of the documents that pass, without an order; its values are added to `values`, and it
/// has so many places.
pub(super) fn selecting(filter: &Filter, values: &mut Vec<Value>) -> String {
    let conditions: Vec<String> = filter.conditions.iter().map(|condition| one(condition, values)).collect();
    match conditions.as_slice() {
        [] => ALL.to_owned(),
        [one] => one.clone(),
        // In parentheses each, since SQL's own order of set operations is from left to right.
        several => {
            let several: Vec<String> = several.iter().map(|one| format!("SELECT * FROM ({one})")).collect();
            several.join(" INTERSECT ")
        }
    }
}

fn one(Condition { field, test }: &Condition, values: &mut Vec<Value>) -> String {
    match test {
        Test::AnyOf(any) => any_of(field, any, values),
        Test::NoneOf(none) => format!("{ALL} EXCEPT SELECT * FROM ({})", any_of(field, none, values)),
        Test::Compared(comparison, value) => {
            let sign = match comparison {
                Comparison::Less => "<",
                Comparison::AtMost => "<=",
                Comparison::Greater => ">",
                Comparison::AtLeast => ">=",
            };
            match bound(value) {
                (Some(kind), value) => having(field, sign, kind, vec![value], values),
                (None, _) => NONE.to_owned(),
            }
        }
    }
}

/// Those of which the field, or an element of it where it is a list, is one of these. The values of a type are one list, as a
/// statement has a bound for how many selections it joins.
fn any_of(field: &FilterField, any: &[Scalar], values: &mut Vec<Value>) -> String {
    let mut parts = Vec::new();
    if any.contains(&Scalar::Null) {
        parts.push(format!("SELECT * FROM ({})", absent(field, values)));
    }
    for kind in [Kind::Number, Kind::Text, Kind::Boolean] {
        let of_kind: Vec<Value> =
            any.iter().map(bound).filter(|(is, _)| *is == Some(kind)).map(|(_, value)| value).collect();
        if !of_kind.is_empty() {
            parts.push(having(field, "IN", kind, of_kind, values));
        }
    }
    if parts.is_empty() { NONE.to_owned() } else { parts.join(" UNION ") }
}

/// Those of which the field, or an element of it, is of a type and stands in a relation to these values.
fn having(
    field: &FilterField,
    relation: &str,
    kind: Kind,
    to: Vec<Value>,
    values: &mut Vec<Value>,
) -> String {
    let places = vec!["?"; to.len()].join(", ");
    let selected = match place(field) {
        Place::Column(_, is) if is != kind => return NONE.to_owned(),
        Place::Column(column, _) => format!("{ALL} WHERE {column} {relation} ({places})"),
        Place::Path(path) => {
            values.extend([Value::Text(path), Value::Text(kind.name().to_owned())]);
            // Several elements of one list can pass.
            format!(
                "SELECT DISTINCT document FROM document_values \
                 WHERE path = ? AND type = ? AND value {relation} ({places})"
            )
        }
    };
    values.extend(to);
    selected
}

fn absent(field: &FilterField, values: &mut Vec<Value>) -> String {
    match place(field) {
        Place::Column(column, _) => format!("{ALL} WHERE {column} IS NULL"),
        Place::Path(path) => {
            values.push(Value::Text(path));
            format!("{ALL} EXCEPT SELECT document FROM document_values WHERE path = ?")
        }
    }
}

/// Where a field is.
enum Place {
    /// In a column that has values of one type.
    Column(&'static str, Kind),
    /// Under a path in the table of values.
    Path(String),
}

fn place(field: &FilterField) -> Place {
    match field {
        FilterField::Id => Place::Column("id", Kind::Text),
        FilterField::Title => Place::Column("title", Kind::Text),
        FilterField::Source => Place::Column("source", Kind::Text),
        FilterField::MediaType => Place::Column("media_type", Kind::Text),
        FilterField::Created => Place::Column("created", Kind::Number),
        FilterField::Updated => Place::Column("updated", Kind::Number),
        FilterField::Metadata(names) => Place::Path(path(names)),
    }
}

/// A value as it is bound, with its type; null has none.
fn bound(scalar: &Scalar) -> (Option<Kind>, Value) {
    match scalar {
        Scalar::Null => (None, Value::Null),
        Scalar::Bool(value) => (Some(Kind::Boolean), Value::Integer((*value).into())),
        Scalar::Integer(value) => (Some(Kind::Number), Value::Integer(*value)),
        Scalar::Real(value) => (Some(Kind::Number), Value::Real(*value)),
        Scalar::Text(text) => (Some(Kind::Text), Value::Text(text.clone())),
    }
}
