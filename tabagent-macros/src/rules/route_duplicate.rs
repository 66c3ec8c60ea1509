//! `route-duplicate`: one method and path is one route.
//!
//! Nothing is judged here, because a macro sees one route at a time. Every registration claims its path twice: by a
//! macro's name, so that a second one in the same crate is E0428 with both places; and by an exported symbol, so that
//! a second one in another crate does not link, with the route in the linker's message (`route::dedup`). Paths that
//! overlap without being equal are found at start, all in one error.

use super::Rule;

pub(crate) const RULE: Rule = Rule { id: "route-duplicate", check: None, assertion: None };
