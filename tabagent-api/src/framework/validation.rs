//! Validation rules, stated once: what `#[derive(Schema)]` enforces and what the schema says.
//!
//! A client that follows the schema is never refused for shape, one that breaks it always is. The derive implements
//! garde's `Validate`, calling one fn of this module a rule, and utoipa's `ToSchema`, with schemas built here as JSON.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Display;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use garde::error::{Error, Path};
use garde::{Report, Validate};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::SchemaType as TypeKeyword;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::problem::FieldError;

/// A rule of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValidationRule {
    /// At least one character, element or entry.
    NotEmpty,
    /// So many characters, bounds included.
    Length {
        /// At least.
        min: Option<usize>,
        /// At most.
        max: Option<usize>,
    },
    /// So many elements or entries, bounds included.
    Items {
        /// At least.
        min: Option<usize>,
        /// At most.
        max: Option<usize>,
    },
    /// A number between bounds, bounds included.
    InRange {
        /// At least.
        min: Option<f64>,
        /// At most.
        max: Option<f64>,
    },
    /// Text in which a regular expression is found.
    Pattern(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// These rules, for each element.
    Each(&'static [ValidationRule]),
    /// The rules of the type itself.
    Nested,
    /// A check that the schema cannot say, by the name of its fn.
    Custom(&'static str),
    /// No rule, and why.
    Any(&'static str),
}

/// The rules of a type, field by field. Derived by `#[derive(Schema)]`.
pub trait Ruled {
    /// Each field's name on the wire with one of its rules.
    const RULES: &'static [(&'static str, ValidationRule)];
}

/// Named schemas that a type needs, as utoipa lists them.
pub type SchemaList = Vec<(String, RefOr<Schema>)>;

/// A type that can be a field of a type with a schema.
#[diagnostic::on_unimplemented(
    message = "[schema-type-unknown] `{Self}` has no schema",
    label = "this field's type has no schema",
    note = "derive `tabagent_api::Schema` for it, or say which schema it has on the wire: `#[rule(schema_as(String))]`"
)]
pub trait SchemaType {
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
const TYPE_MARK: &str = "x-rust-type";

/// The largest integer that every JSON reader keeps exactly.
const SAFE_INTEGER: i64 = (1 << 53) - 1;

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

fn is_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(any)) => any.iter().any(|one| one == name),
        _ => false,
    }
}

/// Writes one rule into a schema. Of two rules for one keyword the last stands, as all of them are enforced.
fn say(schema: &mut Value, rule: &ValidationRule) {
    let is_map = is_type(schema, "object");
    let is_list = is_type(schema, "array");
    let is_nullable = is_type(schema, "null");
    let Some(object) = schema.as_object_mut() else { return };
    let mut bound = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
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

    /// Adds the fields of another object.
    pub fn flatten(&mut self, schema: Value) {
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

/// The broken rules of a value, by field.
pub fn broken_rules<T: Validate<Context = ()>>(value: &T) -> Vec<FieldError> {
    let Err(report) = value.validate() else { return Vec::new() };
    report
        .iter()
        .map(|(path, error)| FieldError { field: path.to_string(), message: error.to_string() })
        .collect()
}

/// Validates what is inside a field, where its type has rules.
#[derive(Debug)]
pub struct Inside<T: ?Sized>(PhantomData<T>);

impl<T: Validate<Context = ()>> Inside<T> {
    /// Applies the type's own rules.
    pub fn validate(value: &T, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        value.validate_into(&(), at, report);
    }
}

/// A type without rules of its own: strings, numbers, lists of them.
pub trait UnlessValidated {
    /// The type.
    type Value: ?Sized;

    /// Has nothing to apply.
    fn validate(value: &Self::Value, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        let _ = (value, at, report);
    }
}

impl<T: ?Sized> UnlessValidated for Inside<T> {
    type Value = T;
}

/// The schema of a field's type, where it has one; what the derive calls.
#[derive(Debug)]
pub struct FieldType<T: ?Sized>(PhantomData<T>);

impl<T: SchemaType> FieldType<T> {
    /// The type has a schema.
    pub const IS_KNOWN: bool = true;

    /// The schema to put where the type is used.
    pub fn usage() -> Value {
        T::usage()
    }

    /// Adds the named schemas that it refers to.
    pub fn collect(list: &mut SchemaList) {
        T::collect(list);
    }

    /// Checks what the schema says of every value of the type.
    pub fn check(value: &T, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        value.check(at, report);
    }
}

/// A field whose type has no schema: a const check stops the compiler.
pub trait UnlessSchemaType {
    /// The type.
    type Value: ?Sized;
    /// The type has no schema.
    const IS_KNOWN: bool = false;

    /// Says nothing.
    fn usage() -> Value {
        Value::Bool(true)
    }

    /// Adds nothing.
    fn collect(_: &mut SchemaList) {}

    /// Has nothing to check.
    fn check(_: &Self::Value, _: &mut dyn FnMut() -> Path, _: &mut Report) {}
}

impl<T: ?Sized> UnlessSchemaType for FieldType<T> {
    type Value = T;
}

fn refuse(at: &mut dyn FnMut() -> Path, report: &mut Report, message: impl Display) {
    report.append(at(), Error::new(message.to_string()));
}

/// A regular expression, compiled when it is first used.
#[derive(Debug)]
pub struct Pattern {
    text: &'static str,
    compiled: OnceLock<Option<regex::Regex>>,
}

impl Pattern {
    /// The derive has checked that `text` is one.
    pub const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    fn is_found_in(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| regex::Regex::new(self.text).ok());
        compiled.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }
}

/// A value that is text.
#[diagnostic::on_unimplemented(
    message = "[schema-rule-mismatch] `length`, `pattern` and `one_of` are rules of text, and `{Self}` is none",
    label = "not a rule of `{Self}`",
    note = "`items` counts the elements of a list, `range` bounds a number, `each(..)` holds the rules of elements"
)]
pub trait TextValue {
    /// The text.
    fn text(&self) -> &str;
}

/// What is called with each element and its place.
pub type Visit<'a, T> = &'a mut dyn FnMut(&T, &mut dyn FnMut() -> Path);

/// A value that has elements.
#[diagnostic::on_unimplemented(
    message = "[schema-rule-mismatch] `items` and `each` are rules of lists and maps, and `{Self}` is none",
    label = "not a rule of `{Self}`",
    note = "`length` counts the characters of text, `range` bounds a number"
)]
pub trait ListValue {
    /// An element.
    type Element;

    /// How many there are.
    fn count(&self) -> usize;

    /// Calls `visit` with each element and its place.
    fn visit(&self, at: &mut dyn FnMut() -> Path, visit: Visit<'_, Self::Element>);
}

/// A value that is a number.
#[diagnostic::on_unimplemented(
    message = "[schema-rule-mismatch] `range` is a rule of numbers, and `{Self}` is none",
    label = "not a rule of `{Self}`",
    note = "`length` counts the characters of text, `items` the elements of a list"
)]
pub trait NumberValue {
    /// The number.
    fn number(&self) -> f64;
}

/// A value that can be empty.
#[diagnostic::on_unimplemented(
    message = "[schema-rule-mismatch] `not_empty` is a rule of text, lists and maps, and `{Self}` is none",
    label = "not a rule of `{Self}`"
)]
pub trait EmptyValue {
    /// Whether it is.
    fn is_empty_value(&self) -> bool;
}

/// `nested` is said of a type that has rules.
#[diagnostic::on_unimplemented(
    message = "[schema-rule-mismatch] `{Self}` has no rules to apply",
    label = "`nested` applies the rules of this type",
    note = "derive `tabagent_api::Schema` for it and give its fields `#[rule(..)]`"
)]
pub trait NestedValue {}

#[diagnostic::do_not_recommend]
impl<T: Validate<Context = ()>> NestedValue for T {}

/// `not_empty`.
pub fn rule_not_empty<T: EmptyValue>(value: &T, at: &mut dyn FnMut() -> Path, report: &mut Report) {
    if value.is_empty_value() {
        refuse(at, report, "must not be empty");
    }
}

fn within(count: usize, min: Option<usize>, max: Option<usize>, what: &str) -> Option<String> {
    let plural = |bound: usize| if bound == 1 { "" } else { "s" };
    if let Some(min) = min.filter(|min| count < *min) {
        return Some(format!("must have at least {min} {what}{}, has {count}", plural(min)));
    }
    let max = max.filter(|max| count > *max)?;
    Some(format!("must have at most {max} {what}{}, has {count}", plural(max)))
}

/// `length`: characters, as JSON Schema counts them.
pub fn rule_length<T: TextValue>(
    value: &T,
    rule: &ValidationRule,
    at: &mut dyn FnMut() -> Path,
    report: &mut Report,
) {
    if let ValidationRule::Length { min, max } = rule
        && let Some(message) = within(value.text().chars().count(), *min, *max, "character")
    {
        refuse(at, report, message);
    }
}

/// `items`: elements or entries.
pub fn rule_items<T: ListValue>(
    value: &T,
    rule: &ValidationRule,
    at: &mut dyn FnMut() -> Path,
    report: &mut Report,
) {
    if let ValidationRule::Items { min, max } = rule
        && let Some(message) = within(value.count(), *min, *max, "item")
    {
        refuse(at, report, message);
    }
}

/// `range`: bounds included.
pub fn rule_range<T: NumberValue>(
    value: &T,
    rule: &ValidationRule,
    at: &mut dyn FnMut() -> Path,
    report: &mut Report,
) {
    let ValidationRule::InRange { min, max } = rule else { return };
    let value = value.number();
    if let Some(min) = min.filter(|min| value < *min || value.is_nan()) {
        refuse(at, report, format!("must be at least {min}"));
    } else if let Some(max) = max.filter(|max| value > *max || value.is_nan()) {
        refuse(at, report, format!("must be at most {max}"));
    }
}

/// `one_of`.
pub fn rule_one_of<T: TextValue>(
    value: &T,
    rule: &ValidationRule,
    at: &mut dyn FnMut() -> Path,
    report: &mut Report,
) {
    if let ValidationRule::OneOf(words) = rule
        && !words.contains(&value.text())
    {
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        refuse(at, report, format!("must be one of {}", words.join(", ")));
    }
}

/// `pattern`.
pub fn rule_pattern<T: TextValue>(
    value: &T,
    pattern: &Pattern,
    at: &mut dyn FnMut() -> Path,
    report: &mut Report,
) {
    if !pattern.is_found_in(value.text()) {
        refuse(at, report, format!("must match `{}`", pattern.text));
    }
}

/// The rules of one element: the element, its place, the report.
pub type ElementRules<'a, T> = &'a mut dyn FnMut(&T, &mut dyn FnMut() -> Path, &mut Report);

/// `each`.
pub fn rule_each<T: ListValue>(
    value: &T,
    at: &mut dyn FnMut() -> Path,
    report: &mut Report,
    rules: ElementRules<'_, T::Element>,
) {
    value.visit(at, &mut |element, at| rules(element, at, report));
}

/// `custom`.
pub fn rule_custom<E: Display>(outcome: Result<(), E>, at: &mut dyn FnMut() -> Path, report: &mut Report) {
    if let Err(message) = outcome {
        refuse(at, report, message);
    }
}

/// `nested`: the rules are applied to every field; this demands that there are some.
pub fn rule_nested<T: NestedValue>(_: &T) {}

impl<T: TextValue + ?Sized> TextValue for &T {
    fn text(&self) -> &str {
        (**self).text()
    }
}

impl<T: TextValue + ?Sized> TextValue for Box<T> {
    fn text(&self) -> &str {
        (**self).text()
    }
}

impl<T: TextValue + ?Sized> TextValue for Arc<T> {
    fn text(&self) -> &str {
        (**self).text()
    }
}

impl TextValue for str {
    fn text(&self) -> &str {
        self
    }
}

impl TextValue for String {
    fn text(&self) -> &str {
        self
    }
}

impl TextValue for Cow<'_, str> {
    fn text(&self) -> &str {
        self
    }
}

impl EmptyValue for String {
    fn is_empty_value(&self) -> bool {
        self.is_empty()
    }
}

impl EmptyValue for Cow<'_, str> {
    fn is_empty_value(&self) -> bool {
        self.is_empty()
    }
}

impl<T: EmptyValue + ?Sized> EmptyValue for &T {
    fn is_empty_value(&self) -> bool {
        (**self).is_empty_value()
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $type:ty),*) => {$(
        impl<T, $($generics)*> ListValue for $type {
            type Element = T;

            fn count(&self) -> usize {
                self.len()
            }

            fn visit(&self, at: &mut dyn FnMut() -> Path, visit: Visit<'_, T>) {
                for (index, element) in self.iter().enumerate() {
                    visit(element, &mut || at().join(index));
                }
            }
        }

        impl<T, $($generics)*> EmptyValue for $type {
            fn is_empty_value(&self) -> bool {
                self.len() == 0
            }
        }

        impl<T: SchemaType, $($generics)*> SchemaType for $type {
            fn usage() -> Value {
                json!({ "type": "array", "items": T::usage() })
            }

            fn collect(list: &mut SchemaList) {
                T::collect(list);
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                for (index, element) in self.iter().enumerate() {
                    element.check(&mut || at().join(index), report);
                }
            }
        }
    )*};
}

lists!([] Vec<T>, [] VecDeque<T>, [] BTreeSet<T>, [S: BuildHasher] HashSet<T, S>);

impl<T: SchemaType, const N: usize> SchemaType for [T; N] {
    fn usage() -> Value {
        json!({ "type": "array", "items": T::usage(), "minItems": N, "maxItems": N })
    }

    fn collect(list: &mut SchemaList) {
        T::collect(list);
    }

    fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        for (index, element) in self.iter().enumerate() {
            element.check(&mut || at().join(index), report);
        }
    }
}

macro_rules! maps {
    ($([$($generics:tt)*] $type:ty),*) => {$(
        impl<T, $($generics)*> ListValue for $type {
            type Element = T;

            fn count(&self) -> usize {
                self.len()
            }

            fn visit(&self, at: &mut dyn FnMut() -> Path, visit: Visit<'_, T>) {
                for (key, element) in self {
                    visit(element, &mut || at().join(key.as_str()));
                }
            }
        }

        impl<T, $($generics)*> EmptyValue for $type {
            fn is_empty_value(&self) -> bool {
                self.is_empty()
            }
        }

        impl<T: SchemaType, $($generics)*> SchemaType for $type {
            fn usage() -> Value {
                json!({ "type": "object", "additionalProperties": T::usage() })
            }

            fn collect(list: &mut SchemaList) {
                T::collect(list);
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                for (key, element) in self {
                    element.check(&mut || at().join(key.as_str()), report);
                }
            }
        }
    )*};
}

maps!([] BTreeMap<String, T>, [S: BuildHasher] HashMap<String, T, S>);

impl<T: SchemaType> SchemaType for Option<T> {
    fn usage() -> Value {
        let mut schema = T::usage();
        if is_type(&schema, "null") || schema == json!({}) {
            return schema;
        }
        let Some(only) = schema.get("type").and_then(Value::as_str) else {
            return json!({ "anyOf": [schema, { "type": "null" }] });
        };
        schema["type"] = json!([only, "null"]);
        schema
    }

    fn collect(list: &mut SchemaList) {
        T::collect(list);
    }

    fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        if let Some(value) = self {
            value.check(at, report);
        }
    }
}

macro_rules! wrappers {
    ($($type:ident),*) => {$(
        impl<T: SchemaType + ?Sized> SchemaType for $type<T> {
            fn usage() -> Value {
                T::usage()
            }

            fn collect(list: &mut SchemaList) {
                T::collect(list);
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                (**self).check(at, report);
            }
        }
    )*};
}

wrappers!(Box, Arc);

macro_rules! plain {
    ($($type:ty => $schema:tt),* $(,)?) => {$(
        impl SchemaType for $type {
            fn usage() -> Value {
                json!($schema)
            }
        }
    )*};
}

plain! {
    String => { "type": "string" },
    str => { "type": "string" },
    &'static str => { "type": "string" },
    Cow<'static, str> => { "type": "string" },
    char => { "type": "string", "minLength": 1, "maxLength": 1 },
    bool => { "type": "boolean" },
    () => { "type": "null" },
    Value => {},
    Map<String, Value> => { "type": "object" },
    f64 => { "type": "number", "format": "double" },
}

impl SchemaType for f32 {
    fn usage() -> Value {
        json!({ "type": "number", "format": "float" })
    }

    fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        // serde reads 1e300 into an f32 as infinity.
        if !self.is_finite() {
            refuse(at, report, "must fit a 32-bit floating-point number");
        }
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl NumberValue for $type {
            #[allow(clippy::cast_lossless, clippy::cast_precision_loss, reason = "bounds are compared, and wide integers are held within 53 bits")]
            fn number(&self) -> f64 {
                *self as f64
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);

impl<T: NumberValue> NumberValue for &T {
    fn number(&self) -> f64 {
        (**self).number()
    }
}

macro_rules! narrow_integers {
    ($($type:ty),*) => {$(
        impl SchemaType for $type {
            fn usage() -> Value {
                json!({ "type": "integer", "minimum": <$type>::MIN, "maximum": <$type>::MAX })
            }
        }
    )*};
}

narrow_integers!(u8, u16, u32, i8, i16, i32);

macro_rules! wide_integers {
    ($($type:ty => $least:expr),*) => {$(
        impl SchemaType for $type {
            fn usage() -> Value {
                let least: i64 = $least;
                json!({ "type": "integer", "minimum": least, "maximum": SAFE_INTEGER })
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                let value = i128::try_from(*self).unwrap_or(i128::MAX);
                if value < i128::from($least) {
                    refuse(at, report, format!("must be at least {}", $least));
                } else if value > i128::from(SAFE_INTEGER) {
                    refuse(at, report, format!("must be at most {SAFE_INTEGER}"));
                }
            }
        }
    )*};
}

wide_integers!(u64 => 0_i64, usize => 0_i64, i64 => -SAFE_INTEGER, isize => -SAFE_INTEGER);

macro_rules! tuples {
    ($(($($name:ident $index:tt),+)),*) => {$(
        impl<$($name: SchemaType),+> SchemaType for ($($name,)+) {
            fn usage() -> Value {
                tuple_schema(vec![$($name::usage()),+])
            }

            fn collect(list: &mut SchemaList) {
                $($name::collect(list);)+
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                $(self.$index.check(&mut || at().join($index as usize), report);)+
            }
        }
    )*};
}

tuples!((A 0), (A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3));
