//! What a type with a schema may not say: rules of another kind of value, fields of any size, what serde does and a schema
//! has no word for.

use syn::Type;

use super::rule::{Rule, RuleKind};
use super::{Body, Schema, Shape};
use crate::diagnostics::Sink;
use crate::route::signature::{generic_of, last_ident, written};

/// What serde may be told and a schema cannot say.
fn sayable(schema: &Schema, sink: &mut Sink) {
    let closed = schema.serde.deny_unknown_fields;
    if let (Some(span), Shape::Struct(body)) = (schema.serde.transparent, &schema.shape)
        && !matches!(body, Body::Tuple(fields) if fields.len() == 1)
    {
        let wrong = "`transparent` leaves nothing but the one field on the wire, and the schema would have the struct \
                     around it";
        let help = "write a struct of one value, `struct Name(Inner)`, which is the same on the wire";
        sink.report_at("schema-unsupported", span, wrong, help);
    }
    if let (Some(span), Shape::Struct(_)) = (schema.serde.tag_span, &schema.shape) {
        let wrong =
            "`tag` on a struct writes a field that the struct does not have, and neither has its schema";
        let help = "write the field: an enum of one variant, the struct's name";
        sink.report_at("schema-unsupported", span, wrong, help);
    }
    for field in schema.all_fields().filter(|field| !field.serde.skip) {
        let name = &field.name;
        for (key, span) in field.serde.by_fns.iter().filter(|_| field.rules.schema_as.is_none()) {
            let ty = written(&field.ty);
            let wrong =
                format!("`{key}` decides what `{name}` is on the wire, and the schema would describe `{ty}`");
            let help = format!(
                "say what is there: `#[rule(schema_as(String))]`, or `#[rule(schema_as({ty}))]` where it is the same"
            );
            sink.report_at("schema-unsupported", *span, wrong, help);
        }
        if field.serde.unread && closed {
            let wrong = format!(
                "the schema would offer `{name}`, and serde refuses it: `skip_deserializing` makes it a field that \
                 `deny_unknown_fields` does not know"
            );
            let help = "write a type for the request without the field, or remove one of the two";
            sink.report("schema-unsupported", field.token(), wrong, help);
        }
        if field.serde.omitted && !field.may_be_absent() && schema.serde.default.is_none() {
            let wrong =
                format!("serde may leave `{name}` out when it writes, and refuses to read without it");
            let help = "add `default` beside it: `#[serde(default, skip_serializing_if = \"..\")]`";
            sink.report("schema-unsupported", field.token(), wrong, help);
        }
    }
}

/// The rules about rules.
pub(super) fn judge(schema: &Schema, sink: &mut Sink) {
    sayable(schema, sink);
    if let Some(none) = &schema.rules.none
        && let Some(field) = schema.all_fields().find(|field| field.rules.is_stated())
    {
        let wrong = format!("`none` says that no value can be wrong, and `{}` has rules", field.name);
        sink.report("schema-rule-unknown", none, wrong, "remove one of them");
        return;
    }
    for field in schema.all_fields() {
        fits(&field.ty, &field.rules.rules, sink);
    }
    if schema.rules.none.is_some() || !schema.is_validated() {
        return;
    }
    for field in schema.all_fields().filter(|field| !field.serde.skip && !field.rules.is_stated()) {
        if let Some(kind) = unbounded(&field.ty) {
            let wrong =
                format!("`{}` is {kind} of any size, and the type states rules for other fields", field.name);
            let help = match kind {
                "a string" => {
                    "add `#[rule(length(max = 200))]`, or `#[rule(any(\"why every size is right\"))]`"
                }
                _ => "add `#[rule(items(max = 100))]`, or `#[rule(any(\"why every size is right\"))]`",
            };
            sink.report("schema-field-unbounded", field.token(), wrong, help);
        }
    }
}

/// Rules of another kind of value than the type is, where its name says what it is; traits say it of the others.
fn fits(ty: &Type, rules: &[Rule], sink: &mut Sink) {
    for wrapper in ["Option", "Box"] {
        if let Some(inner) = generic_of(ty, wrapper) {
            return fits(&inner[0], rules, sink);
        }
    }
    let name = last_ident(ty).map(ToString::to_string).unwrap_or_default();
    let kind = match name.as_str() {
        "String" => "text",
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" | "HashMap" | "BTreeMap" => "a list",
        "bool" | "char" => "neither text, nor a list, nor a number",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" | "f32" | "f64" => {
            "a number"
        }
        _ => return,
    };
    for rule in rules {
        let (word, of) = match &rule.kind {
            RuleKind::Length(_) => ("length", "text"),
            RuleKind::Pattern(_) => ("pattern", "text"),
            RuleKind::OneOf(_) => ("one_of", "text"),
            RuleKind::Items(_) => ("items", "a list"),
            RuleKind::Each(_) => ("each", "a list"),
            RuleKind::Range(_) => ("range", "a number"),
            RuleKind::NotEmpty if kind == "text" || kind == "a list" => continue,
            RuleKind::NotEmpty => ("not_empty", "text or a list"),
            RuleKind::Nested => ("nested", "a type that has rules of its own"),
            RuleKind::Custom(_) | RuleKind::Any(_) => continue,
        };
        if of == kind {
            if let (RuleKind::Each(inner), Some(types)) = (&rule.kind, generic_of(ty, &name))
                && let Some(element) = types.last()
            {
                fits(element, inner, sink);
            }
            continue;
        }
        // The elements of a list may have rules, which are applied to every field.
        if matches!(rule.kind, RuleKind::Nested) && kind == "a list" {
            continue;
        }
        let wrong = format!("`{word}` is a rule of {of}, and `{}` is {kind}", written(ty));
        let help = match kind {
            "text" => "text has `not_empty`, `length`, `pattern` and `one_of`",
            "a list" => "a list has `not_empty`, `items` and, for its elements, `each(..)`",
            "a number" => "a number has `range`",
            _ => "remove it, or check the value with `custom(path)`",
        };
        sink.report_at("schema-rule-mismatch", rule.span, wrong, help);
    }
}

/// What a type that has no natural end is, in words.
fn unbounded(ty: &Type) -> Option<&'static str> {
    for wrapper in ["Option", "Box", "Arc"] {
        if let Some(inner) = generic_of(ty, wrapper) {
            return unbounded(&inner[0]);
        }
    }
    match last_ident(ty).map(ToString::to_string).as_deref() {
        Some("String" | "str") => Some("a string"),
        Some("Cow") if written(ty).contains("str") => Some("a string"),
        Some("Vec" | "VecDeque" | "HashSet" | "BTreeSet") => Some("a list"),
        Some("HashMap" | "BTreeMap" | "Map") => Some("a map"),
        _ => None,
    }
}
