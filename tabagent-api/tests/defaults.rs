//! Defaults that break the rules of their own fields: the app does not start.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test target, all of it")]

// The app names its crates, and this file is one.
extern crate self as defaults;

use std::convert::Infallible;

use serde::Deserialize;
use tabagent_api::{ApiError, Json, NoContent, Query, Schema, app, route};

#[derive(Debug, Deserialize, Schema)]
struct Ask {
    #[rule(length(min = 1))]
    #[serde(default)]
    text: String,
    #[rule(range(min = 1, max = 8))]
    #[serde(default = "nine", rename = "howMany")]
    count: u8,
    #[rule(range(min = 1))]
    #[serde(default)]
    right: Option<u8>,
    #[rule(items(max = 3), each(not_empty))]
    #[serde(default)]
    also_right: Vec<String>,
    #[serde(default)]
    inner: Inner,
    #[serde(skip)]
    never_read: u8,
}

fn nine() -> u8 {
    9
}

/// All of it is given by the type's own default, but for what has one of its own.
#[derive(Debug, Deserialize, Schema)]
#[serde(default)]
struct Inner {
    #[rule(one_of("fast", "good"))]
    mode: String,
    #[rule(range(max = 2))]
    #[serde(default)]
    heat: f64,
}

impl Default for Inner {
    fn default() -> Self {
        Self { mode: "bad".to_owned(), heat: 3.0 }
    }
}

#[derive(Debug, Deserialize, Schema)]
struct Page {
    #[rule(range(min = 1, max = 100))]
    #[serde(default)]
    limit: u32,
}

/// Ask.
#[route(POST, "/ask", tests = [case("all", json = {}, status = 204), case("none", json = [], problem = ApiError::RequestInvalid)])]
async fn ask(Json(ask): Json<Ask>) -> Result<NoContent, Infallible> {
    let Ask { text, count, right, also_right, inner, never_read } = ask;
    let _ = (text, count, right, also_right, inner.mode, inner.heat, never_read);
    Ok(NoContent)
}

/// List.
#[route(GET, "/list", tests = [case("all", status = 204)])]
async fn list(Query(page): Query<Page>) -> Result<NoContent, Infallible> {
    let _ = page.limit;
    Ok(NoContent)
}

#[test]
fn every_default_that_breaks_its_rule_is_named() {
    let errors = app! { crates: [defaults] }.mount().unwrap_err();
    let found: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    let expected = [
        ("text", "defaults::Ask", "must have at least 1 character, has 0"),
        ("howMany", "defaults::Ask", "must be at most 8"),
        ("inner.mode", "defaults::Ask", "must be one of \"fast\", \"good\""),
        ("inner.heat", "defaults::Ask", "must be at most 2"),
        ("mode", "defaults::Inner", "must be one of \"fast\", \"good\""),
        ("limit", "defaults::Page", "must be at least 1"),
    ];
    for (field, owner, message) in expected {
        let begin = format!("the default of `{field}` in {owner} breaks");
        assert!(
            found.iter().any(|error| error.starts_with(&begin) && error.contains(message)),
            "{begin}: {message} in {found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(app! { crates: [defaults] }.document().is_err());
}
