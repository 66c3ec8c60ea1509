//! Types of one value as paths and bodies: they compile, keep their rules, and stand in the document.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;

use axum::body::Body;
use http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tabagent_api::{ApiError, App, Json, MountedApp, NoContent, Path, Schema, route};
use tower::ServiceExt as _;

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Text,
    Image,
}

#[derive(Debug, Deserialize, Schema)]
struct Name(#[rule(length(max = 3))] String);

#[derive(Debug, Deserialize, Schema)]
struct Place {
    kind: Kind,
    #[rule(range(min = 1))]
    id: u32,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Item {
    count: u8,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Items(#[rule(items(max = 2))] Vec<Item>);

/// A word.
#[route(GET, "/kinds/{kind}", tests = [
    case("one", path = { kind: "text" }, status = 204),
    case("none", path = { kind: "sound" }, problem = ApiError::RequestInvalid),
])]
async fn kind(Path(_): Path<Kind>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A word and a name.
#[route(GET, "/kinds/{kind}/names/{name}", tests = [
    case("one", path = { kind: "image", name: "abc" }, status = 204),
    case("long", path = { kind: "image", name: "abcd" }, problem = ApiError::RequestInvalid),
])]
async fn pair(Path(_): Path<(Kind, Name)>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A name.
#[route(GET, "/names/{name}", tests = [
    case("one", path = { name: "abc" }, status = 204),
    case("long", path = { name: "abcd" }, problem = ApiError::RequestInvalid),
])]
async fn name(Path(_): Path<Name>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A place.
#[route(GET, "/places/{kind}/{id}", tests = [case("one", path = { kind: "text", id: 1 }, status = 204)])]
async fn place(Path(_): Path<Place>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A list.
#[route(POST, "/items", tests = [
    case("one", json = [{ "count": 1 }], status = 200, check = |items| items.0.len() == 1),
    case("three", json = [{ "count": 1 }, { "count": 1 }, { "count": 1 }], problem = ApiError::RequestInvalid),
])]
async fn echo(Json(items): Json<Items>) -> Result<Json<Items>, Infallible> {
    Ok(Json(items))
}

fn mounted() -> MountedApp {
    App::of(&["values"]).mount().unwrap()
}

fn parameter(document: &Value, path: &str, at: usize) -> Value {
    document["paths"][path]["get"]["parameters"][at]["schema"].clone()
}

#[test]
fn paths_and_bodies_of_one_value_are_documented() {
    let document = mounted().document;
    let kinds = json!({ "type": "string", "enum": ["text", "image"], "minLength": 1 });
    let names = json!({ "type": "string", "minLength": 1, "maxLength": 3 });
    assert_eq!(parameter(&document, "/kinds/{kind}", 0), kinds);
    assert_eq!(parameter(&document, "/names/{name}", 0), names);
    assert_eq!(parameter(&document, "/kinds/{kind}/names/{name}", 0), kinds);
    assert_eq!(parameter(&document, "/kinds/{kind}/names/{name}", 1), names);
    let body = &document["paths"]["/items"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(*body, json!({ "$ref": "#/components/schemas/Items" }));
    assert_eq!(document["components"]["schemas"]["Items"]["maxItems"], 2);
}

#[test]
fn what_a_parameter_refers_to_is_in_the_document() {
    let document = mounted().document;
    let kind = parameter(&document, "/places/{kind}/{id}", 0);
    let name = kind["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(document["components"]["schemas"][name]["enum"], json!(["text", "image"]));
}

#[tokio::test]
async fn values_in_a_path_keep_their_rules() {
    let app = mounted();
    for (path, status) in [
        ("/kinds/text", 204),
        ("/kinds/sound", 400),
        ("/names/abc", 204),
        ("/names/abcd", 400),
        ("/kinds/image/names/abc", 204),
        ("/kinds/image/names/abcd", 400),
        ("/kinds/sound/names/abc", 400),
        ("/places/text/1", 204),
        ("/places/text/0", 400),
    ] {
        let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
        let response = app.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}
