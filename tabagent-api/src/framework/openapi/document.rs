//! The document as a whole.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::examples::Examples;
use super::operation::OperationBuilder;
use super::schemas::Schemas;
use crate::framework::config::ApiConfig;
use crate::framework::record::RouteMetadata;
use crate::framework::registry::StartError;

/// Builds the OpenAPI 3.1 document of these routes.
///
/// # Errors
/// Every schema name that two types claim, and every default that breaks its field's rule.
pub fn build(
    routes: &[&'static RouteMetadata],
    config: &ApiConfig,
    examples: &Examples,
) -> Result<Value, Vec<StartError>> {
    let (paths, schemas) = operations(routes, config, examples);
    let (schemas, errors) = schemas.finish();
    if !errors.is_empty() {
        return Err(errors);
    }
    let tags: BTreeSet<&str> = routes.iter().map(|route| route.tag).collect();
    let mut info = json!({ "title": config.title, "version": config.version });
    if !config.description.is_empty() {
        info["description"] = json!(config.description);
    }
    let mut components = json!({ "schemas": schemas });
    if config.api_key.is_some() {
        components["securitySchemes"] = json!({ "api_key": { "type": "http", "scheme": "bearer" } });
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": info,
        "tags": tags.into_iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "paths": paths,
        "components": components,
    }))
}

/// The `paths` object and the schemas that it refers to.
fn operations(
    routes: &[&'static RouteMetadata],
    config: &ApiConfig,
    examples: &Examples,
) -> (Map<String, Value>, Schemas) {
    let mut paths = Map::new();
    let mut schemas = Schemas::default();
    for route in routes {
        for path in route.paths() {
            let operation = OperationBuilder::of(route, path, std::mem::take(&mut schemas));
            let (operation, rest) = operation.finish(config.api_key.is_some(), examples);
            schemas = rest;
            let item = paths.entry(template(path)).or_insert_with(|| json!({}));
            item[route.method.as_str().to_ascii_lowercase()] = operation;
        }
    }
    (paths, schemas)
}

/// The path as an OpenAPI template: `{*rest}` is `{rest}`.
pub(crate) fn template(path: &str) -> String {
    path.replace("{*", "{")
}
