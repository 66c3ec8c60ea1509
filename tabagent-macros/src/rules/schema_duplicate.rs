//! `schema-duplicate`: one name in the document is one type.
//!
//! Nothing is judged here, because a macro sees one type at a time. `#[derive(Schema)]` marks each schema with its
//! Rust type; whoever builds the document (every test run, every start) refuses two types of one name, naming both.

use super::Rule;

pub(crate) const RULE: Rule = Rule { id: "schema-duplicate", check: None, assertion: None };
