//! Validation rules, stated once: what `#[derive(Schema)]` enforces and what the schema says.
//!
//! A client that follows the schema is never refused for shape, one that breaks it always is. The derive implements
//! garde's `Validate`, calling one fn of [`enforce`] a rule, and utoipa's `ToSchema`, with what [`schema`] builds.

pub mod enforce;
pub mod schema;
mod types;

pub use enforce::*;
pub use schema::*;

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
