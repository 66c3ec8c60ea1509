//! Bodies read by `Json`, from the request to the value or the problem.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use serde::Deserialize;
use serde_json::Value;

use super::{Json, Query};
use crate::framework::component::{AppInner, AppState, Components};
use crate::framework::problem::ProblemReport;
use crate::{ApiConfig, ApiError, Schema};

/// A tree, as types may hold themselves.
#[derive(Debug, PartialEq, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
struct Tree {
    /// Its size.
    size: u32,
    /// Its form.
    #[serde(default)]
    form: Form,
    /// Its smaller trees.
    #[serde(default)]
    #[rule(items(max = 3), each(nested))]
    trees: Vec<Tree>,
    /// Its leaves.
    #[serde(default)]
    #[rule(items(max = 2048), each(items(min = 1)))]
    leaves: Vec<Vec<u32>>,
    /// Its fruit, without a bound.
    #[serde(default)]
    #[rule(each(not_empty))]
    fruit: Vec<String>,
    /// What is written on it.
    #[serde(default)]
    label: Option<Label>,
    /// A weight.
    #[serde(default)]
    weight: Option<f64>,
    /// Anything.
    #[serde(default)]
    note: Option<Value>,
}

/// A form.
#[derive(Debug, Default, PartialEq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// Round.
    #[default]
    Round,
    /// So many corners.
    Corners(u32),
    /// A box.
    Box {
        /// Its side.
        side: u32,
    },
}

/// What is written.
#[derive(Debug, PartialEq, Deserialize, Schema)]
#[serde(untagged)]
enum Label {
    /// A text.
    Text(String),
    /// A number.
    Number(u32),
}

fn state() -> AppState {
    AppState { inner: AppInner { components: Components::default(), config: ApiConfig::default() }.into() }
}

async fn read_with(body: String, headers: &[(&str, &str)]) -> Result<Tree, ApiError> {
    let mut request = Request::post("/").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Json::from_request(request.body(Body::from(body)).unwrap(), &state()).await.map(|Json(tree)| tree)
}

async fn read(body: &str) -> Result<Tree, ApiError> {
    read_with(body.to_owned(), &[]).await
}

/// The field and the message of the one error.
async fn refused(body: &str) -> (String, String) {
    match read(body).await {
        Err(ApiError::RequestInvalid { errors }) => {
            assert_eq!(errors.len(), 1, "{body}: {errors:?}");
            (errors[0].field.clone(), errors[0].message.clone())
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[tokio::test]
async fn what_the_schema_allows_is_read() {
    let tree = read(
        r#"{"size": 2.0, "form": {"corners": 3.0}, "trees": [{"size": 1, "form": "round"}, {"size": 1, "form": {"box": {"side": 4}}}],
            "label": 7.0, "weight": 2.0, "note": {"a": [null, true, "\u00e9", -1, 1e3]}, "leaves": [[1], [2, 3]]}"#,
    )
    .await
    .unwrap();
    assert_eq!((tree.size, tree.form, tree.label), (2, Form::Corners(3), Some(Label::Number(7))));
    assert_eq!((&tree.trees[0].form, &tree.trees[1].form), (&Form::Round, &Form::Box { side: 4 }));
    assert_eq!(tree.weight, Some(2.0));
    assert_eq!(tree.leaves, [vec![1], vec![2, 3]]);
    let kept = read(r#"{"size": 1, "note": [1.0, 2]}"#).await.unwrap();
    assert_eq!(kept.note.unwrap().to_string(), "[1.0,2]");
}

#[tokio::test]
async fn what_serde_takes_beyond_the_schema_is_refused() {
    for (body, field) in [
        ("[2]", ""),
        ("null", ""),
        (r#"{"size": 1, "trees": [[2]]}"#, "trees[0]"),
        (r#"{"size": 1, "trees": [{"size": 1, "trees": [{"size": 2}, [2]]}]}"#, "trees[0].trees[1]"),
        (r#"{"size": 1, "form": {"round": null}}"#, "form"),
        (r#"{"size": 1, "form": {"corners": 3, "round": null}}"#, "form"),
        (r#"{"size": 1, "form": {}}"#, "form"),
        (r#"{"size": 1, "form": {"box": [4]}}"#, "form"),
        (r#"{"size": 1, "form": null}"#, "form"),
        (r#"{"size": 1, "form": 3}"#, "form"),
        (r#"{"size": 1, "form": "oval"}"#, "form"),
        (r#"{"size": 1.5}"#, "size"),
        (r#"{"size": -1.0}"#, "size"),
    ] {
        let (found, message) = refused(body).await;
        assert!(found == field || found.starts_with(&format!("{field}.")), "{body}: {found}: {message}");
        assert!(!message.contains("Tree") && !message.contains("Form"), "{message}");
    }
    let (_, message) = refused(r#"{"size": 1, "form": null}"#).await;
    assert!(message.contains("null") && message.contains("`corners`"), "{message}");
}

#[tokio::test]
async fn an_error_names_its_field() {
    for (body, field) in [
        ("{}", "size"),
        (r#"{"size": 1, "size": 2}"#, "size"),
        (r#"{"size": 1.0, "size": 2}"#, "size"),
        (r#"{"size": 1, "seize": 2}"#, "seize"),
        (r#"{"size": 1, "trees": [{"size": 1}, {}]}"#, "trees[1].size"),
        (r#"{"size": 1, "trees": [{"size": 1, "a`b": 1}]}"#, "trees[0].a`b"),
        (r#"{"size": 1, "label": [1]}"#, "label"),
    ] {
        assert_eq!(refused(body).await.0, field, "{body}");
    }
    let (_, message) = refused(r#"{"size": 1, "label": [1]}"#).await;
    assert_eq!(message, "must be a string, or an integer");
}

/// Two numbers of which one is the larger, and a field that is named like the whole.
#[derive(Debug, Deserialize, Schema)]
#[rule(custom(in_order))]
struct Span {
    /// The first.
    from: u32,
    /// The last.
    to: u32,
    /// How many.
    #[rule(range(max = 9))]
    body: Option<u32>,
}

fn in_order(span: &Span) -> Result<(), &'static str> {
    if span.from <= span.to { Ok(()) } else { Err("`from` must not be above `to`") }
}

#[tokio::test]
async fn what_is_wrong_as_a_whole_is_named_after_its_part_of_the_request() {
    /// The first field and the parameter of the report.
    fn named<T>(outcome: Result<T, ApiError>) -> (String, Option<String>) {
        let Err(error) = outcome else { panic!("it was accepted") };
        let body = ProblemReport::of(&error).body("id");
        (body.errors[0].field.clone(), body.error.param)
    }
    let state = state();
    for (body, field, param) in [
        ("[]", "body", None),
        ("\"text\"", "body", None),
        (r#"{"from": 2, "to": 1}"#, "body", None),
        (r#"{"from": 1, "to": 2, "body": 10}"#, "body", Some("body")),
        (r#"{"from": 1, "to": []}"#, "to", Some("to")),
    ] {
        let request = Request::post("/").header("content-type", "application/json").body(Body::from(body));
        let outcome = Json::<Span>::from_request(request.unwrap(), &state).await;
        assert_eq!(named(outcome), (field.to_owned(), param.map(str::to_owned)), "{body}");
    }
    let (mut parts, ()) = Request::get("/?from=2&to=1").body(()).unwrap().into_parts();
    assert_eq!(named(Query::<Span>::from_request_parts(&mut parts, &state).await).0, "query");
    let fruit = vec![r#""""#; 18].join(",");
    let error = read(&format!(r#"{{"size": 1, "fruit": [{fruit}]}}"#)).await.unwrap_err();
    let errors = ProblemReport::of(&error).body("id").errors;
    assert_eq!((&*errors[15].field, &*errors[16].field), ("fruit[15]", "body"));
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_said_in_words_of_http() {
    let state = state();
    for (query, field, message) in [
        ("from=-1&to=2", "from", "must not be negative, is `-1`"),
        ("from=1&to=x", "to", "must be an integer, is `x`"),
        ("from=1&to=", "to", "must be an integer, is empty"),
        ("from=1&to=9999999999", "to", "is too large, is `9999999999`"),
        ("from=1&from=1&to=2", "from", "duplicate field `from`"),
        ("from=1", "to", "missing field `to`"),
    ] {
        let (mut parts, ()) = Request::get(format!("/?{query}")).body(()).unwrap().into_parts();
        match Query::<Span>::from_request_parts(&mut parts, &state).await {
            Err(ApiError::RequestInvalid { errors }) => {
                assert_eq!((&*errors[0].field, &*errors[0].message), (field, message), "{query}");
            }
            other => panic!("{query}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    for body in ["", "{", r#"{"size": 1"#, r#"{"size": 1}}"#, r#"{"size": 1, "form": nul}"#, r#"{"form": }"#]
    {
        let found = read(body).await;
        assert!(matches!(found, Err(ApiError::BodyMalformed { .. })), "{body}: {found:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_often_is_told_shortly() {
    let count = 200_000;
    let leaves = format!(r#"{{"size": 1, "leaves": [{}]}}"#, vec!["[]"; count].join(","));
    let (field, message) = refused(&leaves).await;
    assert_eq!((&*field, &*message), ("leaves", "must have at most 2048 items, has 200000"));

    let mut fruit = String::from(r#"{"size": 1, "fruit": [""#);
    for _ in 1..count {
        fruit.push_str(r#"",""#);
    }
    let _ = write!(fruit, r#""]}}"#);
    let error = read(&fruit).await.unwrap_err();
    let ApiError::RequestInvalid { errors } = &error else { panic!("{error:?}") };
    assert_eq!((errors.len(), &*errors[15].field), (17, "fruit[15]"));
    assert_eq!(errors[16].message, "and more than 983 more");
    assert!(serde_json::to_vec(&ProblemReport::of(&error).body("id")).unwrap().len() < 8192);

    let few =
        refused_all(r#"{"size": 1, "fruit": ["","","","","","","","","","","","","","","","","",""]}"#).await;
    assert_eq!((few.len(), &*few[16].message), (17, "and 2 more"));

    let long = format!(r#"{{"size": 1, "{}": 1}}"#, "é".repeat(count));
    let error = read(&long).await.unwrap_err();
    assert!(serde_json::to_vec(&ProblemReport::of(&error).body("id")).unwrap().len() < 8192);
}

async fn refused_all(body: &str) -> Vec<crate::framework::problem::FieldError> {
    match read(body).await {
        Err(ApiError::RequestInvalid { errors }) => errors,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn json_is_utf_8() {
    for (kind, is_taken) in [
        ("application/json; charset=UTF-8", true),
        ("application/problem+json;charset=\"utf-8\"", true),
        ("application/json; charset=utf-16", false),
        ("application/json;charset=latin1", false),
    ] {
        let request = Request::post("/").header("content-type", kind).body(Body::from(r#"{"size": 1}"#));
        let found = Json::<Tree>::from_request(request.unwrap(), &state()).await;
        assert_eq!(found.is_ok(), is_taken, "{kind}");
        let refused =
            matches!(&found, Err(ApiError::ContentTypeUnsupported { found }) if found.contains(kind));
        assert_eq!(refused, !is_taken, "{kind}");
    }
}

#[tokio::test]
async fn encoded_bodies_are_refused_for_that() {
    for coding in ["gzip", "br", "identity, gzip"] {
        let found = read_with(r#"{"size": 1}"#.to_owned(), &[("content-encoding", coding)]).await;
        assert!(matches!(&found, Err(ApiError::ContentEncodingUnsupported { found }) if found == coding));
    }
    assert!(read_with(r#"{"size": 1}"#.to_owned(), &[("content-encoding", "Identity")]).await.is_ok());
}
