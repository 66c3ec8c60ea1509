//! Bodies, queries and paths that are no type of the author's.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde::Deserialize;
use tabagent_api::{Json, NoContent, Path, Query, Schema, route};

#[derive(Deserialize, Schema)]
struct In {
    #[rule(range(max = 3))]
    count: u8,
}

/// A list.
#[route(POST, "/list", tests = [case("one", json = [{ "count": 1 }], status = 204)])]
async fn list(_: Json<Vec<In>>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A map.
#[route(POST, "/map", tests = [case("one", json = { "a": { "count": 1 } }, status = 204)])]
async fn map(_: Json<BTreeMap<String, In>>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A box.
#[route(POST, "/box", tests = [case("one", json = { "count": 1 }, status = 204)])]
async fn boxed(_: Json<Box<In>>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// Text.
#[route(POST, "/text", tests = [case("one", json = "a", status = 204)])]
async fn text(_: Json<String>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A value that may be missing.
#[route(GET, "/query", tests = [case("one", status = 204)])]
async fn maybe(_: Query<Option<In>>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// A parameter that may be missing.
#[route(GET, "/maybe/{id}", tests = [case("one", path = { id: 1 }, status = 204)])]
async fn parameter(_: Path<Option<String>>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

/// Several values in one parameter.
#[route(GET, "/several/{*rest}", tests = [case("one", path = { rest: "a/b" }, status = 204)])]
async fn several(_: Path<Vec<String>>) -> Result<NoContent, Infallible> {
    Ok(NoContent)
}

fn main() {}
