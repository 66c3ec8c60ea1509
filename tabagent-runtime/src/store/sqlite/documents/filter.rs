//! Filters as SQL. Every name and every value is bound: nothing of a request becomes a part of a statement.

use rusqlite::types::Value;

use crate::documents::{Comparison, Condition, Filter, FilterField, Scalar, Test};

/// A condition on `d`, a row of `documents`, in parentheses; its values are added to `values`, and it has so many places.
pub(super) fn compiled(filter: &Filter, values: &mut Vec<Value>) -> String {
    let conditions: Vec<String> = filter.conditions.iter().map(|condition| one(condition, values)).collect();
    if conditions.is_empty() { "(TRUE)".to_owned() } else { format!("({})", conditions.join(" AND ")) }
}

fn one(Condition { field, test }: &Condition, values: &mut Vec<Value>) -> String {
    match test {
        Test::AnyOf(any) => any_of(field, any, values),
        Test::NoneOf(none) => format!("NOT {}", any_of(field, none, values)),
        Test::Compared(comparison, value) => {
            let sign = match comparison {
                Comparison::Less => "<",
                Comparison::AtMost => "<=",
                Comparison::Greater => ">",
                Comparison::AtLeast => ">=",
            };
            has(field, &format!("{} AND value {sign} ?", is_like(value)), vec![bound(value)], values)
        }
    }
}

fn any_of(field: &FilterField, any: &[Scalar], values: &mut Vec<Value>) -> String {
    let tests: Vec<String> = any
        .iter()
        .map(|scalar| match scalar {
            Scalar::Null => absent(field, values),
            Scalar::Bool(value) => has(field, &format!("type = '{value}'"), Vec::new(), values),
            other => has(field, &format!("{} AND value = ?", is_like(other)), vec![bound(other)], values),
        })
        .collect();
    format!("({})", tests.join(" OR "))
}

/// Whether a value, or one of a list, passes a test on `type`, as JSON calls it, and `value`.
fn has(field: &FilterField, test: &str, bound: Vec<Value>, values: &mut Vec<Value>) -> String {
    let rows = match field {
        FilterField::Metadata(names) => {
            // Of an object the members would be told, which are named by themselves.
            values.extend([Value::Text(path(names)), Value::Text(path(names))]);
            "SELECT type, atom AS value FROM json_each(d.metadata, ?) WHERE json_type(d.metadata, ?) <> 'object'"
                .to_owned()
        }
        FilterField::Created | FilterField::Updated => {
            format!("SELECT 'integer' AS type, {} AS value", column(field))
        }
        _ => format!("SELECT 'text' AS type, {0} AS value WHERE {0} IS NOT NULL", column(field)),
    };
    values.extend(bound);
    format!("EXISTS (SELECT 1 FROM ({rows}) WHERE {test})")
}

fn absent(field: &FilterField, values: &mut Vec<Value>) -> String {
    match field {
        FilterField::Metadata(names) => {
            values.push(Value::Text(path(names)));
            "coalesce(json_type(d.metadata, ?), 'null') = 'null'".to_owned()
        }
        field => format!("{} IS NULL", column(field)),
    }
}

fn column(field: &FilterField) -> &'static str {
    match field {
        FilterField::Id => "d.id",
        FilterField::Title => "d.title",
        FilterField::Source => "d.source",
        FilterField::MediaType => "d.media_type",
        FilterField::Created => "d.created",
        FilterField::Updated => "d.updated",
        FilterField::Metadata(_) => "d.metadata",
    }
}

/// Names as a path of SQLite's JSON.
fn path(names: &[String]) -> String {
    names.iter().fold("$".to_owned(), |path, name| format!("{path}.\"{name}\""))
}

/// The test on `type` for values that a value compares with.
fn is_like(value: &Scalar) -> &'static str {
    match value {
        Scalar::Integer(_) | Scalar::Real(_) => "type IN ('integer', 'real')",
        _ => "type = 'text'",
    }
}

fn bound(value: &Scalar) -> Value {
    match value {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Integer((*value).into()),
        Scalar::Integer(value) => Value::Integer(*value),
        Scalar::Real(value) => Value::Real(*value),
        Scalar::Text(text) => Value::Text(text.clone()),
    }
}
