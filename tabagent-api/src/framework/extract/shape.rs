//! The shape that a schema gives a body, for what serde reads through a buffer of its own.
//!
//! Untagged and internally tagged enums, flattened fields and content that comes before its tag are kept until their type
//! is known, and then read from serde's buffer. An array passes for a struct there, and `{"variant": null}` for the name
//! of a variant; no deserializer around it sees these reads ([`super::strict`] sees all others). So a body of a type with
//! such parts is held to its schema once more after it was accepted: what the schema refuses here is what serde misread.

use std::any::TypeId;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::forms;
use crate::framework::openapi::schema_value;
use crate::framework::problem::FieldError;

/// Schemas that a schema refers to without going down into the value; a circle of them ends here.
const MOST_REFERENCES: usize = 32;

/// The shapes that are known, by type; `None` where serde has nothing to misread.
static SHAPES: LazyLock<RwLock<HashMap<TypeId, Option<Arc<Shape>>>>> = LazyLock::new(RwLock::default);

/// What is wrong with the shape of a body that was read as a `T`, if anything is.
pub(super) fn misread<T: ToSchema + 'static>(body: &[u8]) -> Option<FieldError> {
    misfit_of(&*Shape::of::<T>()?, body)
}

/// What is wrong with the shape of a body that serde could not read as any form of a part of `T`.
pub(super) fn unread<T: ToSchema>(body: &[u8]) -> Option<FieldError> {
    misfit_of(&Shape::new::<T>(), body)
}

fn misfit_of(shape: &Shape, body: &[u8]) -> Option<FieldError> {
    // It was read once, so that it is JSON.
    let value = serde_json::from_slice(body).ok()?;
    // A body that takes more steps than this is one of a schema whose choices overlap again and again.
    let check = Check { shape, steps: Cell::new(body.len().saturating_mul(8).saturating_add(1024)) };
    let misfit = check.hold(&shape.root, &value, Part::default()).err()?;
    Some(FieldError::new(misfit.field, misfit.message))
}

/// The schema of a type, with those that it refers to.
#[derive(Debug)]
pub(super) struct Shape {
    root: Value,
    named: BTreeMap<String, Value>,
}

impl Shape {
    fn new<T: ToSchema>() -> Self {
        let mut named = Vec::new();
        T::schemas(&mut named);
        Self {
            root: schema_value(T::schema()),
            named: named.into_iter().map(|(name, schema)| (name, schema_value(schema))).collect(),
        }
    }

    /// The shape of `T`, where serde may misread a part of it.
    fn of<T: ToSchema + 'static>() -> Option<Arc<Self>> {
        let id = TypeId::of::<T>();
        if let Some(known) = SHAPES.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return known.clone();
        }
        let shape = Self::new::<T>();
        let shape = shape.is_misread(&shape.root, false, &mut BTreeSet::new()).then(|| Arc::new(shape));
        SHAPES.write().unwrap_or_else(PoisonError::into_inner).insert(id, shape.clone());
        shape
    }

    /// The schema that this one refers to.
    pub(super) fn referred(&self, schema: &Value) -> Option<(&str, &Value)> {
        let name = schema.get("$ref")?.as_str()?.rsplit('/').next()?;
        self.named.get_key_value(name).map(|(name, schema)| (name.as_str(), schema))
    }

    /// Whether an object or a word of a list may be read from a buffer: in one of several forms, or in a flattened part.
    /// Enums whose variants have their names for keys look alike and count as well; it costs them a second reading.
    fn is_misread<'a>(
        &'a self,
        schema: &'a Value,
        buffered: bool,
        seen: &mut BTreeSet<(&'a str, bool)>,
    ) -> bool {
        if let Some((name, referred)) = self.referred(schema) {
            return seen.insert((name, buffered)) && self.is_misread(referred, buffered, seen);
        }
        if buffered && (schema.get("properties").is_some() || schema.get("enum").is_some()) {
            return true;
        }
        let forms = ["anyOf", "oneOf", "allOf"]
            .iter()
            .flat_map(|word| list(schema, word).map(move |form| (*word, form)));
        let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
        // One form or null is an `Option`, which buffers nothing.
        let is_option = list(schema, "anyOf").filter(|form| !is_null(form)).count() == 1;
        let inside = ["items", "additionalProperties"].iter().filter_map(|word| schema.get(word));
        let fields = properties(schema).map(|(_, field)| field);
        forms
            .map(|(word, form)| (form, buffered || !(is_option && word == "anyOf")))
            .chain(inside.chain(fields).chain(list(schema, "prefixItems")).map(|schema| (schema, buffered)))
            .any(|(schema, buffered)| self.is_misread(schema, buffered, seen))
    }

    /// Adds the fields of an object of this schema, those of its parts and forms included.
    fn names<'a>(&'a self, schema: &'a Value, names: &mut BTreeSet<&'a str>, seen: &mut BTreeSet<&'a str>) {
        names.extend(properties(schema).map(|(name, _)| name.as_str()));
        for part in ["allOf", "anyOf", "oneOf"].iter().flat_map(|word| list(schema, word)) {
            self.names(part, names, seen);
        }
        if let Some((name, referred)) = self.referred(schema)
            && seen.insert(name)
        {
            self.names(referred, names, seen);
        }
    }
}

/// The fields that a schema has itself.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// The schemas under a keyword that takes several.
pub(super) fn list<'a>(schema: &'a Value, keyword: &str) -> std::slice::Iter<'a, Value> {
    schema.get(keyword).and_then(Value::as_array).map_or(&[][..], Vec::as_slice).iter()
}

/// Where and why a value is not of its schema.
#[derive(Debug, Clone)]
struct Misfit {
    field: String,
    message: String,
    /// Steps from the value down to the field.
    depth: usize,
    /// Whether it is what tells forms apart, a tag or the fields that are there: then another form is meant.
    elsewhere: bool,
    /// Whether the value is of another type than it should be.
    other_type: bool,
    /// How many elements of the list that is wrong are right before it.
    right: usize,
}

impl Misfit {
    fn new(message: impl Into<String>) -> Self {
        Self {
            field: String::new(),
            message: message.into(),
            depth: 0,
            elsewhere: false,
            other_type: false,
            right: 0,
        }
    }

    fn elsewhere(message: impl Into<String>) -> Self {
        Self { elsewhere: true, ..Self::new(message) }
    }

    /// The misfit of a value that lies under this name or index.
    fn under(mut self, step: &str) -> Self {
        let joint = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{step}{joint}{}", self.field);
        // What is deeper than the fields of a form says nothing about which form it is.
        self.elsewhere &= self.depth == 0;
        self.depth += 1;
        self
    }
}

/// How a schema comes to a value that another one is about as well.
#[derive(Default, Clone, Copy)]
struct Part<'a> {
    /// In a part of an object: the schema of the whole.
    whole: Option<&'a Value>,
    /// Schemas that were passed on the way, on this value.
    references: usize,
}

/// One pass over a body: the keywords that `#[derive(Schema)]` writes, except those of texts, which change no shape.
struct Check<'a> {
    shape: &'a Shape,
    steps: Cell<usize>,
}

impl Check<'_> {
    fn hold(&self, schema: &Value, value: &Value, part: Part<'_>) -> Result<(), Misfit> {
        let left = self.steps.get().checked_sub(1).filter(|_| part.references <= MOST_REFERENCES);
        let Some(left) = left else { return Ok(()) };
        self.steps.set(left);
        if *schema == Value::Bool(false) {
            return Err(Misfit::elsewhere("must not be there"));
        }
        let next = Part { references: part.references + 1, ..part };
        if let Some((_, referred)) = self.shape.referred(schema) {
            self.hold(referred, value, next)?;
        }
        if let Some(kinds) = schema.get("type") {
            is_of_kind(kinds, value)?;
        }
        let words = schema.get("enum").and_then(Value::as_array);
        if let Some(words) = words.filter(|words| !words.contains(value)) {
            let words: Vec<String> = words.iter().map(Value::to_string).collect();
            return Err(Misfit::elsewhere(format!("must be one of {}", words.join(", "))));
        }
        match value {
            Value::Object(fields) => self.hold_object(schema, fields, part)?,
            Value::Array(elements) => self.hold_array(schema, elements)?,
            Value::Number(number) => {
                is_within(schema, ["minimum", "maximum"], number.as_f64(), ["be", "is"], "")?;
            }
            _ => {}
        }
        let of_part = Part { whole: part.whole.or(Some(schema)), ..next };
        list(schema, "allOf").try_for_each(|schema| self.hold(schema, value, of_part))?;
        ["anyOf", "oneOf"].iter().try_for_each(|word| self.hold_one(list(schema, word), value, next))
    }

    /// Holds a value to one of several forms; the error is that of the form that it is most like.
    fn hold_one<'a>(
        &self,
        forms: std::slice::Iter<'a, Value>,
        value: &Value,
        part: Part<'_>,
    ) -> Result<(), Misfit> {
        let mut misfits = Vec::new();
        for form in forms.clone() {
            let Err(misfit) = self.hold(form, value, part) else { return Ok(()) };
            misfits.push(misfit);
        }
        // Of a list or an object it helps to hear what is wrong in it, where it is known which form is meant.
        let is_composed = value.is_object() || value.is_array();
        let mut meant = misfits.iter().filter(|misfit| misfit.depth > 0 || !misfit.other_type);
        if let (true, Some(only), None) = (is_composed, meant.next(), meant.next()) {
            return Err(only.clone());
        }
        let likeness = |misfit: &Misfit| (!misfit.elsewhere, misfit.depth, misfit.right, !misfit.other_type);
        // The first of several.
        match misfits.into_iter().rev().max_by_key(likeness) {
            None => Ok(()),
            Some(misfit) if misfit.depth > 0 && !misfit.elsewhere => Err(misfit),
            Some(_) => Err(Misfit::new(format!("must be {}", forms::in_words(self.shape, forms)))),
        }
    }

    fn hold_object(&self, schema: &Value, fields: &Map<String, Value>, part: Part<'_>) -> Result<(), Misfit> {
        let own = schema.get("properties").and_then(Value::as_object);
        let mut others = schema.get("additionalProperties");
        let mut elsewhere = BTreeSet::new();
        if let (Some(rule), Some(whole)) = (others, part.whole) {
            // A part does not say which fields the rest has, and its rule for other fields is not about those.
            match rule {
                Value::Bool(_) => others = None,
                _ => self.shape.names(whole, &mut elsewhere, &mut BTreeSet::new()),
            }
        }
        let mut found = None;
        for (name, value) in fields {
            let own = own.and_then(|own| own.get(name));
            let rule = own.or(others.filter(|_| !elsewhere.contains(name.as_str())));
            match rule.map(|rule| self.hold(rule, value, Part::default())) {
                Some(Err(misfit)) if found.is_none() || misfit.elsewhere => found = Some(misfit.under(name)),
                _ => {}
            }
        }
        if let Some(misfit) = found {
            return Err(misfit);
        }
        let mut required = list(schema, "required").filter_map(Value::as_str);
        match required.find(|name| !fields.contains_key(*name)) {
            Some(name) => Err(Misfit::elsewhere("must be there").under(name)),
            None => Ok(()),
        }
    }

    fn hold_array(&self, schema: &Value, elements: &[Value]) -> Result<(), Misfit> {
        #[allow(clippy::cast_precision_loss, reason = "no array has so many elements")]
        is_within(schema, ["minItems", "maxItems"], Some(elements.len() as f64), ["have", "has"], " items")?;
        let mut first = list(schema, "prefixItems");
        for (index, element) in elements.iter().enumerate() {
            if let Some(rule) = first.next().or_else(|| schema.get("items")) {
                let within = |misfit: Misfit| Misfit { right: index, ..misfit.under(&format!("[{index}]")) };
                self.hold(rule, element, Part::default()).map_err(within)?;
            }
        }
        Ok(())
    }
}

/// Whether a value is of the one type, or of one of several, that `type` names.
fn is_of_kind(kinds: &Value, value: &Value) -> Result<(), Misfit> {
    let (kind, article) = match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", "a "),
        Value::Number(_) => ("number", "a "),
        Value::String(_) => ("string", "a "),
        Value::Array(_) => ("array", "an "),
        Value::Object(_) => ("object", "an "),
    };
    // As in JSON Schema, `1.0` is an integer.
    let is_whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let is = |wanted: &Value| *wanted == kind || (*wanted == "integer" && is_whole);
    let kinds = kinds.as_array().map_or(std::slice::from_ref(kinds), Vec::as_slice);
    if kinds.iter().any(is) {
        return Ok(());
    }
    let wanted: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
    let message = format!("must be of type {}, is {article}{kind}", wanted.join(" or "));
    Err(Misfit { other_type: true, ..Misfit::new(message) })
}

/// `must` and `does` are the verb that says what the number is of, `unit` what is counted.
fn is_within(
    schema: &Value,
    [least, most]: [&str; 2],
    number: Option<f64>,
    [must, does]: [&str; 2],
    unit: &str,
) -> Result<(), Misfit> {
    let Some(number) = number else { return Ok(()) };
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let (side, bound) = match (bound(least), bound(most)) {
        (Some(least), _) if number < least => ("least", least),
        (_, Some(most)) if number > most => ("most", most),
        _ => return Ok(()),
    };
    Err(Misfit::new(format!("must {must} at {side} {bound}{unit}, {does} {number}")))
}

#[cfg(test)]
mod tests;
