//! How large a constraint may be. llguidance bounds what a grammar grows to, and not how deep it recurses nor how long a
//! single text takes; both go with the size of what it is given.

use serde_json::Value;

use super::{Constraint, TextForm};
use crate::error::{BackendError, Result};

/// Bytes of all schemas of a constraint, without what they say to people.
const SCHEMAS: usize = 128 << 10;
/// Bytes of a text that a schema gives as it is, or as a pattern.
const GIVEN: usize = 8 << 10;
/// Bytes of a regular expression.
const REGEX: usize = 4 << 10;
/// Bytes of a grammar.
const LARK: usize = 32 << 10;
/// Texts to choose from, and bytes of each.
const CHOICES: usize = 1000;
const CHOICE: usize = 4 << 10;

/// Whether a constraint is small enough to be compiled.
///
/// # Errors
/// [`BackendError::InvalidInput`] that names the field which is too large.
pub(super) fn check(constraint: &Constraint) -> Result<()> {
    let within = |field: &str, what: &str, size: usize, most: usize| {
        if size <= most {
            return Ok(());
        }
        let reason = format!("has {size} {what}, and {most} can be held; ask for a simpler form");
        Err(BackendError::invalid(field, reason))
    };
    let mut schemas: Vec<(&str, &Value)> = Vec::new();
    if let Some(text) = &constraint.text {
        let field = text.field.as_str();
        match &text.form {
            TextForm::JsonObject => {}
            TextForm::JsonSchema { schema, .. } => schemas.push((field, schema)),
            TextForm::Regex(regex) => within(field, "bytes", regex.len(), REGEX)?,
            TextForm::Lark(grammar) => within(field, "bytes", grammar.len(), LARK)?,
            TextForm::Choice(texts) => {
                within(field, "texts", texts.len(), CHOICES)?;
                let longest = texts.iter().map(String::len).max().unwrap_or(0);
                within(field, "bytes in one text", longest, CHOICE)?;
            }
        }
    }
    let tools = constraint.calls.iter().flat_map(|calls| &calls.tools);
    schemas.extend(tools.filter_map(|tool| Some((tool.field.as_str(), tool.parameters.as_ref()?))));
    let mut total = 0;
    for (field, schema) in schemas {
        let mut longest = 0;
        total += weigh(schema, false, &mut longest);
        within(field, "bytes in one text or pattern", longest, GIVEN)?;
        within(field, "bytes, with all schemas before it,", total, SCHEMAS)?;
    }
    Ok(())
}

/// Bytes of a part of a schema. `given`: whether it is a value that the answer may have; the longest text among these is
/// noted.
fn weigh(value: &Value, given: bool, longest: &mut usize) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("description" | "title" | "$comment", Value::String(_)) if !given => 0,
                ("default" | "examples", _) if !given => 0,
                ("const" | "enum" | "pattern", _) => name.len() + 6 + weigh(value, true, longest),
                _ => name.len() + 6 + weigh(value, given, longest),
            })
            .sum::<usize>(),
        Value::Array(items) => items.iter().map(|item| 1 + weigh(item, given, longest)).sum::<usize>() + 2,
        Value::String(text) => {
            if given {
                *longest = text.len().max(*longest);
            }
            text.len() + 2
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 5,
    }
}
