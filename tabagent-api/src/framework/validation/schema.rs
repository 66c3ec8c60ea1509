//! The schema half: each type's JSON Schema, and the keywords that the rules add to it.

use garde::Report;
use garde::error::Path;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::SchemaType as TypeKeyword;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::ValidationRule;

/// Named schemas that a type needs, as utoipa lists them.
pub type SchemaList = Vec<(String, RefOr<Schema>)>;

/// What a type offers to a query or a path, which are read field by field, each from one piece of text.
#[derive(Debug, Clone, Copy)]
pub enum TextFields {
    /// Nothing is known.
    Unknown,
    /// It has no fields with names.
    None,
    /// It has no fields with names, and is read from one piece of text, or from one for each of its values.
    Whole,
    /// Each field's name on the wire, and whether its value stands in one piece of text.
    Named(&'static [(&'static str, bool)]),
}

/// How far the numbers of a type go on the wire.
#[derive(Debug, Clone, Copy)]
pub enum Reach {
    /// As far as JSON's do, or it is no number.
    Open,
    /// Whole numbers from the first to the second.
    Whole(i64, i64),
    /// As far as those of an `f32`.
    Single,
}

/// A type that can be a field of a type with a schema.
#[diagnostic::on_unimplemented(
    message = "[schema-type-unknown] `{Self}` has no schema",
    label = "this field's type has no schema",
    note = "derive `tabagent_api::Schema` for it, or say which schema it has on the wire: `#[rule(schema_as(String))]`"
)]
pub trait SchemaType {
    /// How far its numbers go on the wire.
    const REACH: Reach = Reach::Open;
    /// Whether a value stands in one piece of text, as those of a query and a path do.
    const IN_TEXT: bool = true;
    /// The fields, as a query or a path is read into them.
    const FIELDS: TextFields = TextFields::Unknown;

    /// The schema to put where the type is used: its own, or a reference to a named one.
    fn usage() -> Value;

    /// Adds the named schemas that `usage` refers to.
    fn collect(list: &mut SchemaList) {
        let _ = list;
    }

    /// Checks what the schema says of every value of this type, whatever its field's rules are.
    fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        let _ = (at, report);
    }
}

/// The mark by which the document's builder tells two types of one name apart.
pub(crate) const TYPE_MARK: &str = "x-rust-type";

/// The mark of a schema with the defaults that break a rule of their own field: pairs of the field and what is wrong.
pub(crate) const DEFAULTS_MARK: &str = "x-broken-defaults";

/// The largest integer that every JSON reader keeps exactly.
pub(crate) const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A schema in JSON as utoipa carries schemas: one object whose every keyword is an extension.
///
/// utoipa has fields for most keywords but not for all, and leaves out some that are given; as an extension each one
/// is written as it is here.
pub fn opaque(schema: Value) -> RefOr<Schema> {
    let keywords: Map<String, Value> = match schema {
        Value::Object(keywords) => keywords,
        _ => Map::new(),
    };
    let object = ObjectBuilder::new()
        .schema_type(TypeKeyword::AnyValue)
        .extensions(Some(keywords.into_iter().collect::<Extensions>()))
        .build();
    RefOr::T(Schema::Object(object))
}

/// Marks the schema of `T` with its type.
pub fn marked<T: ?Sized>(mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert(TYPE_MARK.to_owned(), std::any::type_name::<T>().into());
    }
    schema
}

/// Marks a schema with the defaults that break a rule, if there are any.
pub fn with_broken_defaults(mut schema: Value, broken: &Report) -> Value {
    let broken: Vec<Value> =
        broken.iter().map(|(field, error)| json!([field.to_string(), error.to_string()])).collect();
    if let Some(object) = schema.as_object_mut()
        && !broken.is_empty()
    {
        object.insert(DEFAULTS_MARK.to_owned(), broken.into());
    }
    schema
}

/// A reference to a named schema.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Adds a named type and all that it needs, unless it is there.
pub fn collect_named<T: ToSchema>(list: &mut SchemaList) {
    let name = T::name().into_owned();
    let mark = std::any::type_name::<T>();
    let is_there = |(known, schema): &(String, RefOr<Schema>)| {
        *known == name
            && matches!(schema, RefOr::T(Schema::Object(object))
                if object.extensions.as_ref().and_then(|marks| marks.get(TYPE_MARK)).is_some_and(|found| found == mark))
    };
    if !list.iter().any(is_there) {
        list.push((name, T::schema()));
        T::schemas(list);
    }
}

/// Adds a description, if there is one.
pub fn described(mut schema: Value, description: &str) -> Value {
    if let Some(object) = schema.as_object_mut()
        && !description.is_empty()
    {
        object.insert("description".to_owned(), description.into());
    }
    schema
}

/// Adds examples.
pub fn with_examples(mut schema: Value, examples: Vec<Value>) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("examples".to_owned(), examples.into());
    }
    schema
}

/// Adds what rules say to a schema.
pub fn ruled(mut schema: Value, rules: &[ValidationRule]) -> Value {
    for rule in rules {
        say(&mut schema, rule);
    }
    schema
}

pub(super) fn is_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(any)) => any.iter().any(|one| one == name),
        _ => false,
    }
}

/// Writes one rule into a schema. Of two bounds the narrower one stands, as all of them are enforced.
fn say(schema: &mut Value, rule: &ValidationRule) {
    let is_map = is_type(schema, "object");
    let is_list = is_type(schema, "array");
    let is_nullable = is_type(schema, "null");
    let Some(object) = schema.as_object_mut() else { return };
    let mut bound = |name: &str, value: Option<Value>| {
        let Some(value) = value else { return };
        if let (Some(known), Some(new)) = (object.get(name).and_then(Value::as_f64), value.as_f64()) {
            let narrower = if name.starts_with("min") { new > known } else { new < known };
            if !narrower {
                return;
            }
        }
        object.insert(name.to_owned(), value);
    };
    match rule {
        ValidationRule::NotEmpty if is_list => bound("minItems", Some(1.into())),
        ValidationRule::NotEmpty if is_map => bound("minProperties", Some(1.into())),
        ValidationRule::NotEmpty => bound("minLength", Some(1.into())),
        ValidationRule::Length { min, max } => {
            bound("minLength", min.map(Value::from));
            bound("maxLength", max.map(Value::from));
        }
        ValidationRule::Items { min, max } => {
            let (least, most) =
                if is_map { ("minProperties", "maxProperties") } else { ("minItems", "maxItems") };
            bound(least, min.map(Value::from));
            bound(most, max.map(Value::from));
        }
        ValidationRule::InRange { min, max } => {
            bound("minimum", min.map(number));
            bound("maximum", max.map(number));
        }
        ValidationRule::Pattern(pattern) => bound("pattern", Some((*pattern).into())),
        ValidationRule::OneOf(words) => {
            let mut values: Vec<Value> = words.iter().map(|word| Value::from(*word)).collect();
            if is_nullable {
                values.push(Value::Null);
            }
            bound("enum", Some(values.into()));
        }
        ValidationRule::Each(rules) => {
            let inner = if is_map { "additionalProperties" } else { "items" };
            if let Some(element) = object.get_mut(inner) {
                for rule in *rules {
                    say(element, rule);
                }
            }
        }
        ValidationRule::Nested | ValidationRule::Custom(_) | ValidationRule::Any(_) => {}
    }
}

/// A bound as JSON: whole numbers without a fraction.
fn number(bound: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "the value is whole and within 53 bits")]
    if bound.fract() == 0.0 && bound.abs() <= SAFE_INTEGER as f64 {
        (bound as i64).into()
    } else {
        bound.into()
    }
}

/// Builds the schema of an object.
#[derive(Debug)]
pub struct ObjectSchema {
    properties: Map<String, Value>,
    required: Vec<Value>,
    conditions: Vec<Value>,
    flattened: Vec<Value>,
    closed: bool,
}

impl ObjectSchema {
    /// An object without fields; a closed one has no others than those added.
    pub fn new(closed: bool) -> Self {
        Self {
            properties: Map::new(),
            required: Vec::new(),
            conditions: Vec::new(),
            flattened: Vec::new(),
            closed,
        }
    }

    /// Adds a field, which may be sent under one of its names.
    pub fn field(
        &mut self,
        name: &str,
        aliases: &[&str],
        required: bool,
        deprecated: bool,
        mut schema: Value,
    ) {
        if deprecated && let Some(object) = schema.as_object_mut() {
            object.insert("deprecated".to_owned(), true.into());
        }
        for alias in aliases {
            let other = described(schema.clone(), &format!("Another name of `{name}`."));
            self.properties.insert((*alias).to_owned(), other);
        }
        self.properties.insert(name.to_owned(), schema);
        if aliases.is_empty() {
            if required {
                self.required.push(name.into());
            }
            return;
        }
        // Two names at once are one field twice, which serde refuses.
        let mut choices: Vec<Value> =
            std::iter::once(&name).chain(aliases).map(|name| json!({ "required": [name] })).collect();
        if !required {
            choices.push(json!({ "not": { "anyOf": choices.clone() } }));
        }
        self.conditions.push(json!({ "oneOf": choices }));
    }

    /// Adds the fields of another object. Of an object that may be absent any part may be, and serde takes the rest for
    /// fields of nobody.
    pub fn flatten(&mut self, mut schema: Value) {
        for form in schema.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
            if *form == null_schema() {
                *form = json!({});
            }
        }
        self.flattened.push(schema);
    }

    /// The schema.
    pub fn finish(self) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), "object".into());
        if !self.properties.is_empty() {
            object.insert("properties".to_owned(), self.properties.into());
        }
        if !self.required.is_empty() {
            object.insert("required".to_owned(), self.required.into());
        }
        if self.closed {
            // With parts from elsewhere only `unevaluatedProperties` sees all that is allowed.
            let word =
                if self.flattened.is_empty() { "additionalProperties" } else { "unevaluatedProperties" };
            object.insert(word.to_owned(), false.into());
        }
        let parts: Vec<Value> = self.flattened.into_iter().chain(self.conditions).collect();
        if !parts.is_empty() {
            object.insert("allOf".to_owned(), parts.into());
        }
        object.into()
    }
}

/// The schema of an enum of names, each with its description.
pub fn names_schema(names: &[(&str, &str)]) -> Value {
    let words: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let remarks: Vec<String> = names
        .iter()
        .filter(|(_, description)| !description.is_empty())
        .map(|(name, description)| format!("`{name}`: {description}"))
        .collect();
    described(json!({ "type": "string", "enum": words }), &remarks.join("\n"))
}

/// One of several schemas, under `oneOf` or `anyOf`.
pub fn choice_schema(keyword: &str, choices: Vec<Value>) -> Value {
    json!({ keyword: choices })
}

/// A variant under its name: `{"Name": ..}`.
pub fn keyed_schema(name: &str, inner: Value) -> Value {
    let mut object = ObjectSchema::new(true);
    object.field(name, &[], true, false, inner);
    object.finish()
}

/// A variant with its tag and its content side by side.
pub fn adjacent_schema(tag: &str, name: &str, content: &str, inner: Option<Value>, closed: bool) -> Value {
    let mut object = ObjectSchema::new(closed);
    object.field(tag, &[], true, false, names_schema(&[(name, "")]));
    if let Some(inner) = inner {
        object.field(content, &[], true, false, inner);
    }
    object.finish()
}

/// An array of exactly these elements.
pub fn tuple_schema(items: Vec<Value>) -> Value {
    let count = items.len();
    json!({ "type": "array", "prefixItems": items, "items": false, "minItems": count, "maxItems": count })
}

/// Nothing.
pub fn null_schema() -> Value {
    json!({ "type": "null" })
}
