//! Responses that are no type of the author's.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_api::{Json, Schema, route};

#[derive(Serialize, Deserialize, Schema)]
struct Out {
    count: u8,
}

/// A list.
#[route(GET, "/list", tests = [case("one", status = 200, check = |all| all.is_empty())])]
async fn list() -> Result<Json<Vec<Out>>, Infallible> {
    Ok(Json(Vec::new()))
}

/// A map.
#[route(GET, "/map", tests = [case("one", status = 200, check = |all| all.is_empty())])]
async fn map() -> Result<Json<BTreeMap<String, Out>>, Infallible> {
    Ok(Json(BTreeMap::new()))
}

/// A value that may be missing.
#[route(GET, "/maybe", tests = [case("one", status = 200, check = |one| one.is_none())])]
async fn maybe() -> Result<Json<Option<Out>>, Infallible> {
    Ok(Json(None))
}

fn main() {}
