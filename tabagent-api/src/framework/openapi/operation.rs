//! One operation: what the arguments and the response of a route say of themselves.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::examples::Examples;
use super::schemas::Schemas;
use crate::framework::case::{CaseBody, Expectation, TestCase};
use crate::framework::problem::{ProblemBody, ProblemKind, ProblemReport, ProblemVariant};
use crate::framework::record::{Auth, RouteMetadata};
use crate::framework::{ApiError, PathFields, Problem};

/// Collects the parts of one operation.
#[derive(Debug)]
pub struct OperationBuilder {
    route: &'static RouteMetadata,
    path: &'static str,
    schemas: Schemas,
    parameters: Vec<Value>,
    /// Media types that are taken, with their schemas.
    bodies: Vec<(String, Value)>,
    responses: BTreeMap<u16, Response>,
}

#[derive(Debug, Default)]
struct Response {
    description: String,
    headers: Map<String, Value>,
    content: Map<String, Value>,
}

impl OperationBuilder {
    /// The operation of `route` at one of its paths.
    pub(crate) fn of(route: &'static RouteMetadata, path: &'static str, schemas: Schemas) -> Self {
        let mut operation = Self {
            route,
            path,
            schemas,
            parameters: Vec::new(),
            bodies: Vec::new(),
            responses: BTreeMap::new(),
        };
        (route.describe)(&mut operation);
        operation
    }

    /// The status of the route's success.
    pub fn success_status(&self) -> StatusCode {
        StatusCode::from_u16(self.route.status).unwrap_or(StatusCode::OK)
    }

    /// Adds a required JSON body.
    pub fn json_body<T: ToSchema>(&mut self) {
        let schema = self.schemas.add::<T>();
        self.bodies.push(("application/json".to_owned(), schema));
    }

    /// Adds a required body of another media type; a second one stands beside the first.
    pub fn body(&mut self, media_type: &str, schema: Value) {
        self.bodies.push((media_type.to_owned(), schema));
    }

    /// Adds the parameters of the path: in order, or by name.
    pub fn path_parameters<T: PathFields>(&mut self) {
        let mut parts = Vec::new();
        T::collect(&mut parts);
        self.schemas.add_list(parts);
        let names = parameter_names(self.path);
        for (index, (name, mut schema)) in T::schemas().into_iter().enumerate() {
            let Some(name) = name.or_else(|| names.get(index).copied()) else { continue };
            // An empty segment never matches a parameter.
            if schema.get("type").is_some_and(|kind| kind == "string") && schema.get("minLength").is_none() {
                schema["minLength"] = json!(1);
            }
            let description = schema.as_object_mut().and_then(|object| object.remove("description"));
            let mut parameter = json!({ "name": name, "in": "path", "required": true, "schema": schema });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            let examples = self.examples(|case| {
                case.path
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| typed(value, &parameter["schema"]))
            });
            if !examples.is_empty() {
                parameter["examples"] = Value::Object(examples);
            }
            self.parameters.push(parameter);
        }
    }

    /// Adds one query parameter for each property of `T`.
    pub fn query_parameters<T: ToSchema>(&mut self) {
        let schema = self.schemas.add_unnamed::<T>();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let Some(properties) = schema["properties"].as_object() else { return };
        for (name, property) in properties {
            let mut property = without_null(property.clone());
            let description = property.as_object_mut().and_then(|object| object.remove("description"));
            let mut parameter = json!({
                "name": name, "in": "query", "required": required.contains(&name.as_str()), "schema": property,
            });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            let examples = self.examples(|case| {
                let (_, value) = case.query.iter().find(|(key, _)| key == name)?;
                Some(typed(value, &parameter["schema"]))
            });
            if !examples.is_empty() {
                parameter["examples"] = Value::Object(examples);
            }
            self.parameters.push(parameter);
        }
    }

    /// Adds a JSON response.
    pub fn json_response<T: ToSchema>(&mut self, status: StatusCode) {
        let schema = self.schemas.add::<T>();
        self.response(status, "application/json", schema);
    }

    /// Adds a response of server-sent events, each `data:` line a `T`.
    pub fn stream_response<T: ToSchema>(&mut self, status: StatusCode) {
        let event = self.schemas.add::<T>();
        // OpenAPI 3.1 has no word for a sequence of events. Those who read a schema here take it for that of the whole text
        // or of each event; without a type it is true of both.
        let schema = json!({
            "description": "Server-sent events. The `data` of each is JSON, or the end of the stream.",
            "properties": { "data": { "anyOf": [
                { "const": "[DONE]" },
                { "type": "string", "contentMediaType": "application/json", "contentSchema": event },
            ] } },
        });
        self.response(status, "text/event-stream", schema);
    }

    /// Adds a response without a body.
    pub fn empty_response(&mut self, status: StatusCode) {
        self.responses.entry(status.as_u16()).or_default().description =
            status.canonical_reason().unwrap_or("Success").to_owned();
    }

    /// Adds a response of any media type; a second media type of one status stands beside the first.
    pub fn response(&mut self, status: StatusCode, media_type: &str, schema: Value) {
        let response = self.responses.entry(status.as_u16()).or_default();
        response.description = status.canonical_reason().unwrap_or("Success").to_owned();
        response.content.insert(media_type.to_owned(), json!({ "schema": schema }));
    }

    /// Adds the responses of all kinds of these problems.
    pub fn problems(&mut self, variants: &'static [ProblemVariant]) {
        for kind in variants.iter().flat_map(ProblemVariant::all_kinds) {
            self.problem(kind);
        }
    }

    fn problem(&mut self, kind: &'static ProblemKind) {
        let schema = self.schemas.add::<ProblemBody>();
        let response = self.responses.entry(kind.status).or_default();
        if !response.description.split("; ").any(|title| title == kind.title) {
            if !response.description.is_empty() {
                response.description.push_str("; ");
            }
            response.description.push_str(kind.title);
        }
        if kind.retry_after.is_some() {
            response.headers.insert(
                "Retry-After".to_owned(),
                json!({ "description": "Seconds after which another try is sensible.", "schema": { "type": "integer" } }),
            );
        }
        let content = response
            .content
            .entry("application/problem+json")
            .or_insert_with(|| json!({ "schema": schema, "examples": {} }));
        content["examples"][kind.slug] = json!({ "summary": kind.title, "value": example_body(kind) });
    }

    /// Requests of the cases that succeed, by the case's name.
    fn examples(&self, value: impl Fn(&TestCase) -> Option<Value>) -> Map<String, Value> {
        self.route
            .cases
            .iter()
            .filter(|case| matches!(case.expect, Expectation::Success { .. }))
            .filter_map(|case| {
                Some((example_name(case.name), json!({ "summary": case.name, "value": value(case)? })))
            })
            .collect()
    }

    /// The operation object, and the schemas with what it added.
    pub(crate) fn finish(mut self, keyed: bool, examples: &Examples) -> (Value, Schemas) {
        self.response_examples(examples);
        let locked = keyed && self.route.auth == Auth::Key;
        if !self.bodies.is_empty() {
            for variant in [
                "BodyMalformed",
                "ContentTypeUnsupported",
                "ContentEncodingUnsupported",
                "BodyTooLarge",
                "BodyStalled",
            ] {
                self.api_error(variant);
            }
        }
        if !self.bodies.is_empty() || !self.parameters.is_empty() {
            self.api_error("RequestInvalid");
        }
        if locked {
            self.api_error("Unauthorized");
        }
        let problem = self.schemas.add::<ProblemBody>();
        let route = self.route;
        let alias = route.aliases.iter().find(|alias| alias.path == self.path);
        let mut operation = json!({
            "operationId": operation_id(route, self.path),
            "tags": [route.tag],
            "summary": route.summary,
        });
        let description = match alias {
            Some(_) => format!("Alias of `{route}`.\n\n{}", route.description),
            None => route.description.to_owned(),
        };
        if !description.trim().is_empty() {
            operation["description"] = json!(description.trim());
        }
        if route.deprecated || alias.is_some_and(|alias| alias.deprecated) {
            operation["deprecated"] = json!(true);
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = Value::Array(std::mem::take(&mut self.parameters));
        }
        let requests = self.examples(|case| match case.body {
            CaseBody::Json(text) => serde_json::from_str(text).ok(),
            _ => None,
        });
        let mut contents = Map::new();
        for (media_type, schema) in std::mem::take(&mut self.bodies) {
            let mut content = json!({ "schema": schema });
            if !requests.is_empty() && media_type == "application/json" {
                content["examples"] = Value::Object(requests.clone());
            }
            contents.insert(media_type, content);
        }
        if !contents.is_empty() {
            operation["requestBody"] = json!({ "required": true, "content": contents });
        }
        if locked {
            operation["security"] = json!([{ "api_key": [] }]);
        }
        let mut responses: Map<String, Value> = self
            .responses
            .into_iter()
            .map(|(status, response)| (status.to_string(), response.into_value()))
            .collect();
        responses.insert(
            "default".to_owned(),
            json!({
                "description": "Any other failure: a limit, an allow-list, a deadline.",
                "content": { "application/problem+json": { "schema": problem } },
            }),
        );
        operation["responses"] = Value::Object(responses);
        (operation, self.schemas)
    }

    /// Adds what the cases have seen to the JSON of the success.
    fn response_examples(&mut self, examples: &Examples) {
        let seen: Map<String, Value> = examples
            .of(self.route.operation_id)
            .map(|(case, value)| (example_name(case), json!({ "summary": case, "value": value })))
            .collect();
        let content =
            self.responses.get_mut(&self.route.status).and_then(|it| it.content.get_mut("application/json"));
        if let Some(content) = content
            && !seen.is_empty()
        {
            content["examples"] = Value::Object(seen);
        }
    }

    fn api_error(&mut self, name: &str) {
        for variant in ApiError::VARIANTS.iter().filter(|variant| variant.name == name) {
            for kind in variant.all_kinds() {
                self.problem(kind);
            }
        }
    }
}

impl Response {
    fn into_value(self) -> Value {
        let mut value = json!({ "description": self.description });
        if !self.headers.is_empty() {
            value["headers"] = Value::Object(self.headers);
        }
        if !self.content.is_empty() {
            value["content"] = Value::Object(self.content);
        }
        value
    }
}

/// The operation's id at one of its paths; an alias adds its own path to keep ids unique.
fn operation_id(route: &RouteMetadata, path: &str) -> String {
    if path == route.path {
        return route.operation_id.to_owned();
    }
    let tail: String =
        path.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    format!("{}{tail}", route.operation_id)
}

/// Names of the parameters of a path, in order, without axum's star.
pub(crate) fn parameter_names(path: &str) -> Vec<&str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| name.trim_start_matches('*'))
        .collect()
}

fn example_name(case: &str) -> String {
    case.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn example_body(kind: &'static ProblemKind) -> Value {
    let report = ProblemReport {
        kind: *kind,
        detail: kind.title.to_lowercase(),
        errors: Vec::new(),
        param: None,
        retry_after: None,
    };
    serde_json::to_value(report.body("req_0192f0c4e9a07d1b8f6a3c5d7e9b1a2c")).unwrap_or_default()
}

/// A query parameter is absent rather than null.
fn without_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            schema["type"] = only.clone();
        }
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(options) = schema.get_mut(key).and_then(Value::as_array_mut) {
            options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
            if let [only] = options.as_slice() {
                let mut only = only.clone();
                if let (Some(target), Some(rest)) = (only.as_object_mut(), schema.as_object()) {
                    for (name, value) in rest.iter().filter(|(name, _)| *name != key) {
                        target.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                schema = only;
            }
        }
    }
    schema
}

/// A value of the path or the query as the JSON type that its schema names.
pub(crate) fn typed(text: &str, schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("string") | None => json!(text),
        Some(_) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}
