//! The options of a response: what a request asks for, and what the response says of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tabagent_runtime::{TextConstraint, TextForm};

use crate::Schema;
use crate::routes::chat::{AllowedMode, ToolKind};
use crate::routes::constraint::{Function, json_form};
use crate::routes::generation::{ReasoningEffort, Verbosity};

/// What a stream tells beside the response.
#[derive(Debug, Clone, Copy, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ResponseStreamOptions {
    /// Whether events are filled up to hide their length. Only `false`.
    pub include_obfuscation: Option<bool>,
}

/// Which conversation is continued: OpenAI's name of a session.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(untagged)]
pub enum ConversationParam {
    /// By its id.
    Id(#[rule(length(min = 1, max = 128), pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"))] String),
    /// By its id, in an object.
    Object(#[rule(nested)] ConversationRef),
}

/// A conversation, by its id.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ConversationRef {
    /// Id of the session.
    #[rule(length(min = 1, max = 128), pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"))]
    pub id: String,
}

impl ConversationParam {
    /// Id of the session.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object(ConversationRef { id }) => id,
        }
    }
}

/// What is told beside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Schema)]
pub enum Includable {
    /// Log probabilities of its tokens.
    #[serde(rename = "message.output_text.logprobs")]
    Logprobs,
}

/// A tool that the model may call. Tools that run at OpenAI are not served.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResponseTool {
    /// A function of the client.
    Function {
        /// Its name.
        #[rule(length(min = 1, max = 64), pattern("^[a-zA-Z0-9_-]+$"))]
        name: String,
        /// What it does, for the model.
        #[rule(length(max = 65_536))]
        description: Option<String>,
        /// Its parameters, as a JSON Schema.
        #[rule(any("what the schema of a function says is the client's to choose"))]
        parameters: Option<Map<String, Value>>,
        /// Whether arguments keep the schema in any case; false when absent. Without it they keep it where the response is
        /// held to calls anyway (`tool_choice`, `parallel_tool_calls`), and keywords that cannot be held are passed over.
        strict: Option<bool>,
    },
}

/// Which functions are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(untagged)]
pub enum ResponseToolChoice {
    /// Any or none.
    Mode(ToolChoiceMode),
    /// By name.
    Named(#[rule(nested)] NamedTool),
}

/// Which functions are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoiceMode {
    /// None.
    None,
    /// Those that the model calls by itself.
    Auto,
    /// At least one.
    Required,
}

/// Which functions are called, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum NamedTool {
    /// This one, once.
    Function {
        /// Its name.
        #[rule(length(min = 1, max = 64))]
        name: String,
    },
    /// None but these.
    AllowedTools {
        /// Whether one has to be called.
        mode: AllowedMode,
        /// Their names.
        #[rule(items(min = 1, max = 128), each(nested))]
        tools: Vec<AllowedFunction>,
    },
}

/// A function that may be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct AllowedFunction {
    /// Always `function`.
    pub r#type: ToolKind,
    /// Its name.
    #[rule(length(min = 1, max = 64))]
    pub name: String,
}

/// The form of the text.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct TextOptions {
    /// Its form.
    #[serde(default)]
    #[rule(nested)]
    pub format: TextFormat,
    /// How much is said. Only `medium`: the instructions can say more of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<Verbosity>,
}

/// The form of the text.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum TextFormat {
    /// Any text.
    Text {},
    /// Any JSON object.
    JsonObject {},
    /// JSON that keeps a schema.
    JsonSchema {
        /// Name of the schema.
        #[rule(length(min = 1, max = 64), pattern("^[a-zA-Z0-9_-]+$"))]
        name: String,
        /// What it is for, for the model.
        #[rule(length(max = 65_536))]
        description: Option<String>,
        /// The schema.
        #[rule(any("what a schema says is the client's to choose"))]
        schema: Map<String, Value>,
        /// Whether a schema that cannot be held whole is refused; else keywords that cannot be held are passed over.
        strict: Option<bool>,
    },
}

impl Default for TextFormat {
    fn default() -> Self {
        Self::Text {}
    }
}

/// How the model thinks.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ReasoningOptions {
    /// How long it thinks: the variable `reasoning_effort` of its chat template; `none` is also `enable_thinking: false`.
    /// Templates that read neither do not change.
    pub effort: Option<ReasoningEffort>,
    /// Only `null`: thoughts are told whole.
    #[rule(length(max = 64))]
    pub summary: Option<String>,
}

/// What happens to a conversation that the model cannot take whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Truncation {
    /// The request fails.
    Disabled,
    /// Its oldest items are left out; not served.
    Auto,
}

impl ResponseTool {
    /// The tool as all routes have it; `at` is its place in the request.
    pub(super) fn function(&self, at: usize) -> Function {
        let Self::Function { name, parameters, strict, .. } = self;
        Function {
            field: format!("tools[{at}].parameters"),
            name: name.clone(),
            parameters: parameters.clone().map(Value::Object),
            strict: strict.unwrap_or(false),
        }
    }
}

impl TextFormat {
    /// What it holds a text to; `None` for any text.
    pub(super) fn constraint(&self) -> Option<TextConstraint> {
        let (field, form) = match self {
            Self::Text {} => return None,
            Self::JsonObject {} => ("text.format", TextForm::JsonObject),
            Self::JsonSchema { schema, strict, .. } => {
                ("text.format.schema", json_form(Some(schema), *strict))
            }
        };
        Some(TextConstraint { field: field.to_owned(), form })
    }
}
