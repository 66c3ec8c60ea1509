//! What the routes that generate text ask of the form of an answer: JSON, other forms, and calls of tools.

use serde::Deserialize;
use serde_json::{Map, Value};
use tabagent_runtime::{CallConstraint, CallableTool, Constraint, TextConstraint, TextForm};

use super::inference::InferenceError;
use crate::Schema;

/// One form of an answer, by the names that vLLM has for them. Exactly one field.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct StructuredOutputs {
    /// JSON that this schema describes. A schema that cannot be held whole is refused.
    #[rule(any("what the schema of an answer says is the client's to choose"))]
    pub json: Option<Map<String, Value>>,
    /// What this regular expression matches from its beginning to its end, in the syntax of Rust's crate `regex`.
    #[rule(length(min = 1, max = 4096))]
    pub regex: Option<String>,
    /// One of these texts.
    #[rule(items(min = 1, max = 1000), each(length(min = 1, max = 4096)))]
    pub choice: Option<Vec<String>>,
    /// What this grammar describes, in llguidance's variant of the syntax of Lark; it begins at the rule `start`.
    #[rule(length(min = 1, max = 32_768))]
    pub grammar: Option<String>,
}

impl StructuredOutputs {
    /// The form; `field` is the name of this in the request.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`] where there is not exactly one.
    pub(super) fn text(&self, field: &str) -> Result<TextConstraint, InferenceError> {
        let forms = [
            ("json", self.json.as_ref().map(|schema| json_form(Some(schema), Some(true)))),
            ("regex", self.regex.clone().map(TextForm::Regex)),
            ("choice", self.choice.clone().map(TextForm::Choice)),
            ("grammar", self.grammar.clone().map(TextForm::Lark)),
        ];
        let mut given = forms.into_iter().filter_map(|(name, form)| Some((name, form?)));
        match (given.next(), given.next()) {
            (Some((name, form)), None) => Ok(TextConstraint { field: format!("{field}.{name}"), form }),
            _ => {
                let reason = "needs exactly one of `json`, `regex`, `choice` and `grammar`";
                Err(InferenceError::invalid(field, reason))
            }
        }
    }
}

/// The form of JSON that a schema describes; any object where there is none. Only where `strict` a schema that cannot be
/// held whole is refused.
pub(super) fn json_form(schema: Option<&Map<String, Value>>, strict: Option<bool>) -> TextForm {
    match schema {
        None => TextForm::JsonObject,
        Some(schema) => {
            TextForm::JsonSchema { schema: Value::Object(schema.clone()), strict: strict.unwrap_or(false) }
        }
    }
}

/// A function that the model may call.
#[derive(Debug, Clone)]
pub(super) struct Function {
    /// Field of its parameters in the request.
    pub(super) field: String,
    /// Its name.
    pub(super) name: String,
    /// JSON Schema of its arguments.
    pub(super) parameters: Option<Value>,
    /// Whether its arguments keep the schema in any case.
    pub(super) strict: bool,
}

impl Function {
    /// Whether the schema of its parameters is one of objects, as far as its `type` says.
    fn takes_an_object(&self) -> bool {
        match self.parameters.as_ref().and_then(|schema| schema.get("type")) {
            None => true,
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            Some(kind) => kind == "object",
        }
    }
}

/// Which functions are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// None.
    None,
    /// Those that the model calls by itself.
    Auto,
    /// At least one.
    Required,
    /// This one, once.
    Named(String),
    /// None but these; `required`: at least one of them.
    Allowed { names: Vec<String>, required: bool },
}

/// What an answer has to be like: its text, where that has a form, and its calls. `None` where it may be anything: a model
/// that calls tools by itself is not held to more than what is asked for.
///
/// # Errors
/// [`InferenceError::Invalid`] where a choice needs tools that are not there, and where the parameters of a tool are no
/// object.
pub(super) fn constraint(
    text: Option<TextConstraint>,
    mut tools: Vec<Function>,
    choice: &Choice,
    parallel: Option<bool>,
) -> Result<Option<Constraint>, InferenceError> {
    if tools.is_empty() {
        let wants = !matches!(choice, Choice::None | Choice::Auto);
        return match parallel {
            _ if wants => Err(InferenceError::invalid("tool_choice", "needs `tools` to choose from")),
            Some(_) => Err(InferenceError::invalid("parallel_tool_calls", "needs `tools`")),
            None => Ok(text.map(|text| Constraint { text: Some(text), calls: None })),
        };
    }
    if let Some(tool) = tools.iter().find(|tool| !tool.takes_an_object()) {
        let reason = "has to describe an object, as arguments have names; send `type: \"object\"`, and what this describes as one \
                      of its `properties`";
        return Err(InferenceError::invalid(&*tool.field, reason));
    }
    let named: &[String] = match choice {
        Choice::Named(name) => std::slice::from_ref(name),
        Choice::Allowed { names, .. } => names,
        Choice::None | Choice::Auto | Choice::Required => &[],
    };
    if let Some(unknown) = named.iter().find(|name| tools.iter().all(|tool| tool.name != **name)) {
        let reason = format!("names `{unknown}`, which is not among `tools`");
        return Err(InferenceError::invalid("tool_choice", reason));
    }
    let parallel = parallel.unwrap_or(true);
    let required = match choice {
        Choice::None => return Ok(text.map(|text| Constraint { text: Some(text), calls: None })),
        Choice::Auto => {
            if text.is_none() && parallel && !tools.iter().any(|tool| tool.strict) {
                return Ok(None);
            }
            false
        }
        Choice::Required | Choice::Named(_) => true,
        Choice::Allowed { required, .. } => *required,
    };
    if !named.is_empty() {
        tools.retain(|tool| named.contains(&tool.name));
    }
    let tools = tools.into_iter().map(|tool| CallableTool {
        field: tool.field,
        name: tool.name,
        parameters: tool.parameters,
        strict: tool.strict,
    });
    let calls = CallConstraint {
        tools: tools.collect(),
        required,
        parallel: parallel && !matches!(choice, Choice::Named(_)),
    };
    Ok(Some(Constraint { text: text.filter(|_| !required), calls: Some(calls) }))
}
