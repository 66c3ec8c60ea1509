//! The enforcing half: one fn a rule, over traits that say which types a rule can be put on.

use std::cmp::Ordering;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::OnceLock;

use garde::error::{Error, Path};
use garde::{Report, Validate};
use serde_json::Value;

use super::ValidationRule;
use super::schema::{Reach, SchemaList, SchemaType};
use crate::framework::problem::FieldError;

/// So many broken rules are told; the others are counted.
const TOLD: usize = 16;

/// So many broken rules are counted.
const COUNTED: usize = 1_000;

/// The broken rules of a value, by field: the first `TOLD`, and how many more there are.
pub fn broken_rules<T: Validate<Context = ()>>(value: &T) -> Vec<FieldError> {
    let Err(report) = value.validate() else { return Vec::new() };
    let mut errors: Vec<FieldError> = report
        .iter()
        .take(TOLD)
        .map(|(path, error)| FieldError::new(path.to_string(), error.to_string()))
        .collect();
    match report.iter().count() {
        count if count >= COUNTED => {
            errors.push(FieldError::new("", format!("and more than {} more", COUNTED - TOLD - 1)));
        }
        count if count > TOLD => errors.push(FieldError::new("", format!("and {} more", count - TOLD))),
        _ => {}
    }
    errors
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
    /// How far its numbers go on the wire.
    pub const REACH: Reach = T::REACH;
    /// Whether a value stands in one piece of text.
    pub const IN_TEXT: bool = T::IN_TEXT;

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
    /// Nothing is known of its numbers.
    const REACH: Reach = Reach::Open;
    /// Another rule speaks of the type.
    const IN_TEXT: bool = true;

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

/// The default of a type, where it has one.
#[derive(Debug)]
pub struct DefaultOf<T>(PhantomData<T>);

impl<T: Default> DefaultOf<T> {
    /// The default.
    pub fn value() -> Option<T> {
        Some(T::default())
    }
}

/// A type without a default.
pub trait UnlessDefault {
    /// The type.
    type Value;

    /// There is none.
    fn value() -> Option<Self::Value> {
        None
    }
}

impl<T> UnlessDefault for DefaultOf<T> {
    type Value = T;
}

pub(super) fn refuse(at: &mut dyn FnMut() -> Path, report: &mut Report, message: impl Display) {
    // A client that breaks a rule a million times costs no more than one that breaks it so often.
    match report.iter().count() {
        count if count < TOLD => report.append(at(), Error::new(message.to_string())),
        count if count < COUNTED => report.append(Path::empty(), Error::new("")),
        _ => {}
    }
}

/// A regular expression, compiled when it is first used.
#[derive(Debug)]
pub struct Pattern {
    text: &'static str,
    compiled: OnceLock<Option<regex::Regex>>,
}

impl Pattern {
    /// The derive has compiled `text` with the same crate and the same limit of size, so that it compiles here too.
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
    /// How it compares with a bound, in the precision of the type; not at all if it is no number.
    fn compare(&self, bound: f64) -> Option<Ordering>;
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

/// `items`: elements or entries. Whether there are as many as may be; if not, nothing looks at them.
pub fn rule_items<T: ListValue>(
    value: &T,
    rule: &ValidationRule,
    at: &mut dyn FnMut() -> Path,
    report: &mut Report,
) -> bool {
    if let ValidationRule::Items { min, max } = rule
        && let Some(message) = within(value.count(), *min, *max, "item")
    {
        refuse(at, report, message);
        return false;
    }
    true
}

/// `range`: bounds included.
pub fn rule_range<T: NumberValue>(
    value: &T,
    rule: &ValidationRule,
    at: &mut dyn FnMut() -> Path,
    report: &mut Report,
) {
    let ValidationRule::InRange { min, max } = rule else { return };
    let breaks = |bound: f64, way: Ordering| value.compare(bound).is_none_or(|found| found == way);
    if let Some(min) = min.filter(|min| breaks(*min, Ordering::Less)) {
        refuse(at, report, format!("must be at least {min}"));
    } else if let Some(max) = max.filter(|max| breaks(*max, Ordering::Greater)) {
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
