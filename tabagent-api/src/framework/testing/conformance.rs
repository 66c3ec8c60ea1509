//! Conformance: a request that succeeds and a response seen in a test are ones that the document declares.

use std::collections::HashMap;

use http::header;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::framework::MountedApp;
use crate::framework::case::{CaseBody, CaseResponse, TestCase};
use crate::framework::layers::edge::REQUEST_ID;
use crate::framework::openapi::typed;
use crate::framework::record::Method;

/// The operations of an app, with a validator for each JSON body and each parameter.
#[derive(Debug)]
pub struct Conformance {
    /// By method and path: `get /path`.
    operations: HashMap<String, Operation>,
}

#[derive(Debug)]
struct Operation {
    /// Of the body in JSON, where the operation takes one.
    body: Option<Validator>,
    /// By `path` or `query`, and by name.
    parameters: HashMap<(String, String), Parameter>,
    /// By status (or `default`), then by media type.
    responses: HashMap<String, HashMap<String, Option<Validator>>>,
}

#[derive(Debug)]
struct Parameter {
    schema: Value,
    validator: Validator,
}

impl Conformance {
    /// Prepares the document of an app.
    ///
    /// # Errors
    /// When a schema of the document is none.
    pub fn of(app: &MountedApp) -> Result<Self, String> {
        let mut operations = HashMap::new();
        for (path, item) in app.document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let name = format!("{method} {path}");
                let operation = Operation::of(operation, &app.document["components"])
                    .map_err(|reason| format!("{name}: {reason}"))?;
                operations.insert(name, operation);
            }
        }
        Ok(Self { operations })
    }

    fn operation(&self, method: Method, path: &str) -> Result<&Operation, String> {
        let operation = format!("{} {}", method.as_str().to_ascii_lowercase(), path.replace("{*", "{"));
        self.operations.get(&operation).ok_or_else(|| format!("the document has no operation {operation}"))
    }

    /// Holds the request of a case that succeeds to what is declared: a server that takes more than its document allows
    /// has a wrong document.
    ///
    /// # Errors
    /// With what is not as declared.
    pub fn check_request(&self, method: Method, path: &str, case: &TestCase) -> Result<(), String> {
        let operation = self.operation(method, path)?;
        for (place, pairs) in [("path", case.path), ("query", case.query)] {
            for (name, value) in pairs {
                let declared = operation.parameters.get(&(place.to_owned(), (*name).to_owned()));
                let declared = declared
                    .ok_or_else(|| format!("the document has no parameter `{name}` of the {place}"))?;
                hold(&declared.validator, &typed(value, &declared.schema))
                    .map_err(|wrong| format!("the parameter `{name}` is not as declared: {wrong}"))?;
            }
        }
        if let (CaseBody::Json(text), Some(validator)) = (&case.body, &operation.body) {
            let body: Value =
                serde_json::from_str(text).map_err(|error| format!("the request is not JSON: {error}"))?;
            hold(validator, &body).map_err(|wrong| format!("the request is not as declared: {wrong}"))?;
        }
        Ok(())
    }

    /// Holds a response of a route to what is declared for it.
    ///
    /// # Errors
    /// With what is not as declared.
    pub fn check(&self, method: Method, path: &str, response: &CaseResponse) -> Result<(), String> {
        let declared = &self.operation(method, path)?.responses;
        if !response.headers.contains_key(REQUEST_ID) {
            return Err(format!("the response has no header {REQUEST_ID}"));
        }
        let status = response.status.as_u16().to_string();
        let contents = declared.get(&status).or_else(|| {
            // Only failures may be of a status that is not declared by its number.
            let failed = response.status.is_client_error() || response.status.is_server_error();
            failed.then(|| declared.get("default")).flatten()
        });
        let contents = contents.ok_or_else(|| format!("the status {status} is not declared"))?;
        let content_type = response.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(content_type) = content_type else {
            return if contents.is_empty() && response.body.is_empty() {
                Ok(())
            } else {
                Err("the response has no content type".to_owned())
            };
        };
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let validator = contents
            .get(essence)
            .ok_or_else(|| format!("{essence} is not declared for the status {status}"))?;
        let Some(validator) = validator else { return Ok(()) };
        let body: Value = serde_json::from_slice(&response.body)
            .map_err(|error| format!("the body is not JSON: {error}"))?;
        hold(validator, &body).map_err(|wrong| format!("the body is not as declared: {wrong}"))
    }
}

impl Operation {
    fn of(operation: &Value, components: &Value) -> Result<Self, String> {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let body = (!body.is_null()).then(|| validator(body, components)).transpose()?;
        let mut parameters = HashMap::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let text = |key: &str| parameter[key].as_str().unwrap_or_default().to_owned();
            let schema = parameter["schema"].clone();
            let validator = validator(&schema, components)?;
            parameters.insert((text("in"), text("name")), Parameter { schema, validator });
        }
        let mut responses = HashMap::new();
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            let mut contents = HashMap::new();
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let validator = media_type
                    .ends_with("json")
                    .then(|| validator(&content["schema"], components))
                    .transpose()
                    .map_err(|reason| format!("{status}: {reason}"))?;
                contents.insert(media_type.clone(), validator);
            }
            responses.insert(status.clone(), contents);
        }
        Ok(Self { body, parameters, responses })
    }
}

/// The first few things that are wrong with a value.
fn hold(validator: &Validator, value: &Value) -> Result<(), String> {
    let wrong: Vec<String> = validator
        .iter_errors(value)
        .take(5)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// A validator of a schema whose references point into the document's components.
fn validator(schema: &Value, components: &Value) -> Result<Validator, String> {
    let root = json!({ "allOf": [schema], "components": components });
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&root)
        .map_err(|error| format!("the schema is none: {error}"))
}
