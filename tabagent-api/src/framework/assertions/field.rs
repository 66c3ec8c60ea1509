//! Sentences about the fields of a type: bounds that it never meets, values that a query or a path cannot hold.

use super::sentence::Sentence;

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
