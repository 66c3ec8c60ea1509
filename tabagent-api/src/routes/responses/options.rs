//! The options of a response: what a request asks for, and what the response says of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Schema;

/// What a stream tells beside the response.
#[derive(Debug, Clone, Copy, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ResponseStreamOptions {
    /// Whether events are filled up to hide their length. Only `false`.
    pub include_obfuscation: Option<bool>,
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
        /// Whether arguments must keep the schema. Only `false`, which it is when absent: answers are not constrained here.
        strict: Option<bool>,
    },
}

/// Which functions are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(untagged)]
pub enum ResponseToolChoice {
    /// Any or none.
    Mode(ToolChoiceMode),
    /// This one.
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

/// A function that is to be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum NamedTool {
    /// A function of the client.
    Function {
        /// Its name.
        #[rule(length(min = 1, max = 64))]
        name: String,
    },
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

/// The form of the text. Only `text`: answers are not constrained here.
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
        /// Whether the answer must keep the schema.
        strict: Option<bool>,
    },
}

impl Default for TextFormat {
    fn default() -> Self {
        Self::Text {}
    }
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// As much as the model says by itself.
    Medium,
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

/// How long a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the words of OpenAI and of chat templates")]
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
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

/// How soon a response is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// As the server has it.
    Auto,
    /// The same.
    Default,
}
