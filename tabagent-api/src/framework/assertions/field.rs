//! Sentences about the fields of a type: bounds that it never meets, values that a query or a path cannot hold.

use super::sentence::{Sentence, same};
use crate::framework::validation::schema::SAFE_INTEGER;
use crate::framework::validation::{Reach, TextFields};

/// `schema-rule-mismatch`: a bound that no value of the type `name` reaches.
pub const fn bound_beyond(name: &str, reach: Reach, bound: f64) -> Sentence {
    let say = Sentence::SILENT.and("[schema-rule-mismatch] ");
    if !bound.is_finite() {
        return say.and("this bound is no number\n  help: write a finite one, or leave the bound out");
    }
    match reach {
        Reach::Open => Sentence::SILENT,
        // Both ends are within the 53 bits that an `f64` keeps.
        Reach::Whole(least, most) if bound >= least as f64 && bound <= most as f64 => Sentence::SILENT,
        Reach::Whole(least, most) => {
            say.quoted(name).and(" goes from ").integer(least).and(" to ").integer(most).and(
                " on the wire, and this bound is beyond\n  help: choose a bound within, or a wider type for the field",
            )
        }
        Reach::Single if bound >= f32::MIN as f64 && bound <= f32::MAX as f64 => Sentence::SILENT,
        Reach::Single => say.quoted(name).and(
            " holds no number as large as this bound\n  help: choose a bound within, or a wider type for the field",
        ),
    }
}

/// `schema-rule-mismatch`: a bound of the counting rule `name` that is no number of `what`.
#[allow(clippy::cast_possible_truncation, reason = "what a cast cuts is compared with the whole")]
pub const fn bound_no_count(name: &str, what: &str, bound: f64) -> Sentence {
    if bound >= 0.0 && bound <= SAFE_INTEGER as f64 && bound as i64 as f64 == bound {
        return Sentence::SILENT;
    }
    let say = Sentence::SILENT.and("[schema-rule-mismatch] no text or list has ");
    let say = if bound as i64 as f64 == bound { say.integer(bound as i64) } else { say.and("so many") };
    say.and(" ").and(what).and("\n  help: a bound of ").quoted(name).and(" is 0, 1, 2 and so on")
}

/// `schema-rule-mismatch`: two bounds between which no value is. What is wrong with either alone is said before.
#[allow(clippy::cast_possible_truncation, reason = "what a cast cuts is added again")]
pub const fn bounds_apart(reach: Reach, min: f64, max: f64) -> Sentence {
    let say = Sentence::SILENT.and("[schema-rule-mismatch] ");
    if min > max {
        return say.and(
            "no value is at least the lower bound and at most the upper one\n  help: exchange the bounds",
        );
    }
    // A cast cuts what is behind the point: the next whole number after `min` is that, or one more.
    let cut = min as i64;
    let next = if cut as f64 >= min { cut } else { cut.saturating_add(1) };
    if matches!(reach, Reach::Whole(..)) && next as f64 > max {
        return say
            .and("no whole number is between these bounds\n  help: write bounds that are whole numbers");
    }
    Sentence::SILENT
}

/// `request-undeserializable`: what the query or the path is read into, where no text can be read into it.
pub const fn text_unreadable(part: &str, ty: &str, fields: TextFields) -> Sentence {
    let say = Sentence::SILENT.and("[route::request-undeserializable] ");
    let fields =
        match fields {
            TextFields::Unknown => return Sentence::SILENT,
            TextFields::Whole if same(part, "path") => return Sentence::SILENT,
            TextFields::None | TextFields::Whole => {
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
