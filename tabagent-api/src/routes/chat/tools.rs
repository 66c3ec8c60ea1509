//! The tools of a conversation: what may be called, which are to be, and what was.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Schema;
use crate::routes::constraint::{Choice, Function};

/// A tool that the model may call.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Always `function`.
    pub r#type: ToolKind,
    /// The function.
    #[rule(nested)]
    pub function: FunctionDefinition,
}

/// A function of the client.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct FunctionDefinition {
    /// Its name.
    #[rule(length(min = 1, max = 64), pattern("^[a-zA-Z0-9_-]+$"))]
    pub name: String,
    /// What it does, for the model.
    #[rule(length(max = 65_536))]
    pub description: Option<String>,
    /// Its parameters, as a JSON Schema; it has none when absent.
    #[rule(any("what the schema of a function says is the client's to choose"))]
    pub parameters: Option<Map<String, Value>>,
    /// Whether arguments keep the schema in any case. Without it they keep it where the answer is held to calls anyway
    /// (`tool_choice`, `parallel_tool_calls`), and keywords that cannot be held are passed over.
    pub strict: Option<bool>,
}

/// Which tools are called.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(untagged)]
pub enum ToolChoice {
    /// By how much is left to the model.
    Mode(ToolMode),
    /// By name.
    Named(#[rule(nested)] NamedTools),
}

/// How much is left to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ToolMode {
    /// No tool is called.
    None,
    /// The model calls tools by itself.
    Auto,
    /// At least one tool is called.
    Required,
}

/// Which tools are called, by name.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum NamedTools {
    /// This one, once.
    Function {
        /// The function.
        #[rule(nested)]
        function: FunctionName,
    },
    /// None but these.
    AllowedTools {
        /// The tools.
        #[rule(nested)]
        allowed_tools: AllowedTools,
    },
}

/// A function by its name.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct FunctionName {
    /// Its name.
    #[rule(length(min = 1, max = 64))]
    pub name: String,
}

/// The tools that may be called of those that the request has.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct AllowedTools {
    /// Whether one has to be called.
    pub mode: AllowedMode,
    /// Their names.
    #[rule(items(min = 1, max = 128), each(nested))]
    pub tools: Vec<AllowedTool>,
}

/// Whether one of the allowed tools has to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum AllowedMode {
    /// The model calls them by itself.
    Auto,
    /// At least one is called.
    Required,
}

/// A tool that may be called.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct AllowedTool {
    /// Always `function`.
    pub r#type: ToolKind,
    /// The function.
    #[rule(nested)]
    pub function: FunctionName,
}

/// The kind of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ToolKind {
    /// A function of the client.
    Function,
}

/// A function and its arguments.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct FunctionCall {
    /// Name of the function.
    #[rule(length(min = 1, max = 256))]
    pub name: String,
    /// The arguments: an object, as JSON text.
    #[rule(length(max = 1_048_576))]
    pub arguments: String,
}

/// A call of a tool.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Id of the call, to which the tool's answer refers.
    #[rule(length(min = 1, max = 256))]
    pub id: String,
    /// Always `function`.
    pub r#type: ToolKind,
    /// What is called.
    #[rule(nested)]
    pub function: FunctionCall,
}

impl Tool {
    /// The tool as all routes have it; `at` is its place in the request.
    pub(super) fn function(&self, at: usize) -> Function {
        Function {
            field: format!("tools[{at}].function.parameters"),
            name: self.function.name.clone(),
            parameters: self.function.parameters.clone().map(Value::Object),
            strict: self.function.strict.unwrap_or(false),
        }
    }

    /// The tool in the form of transformers' `apply_chat_template`, which is OpenAI's.
    pub(in crate::routes) fn for_template(&self) -> Value {
        let function = &self.function;
        let mut described = Map::new();
        described.insert("name".to_owned(), json!(function.name));
        if let Some(description) = &function.description {
            described.insert("description".to_owned(), json!(description));
        }
        let parameters = function.parameters.clone().unwrap_or_else(|| {
            let mut none = Map::new();
            none.insert("type".to_owned(), json!("object"));
            none.insert("properties".to_owned(), json!({}));
            none
        });
        described.insert("parameters".to_owned(), Value::Object(parameters));
        json!({ "type": "function", "function": described })
    }
}

impl ToolChoice {
    /// The choice as all routes have it.
    pub(super) fn choice(&self) -> Choice {
        match self {
            Self::Mode(ToolMode::None) => Choice::None,
            Self::Mode(ToolMode::Auto) => Choice::Auto,
            Self::Mode(ToolMode::Required) => Choice::Required,
            Self::Named(NamedTools::Function { function }) => Choice::Named(function.name.clone()),
            Self::Named(NamedTools::AllowedTools { allowed_tools }) => Choice::Allowed {
                names: allowed_tools.tools.iter().map(|tool| tool.function.name.clone()).collect(),
                required: allowed_tools.mode == AllowedMode::Required,
            },
        }
    }
}

impl ToolCall {
    pub(in crate::routes) fn for_template(&self) -> Value {
        // Templates write the arguments as JSON themselves; text that is no JSON stays as it is.
        let arguments = serde_json::from_str(&self.function.arguments)
            .unwrap_or_else(|_| Value::String(self.function.arguments.clone()));
        json!({
            "id": self.id, "type": "function",
            "function": { "name": self.function.name, "arguments": arguments },
        })
    }
}
