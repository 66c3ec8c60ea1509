//! Bodies that serde reads through its buffer, held to their schema.

#![allow(dead_code, reason = "what is read is not looked at")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::super::json::parse;
use super::*;
use crate::Schema;

/// A leaf.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
#[rule(none = "any leaf is right")]
struct Leaf {
    /// Its name; `label` is another word for it.
    #[serde(alias = "label")]
    name: String,
}

/// A form.
#[derive(Debug, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// Round.
    Round,
    /// So many corners.
    Corners(u32),
}

/// Texts or leaves.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
#[rule(none = "any is right")]
enum Untagged {
    /// A text.
    Text(String),
    /// A leaf.
    Leaf(Leaf),
    /// Two leaves.
    Pair(Leaf, Leaf),
    /// More of them.
    More {
        /// The leaves.
        leaves: Vec<Leaf>,
        /// A form.
        form: Option<Form>,
    },
}

/// Several of them.
#[derive(Debug, Deserialize, Schema)]
#[rule(none = "any is right")]
struct Many {
    /// All.
    all: Vec<Untagged>,
}

/// One of two things, by its kind.
#[derive(Debug, Deserialize, Schema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[rule(none = "any is right")]
enum Tagged {
    /// With a list.
    List {
        /// Numbers.
        content: Vec<u32>,
    },
    /// With a struct.
    One {
        /// A leaf.
        content: Leaf,
    },
    /// A leaf itself.
    Leaf(Leaf),
}

/// The same beside its tag.
#[derive(Debug, Deserialize, Schema)]
#[serde(tag = "kind", content = "content", rename_all = "lowercase")]
#[rule(none = "any is right")]
enum Adjacent {
    /// A list.
    List(Vec<String>),
    /// A struct.
    One(Leaf),
}

/// A type with parts of others.
#[derive(Debug, Deserialize, Schema)]
#[rule(none = "any is right")]
struct Flat {
    /// Its own.
    size: u32,
    /// Fields of another type.
    #[serde(flatten)]
    inner: Inner,
    /// Fields that may be absent.
    #[serde(flatten)]
    maybe: Option<Leaf>,
    /// All other fields.
    #[serde(flatten)]
    others: BTreeMap<String, Vec<Leaf>>,
}

/// Fields for another type.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
#[rule(none = "any is right")]
struct Inner {
    /// Leaves.
    leaves: Vec<Leaf>,
    /// A form.
    form: Option<Form>,
}

/// A type whose buffered parts hold nothing that passes for another.
#[derive(Debug, Deserialize, Schema)]
#[rule(none = "any is right")]
struct Plain {
    /// Texts or numbers.
    input: Input,
    /// A word.
    word: Option<Word>,
    /// A leaf.
    leaf: Option<Leaf>,
}

/// Texts or numbers.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
#[rule(none = "any is right")]
enum Input {
    /// A text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// Lists of numbers.
    Numbers(Vec<Vec<u32>>),
}

/// Words.
#[derive(Debug, Deserialize, Schema)]
enum Word {
    /// The one.
    One,
    /// The other.
    Other,
}

/// A tree of lists, whose forms overlap at every step.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
#[rule(none = "any is right")]
enum Nest {
    /// A leaf.
    Leaf(Leaf),
    /// A list.
    List(Vec<Nest>),
    /// A list by another name.
    Again(Vec<Nest>),
}

fn misread_as<T: DeserializeOwned + ToSchema + 'static>(body: &str) -> Option<(String, String)> {
    parse::<T>(body.as_bytes()).unwrap_or_else(|error| panic!("serde refuses {body} already: {error}"));
    misread::<T>(body.as_bytes()).map(|error| (error.field, error.message))
}

#[test]
fn what_serde_misreads_is_found_where_it_is() {
    for (found, field, message) in [
        (misread_as::<Many>(r#"{"all": ["a", ["b"]]}"#), "all[1]", "must have at least 2 items, has 1"),
        (
            misread_as::<Many>(r#"{"all": [[["a"], {"name": "b"}]]}"#),
            "all[0][0]",
            "must be of type object, is an array",
        ),
        (
            misread_as::<Untagged>(r#"{"leaves": [{"name": "a"}, ["b"]]}"#),
            "leaves[1]",
            "must be of type object",
        ),
        (
            misread_as::<Untagged>(r#"{"leaves": [], "form": {"round": null}}"#),
            "form.round",
            "must not be there",
        ),
        (
            misread_as::<Tagged>(r#"["leaf", "a"]"#),
            "",
            "must be an object with `kind`: \"list\", an object with `kind`: \"one\"",
        ),
        (
            misread_as::<Tagged>(r#"{"kind": "one", "content": ["a"]}"#),
            "content",
            "must be of type object, is an array",
        ),
        (misread_as::<Tagged>(r#"{"content": ["a"], "kind": "one"}"#), "content", "must be of type object"),
        (misread_as::<Adjacent>(r#"{"content": ["a"], "kind": "one"}"#), "content", "must be of type object"),
        (misread_as::<Flat>(r#"{"size": 1, "leaves": [["a"]]}"#), "leaves[0]", "must be of type object"),
        (
            misread_as::<Flat>(r#"{"size": 1, "leaves": [], "form": {"round": null}}"#),
            "form.round",
            "must not be there",
        ),
        (misread_as::<Flat>(r#"{"size": 1, "leaves": [], "x": [["a"]]}"#), "x[0]", "must be of type object"),
    ] {
        let (found, why) = found.unwrap_or_else(|| panic!("`{field}` is not found"));
        assert_eq!(found, field, "{why}");
        assert!(why.starts_with(message), "{field}: {why}");
    }
}

/// A body that serde reads as no form.
fn unread_as<T: DeserializeOwned + ToSchema>(body: &str) -> (String, String) {
    match parse::<T>(body.as_bytes()) {
        Err(crate::ApiError::RequestInvalid { errors }) => {
            (errors[0].field.clone(), errors[0].message.clone())
        }
        _ => panic!("{body} is read"),
    }
}

#[test]
fn of_several_forms_the_one_that_is_meant_is_spoken_of() {
    for ((field, message), wanted, words) in [
        (unread_as::<Plain>(r#"{"input": [[1], [2, -1]]}"#), "input[1][1]", "must be at least 0, is -1"),
        (unread_as::<Plain>(r#"{"input": ["a", 1]}"#), "input[1]", "must be of type string, is a number"),
        (
            unread_as::<Plain>(r#"{"input": 1}"#),
            "input",
            "must be a string, an array of strings, or an array of arrays",
        ),
        (unread_as::<Many>(r#"{"all": [{"name": "a", "x": 1}]}"#), "all[0]", "must be a string"),
        (unread_as::<Many>(r#"{"all": [{"name": "a", "name": "b"}]}"#), "all[0]", "a field of it twice"),
    ] {
        assert_eq!(field, wanted, "{message}");
        assert!(message.contains(words), "{field}: {message}");
        assert!(!message.contains("Untagged") && !message.contains("Input"), "{message}");
    }
}

#[test]
fn what_the_schema_allows_is_no_misfit() {
    for found in [
        misread_as::<Many>(
            r#"{"all": ["a", {"name": "b"}, {"label": "c"}, [{"name": "d"}, {"name": "e"}]]}"#,
        ),
        misread_as::<Untagged>(r#"{"leaves": [{"name": "a"}], "form": "round"}"#),
        misread_as::<Untagged>(r#"{"leaves": [], "form": {"corners": 4}, "unknown": [1]}"#),
        misread_as::<Untagged>(r#"{"leaves": [], "form": null}"#),
        misread_as::<Tagged>(r#"{"kind": "list", "content": [1, 2.0]}"#),
        misread_as::<Tagged>(r#"{"kind": "leaf", "name": "a"}"#),
        misread_as::<Adjacent>(r#"{"content": ["a"], "kind": "list"}"#),
        misread_as::<Flat>(r#"{"size": 1, "leaves": [{"name": "a"}]}"#),
        misread_as::<Flat>(
            r#"{"size": 1, "leaves": [], "name": "a", "form": {"corners": 4.0}, "x": [{"name": "b"}]}"#,
        ),
    ] {
        assert_eq!(found, None);
    }
}

#[test]
fn only_types_that_serde_buffers_are_read_again() {
    assert!(
        Shape::of::<Untagged>().is_some() && Shape::of::<Flat>().is_some() && Shape::of::<Nest>().is_some()
    );
    assert!(Shape::of::<Leaf>().is_none() && Shape::of::<Plain>().is_none());
}

#[test]
fn forms_that_overlap_again_and_again_take_no_time_without_end() {
    let depth = 100;
    let body = format!("{}[\"a\"]{}", "[".repeat(depth), "]".repeat(depth));
    // Two forms at a hundred steps are 2^100 ways; whether the last is found out is not what matters here.
    let _ = misread_as::<Nest>(&body);
}
