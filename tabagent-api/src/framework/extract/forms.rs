//! The forms that a schema allows, in words, for a value that has none of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shape::{Shape, list};

/// Forms that are named; a schema with more of them is looked up in the document.
const MOST_FORMS: usize = 8;

/// Says which forms these schemas allow: "a string, or an array of strings".
///
/// It is the end of a sentence that begins with "must be".
pub(super) fn in_words<'a>(shape: &'a Shape, forms: impl Iterator<Item = &'a Value>) -> String {
    let mut words = Words { shape, seen: BTreeSet::new(), forms: Vec::new() };
    forms.for_each(|form| words.add(form));
    let forms = words.forms;
    match forms.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) if forms.len() <= MOST_FORMS => format!("{}, or {last}", first.join(", ")),
        _ => "in one of the forms that the document lists".to_owned(),
    }
}

struct Words<'a> {
    shape: &'a Shape,
    /// Schemas that were described by name; a schema may hold itself.
    seen: BTreeSet<&'a str>,
    forms: Vec<String>,
}

impl<'a> Words<'a> {
    fn add(&mut self, schema: &'a Value) {
        if let Some((name, referred)) = self.shape.referred(schema) {
            if self.seen.insert(name) {
                self.add(referred);
            }
            return;
        }
        let choices: Vec<&Value> = ["anyOf", "oneOf"].iter().flat_map(|word| list(schema, word)).collect();
        if !choices.is_empty() {
            choices.into_iter().for_each(|form| self.add(form));
            return;
        }
        if schema.get("enum").is_some() {
            list(schema, "enum").for_each(|word| self.push(word.to_string()));
            return;
        }
        match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().for_each(|kind| self.push(one(kind))),
            Some(kind) if kind == "array" => {
                let items = schema.get("items").and_then(|items| Some(many(items.get("type")?)));
                self.push(
                    items.map_or_else(|| "an array".to_owned(), |items| format!("an array of {items}")),
                );
            }
            Some(kind) if kind == "object" => self.push(object(schema)),
            Some(kind) => self.push(one(kind)),
            // A part of the whole, or any value at all.
            None => match list(schema, "allOf").next() {
                Some(part) => self.add(part),
                None => self.push("another value".to_owned()),
            },
        }
    }

    fn push(&mut self, form: String) {
        if !self.forms.contains(&form) {
            self.forms.push(form);
        }
    }
}

/// An object by what tells it apart: the one word that a field of it can be, else the fields that must be there.
fn object(schema: &Value) -> String {
    let tag = super::shape::properties(schema).find_map(|(name, field)| {
        let mut words = list(field, "enum");
        Some((name, words.next()?)).filter(|_| words.next().is_none())
    });
    if let Some((name, word)) = tag {
        return format!("an object with `{name}`: {word}");
    }
    let required: Vec<String> =
        list(schema, "required").filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
    if required.is_empty() {
        one(&"object".into())
    } else {
        format!("an object with {}", required.join(" and "))
    }
}

fn one(kind: &Value) -> String {
    match kind.as_str().unwrap_or_default() {
        "array" => "an array",
        "boolean" => "true or false",
        "integer" => "an integer",
        "null" => "null",
        "number" => "a number",
        "object" => "an object",
        _ => "a string",
    }
    .to_owned()
}

fn many(kind: &Value) -> &'static str {
    match kind.as_str().unwrap_or_default() {
        "array" => "arrays",
        "boolean" => "truth values",
        "integer" => "integers",
        "number" => "numbers",
        "object" => "objects",
        "string" => "strings",
        _ => "values",
    }
}
