//! Conformance: a response seen in a test is one that the document declares.

use std::collections::HashMap;

use http::header;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::framework::MountedApp;
use crate::framework::case::CaseResponse;
use crate::framework::layers::edge::REQUEST_ID;
use crate::framework::record::Method;

/// The declared responses of an app, with a validator for each JSON body.
#[derive(Debug)]
pub struct Conformance {
    /// By operation (`get /path`), then by status (or `default`), then by media type.
    operations: HashMap<String, HashMap<String, HashMap<String, Option<Validator>>>>,
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
                let mut responses = HashMap::new();
                for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    let mut contents = HashMap::new();
                    for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                        let validator = media_type
                            .ends_with("json")
                            .then(|| validator(&content["schema"], &app.document["components"]))
                            .transpose()
                            .map_err(|reason| format!("{method} {path}, {status}: {reason}"))?;
                        contents.insert(media_type.clone(), validator);
                    }
                    responses.insert(status.clone(), contents);
                }
                operations.insert(format!("{method} {path}"), responses);
            }
        }
        Ok(Self { operations })
    }

    /// Holds a response of a route to what is declared for it.
    ///
    /// # Errors
    /// With what is not as declared.
    pub fn check(&self, method: Method, path: &str, response: &CaseResponse) -> Result<(), String> {
        let operation = format!("{} {}", method.as_str().to_ascii_lowercase(), path.replace("{*", "{"));
        let declared = self
            .operations
            .get(&operation)
            .ok_or_else(|| format!("the document has no operation {operation}"))?;
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
        let wrong: Vec<String> = validator
            .iter_errors(&body)
            .take(5)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("the body is not as declared: {}", wrong.join("; ")))
        }
    }
}

/// A validator of a schema whose references point into the document's components.
fn validator(schema: &Value, components: &Value) -> Result<Validator, String> {
    let root = json!({ "allOf": [schema], "components": components });
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&root)
        .map_err(|error| format!("the schema is none: {error}"))
}
