//! Sentences about the fields of a type: bounds that it never meets, values that a query or a path cannot hold.

use super::sentence::Sentence;
use crate::framework::validation::TextFields;

/// `schema-rule-mismatch`: a bound that no value of the integer type `name` reaches.
pub const fn bound_beyond(name: &str, reach: Option<(i64, i64)>, bound: f64) -> Sentence {
    let Some((least, most)) = reach else { return Sentence::SILENT };
    // Both ends are within the 53 bits that an `f64` keeps.
    if bound >= least as f64 && bound <= most as f64 {
        return Sentence::SILENT;
    }
    Sentence::SILENT
        .and("[schema-rule-mismatch] ")
        .quoted(name)
        .and(" goes from ")
        .integer(least)
        .and(" to ")
        .integer(most)
        .and(" on the wire, and this bound is beyond\n  help: choose a bound within, or a wider type for the field")
}

/// `request-undeserializable`: what the query or the path is read into, where no text can be read into it.
pub const fn text_unreadable(part: &str, ty: &str, fields: TextFields) -> Sentence {
    let say = Sentence::SILENT.and("[route::request-undeserializable] ");
    let fields =
        match fields {
            TextFields::Unknown => return Sentence::SILENT,
            TextFields::None => {
                return say.and("the ").and(part).and(" is read field by field, and ").quoted(ty).and(
                    " has no fields with names\n  help: take a struct that derives `tabagent_api::Schema`",
                );
            }
            TextFields::Named(fields) => fields,
        };
    let mut at = 0;
    while at < fields.len() {
        let (name, in_text) = fields[at];
        if !in_text {
            return say
                .and("the ")
                .and(part)
                .and(" gives each field one piece of text, and ")
                .quoted(name)
                .and(" of ")
                .quoted(ty)
                .and(
                    " is more than that\n  help: take it in a JSON body, or as one text that the handler takes apart: \
                     a `String`, or `#[serde(deserialize_with = \"..\")]` with `#[rule(schema_as(String))]`",
                );
        }
        at += 1;
    }
    Sentence::SILENT
}
