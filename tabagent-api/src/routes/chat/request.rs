//! What POST /v1/chat/completions takes: OpenAI's request, as far as it is served here, and the further sampling options
//! that other servers have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tabagent_runtime::{Conversation, SamplingRequest};

use crate::Schema;
use crate::routes::generation::{StopTexts, StreamOptions, logit_bias};
use crate::routes::inference::InferenceError;

/// A conversation to be continued.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// Id of the model; the one inside the server when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// The conversation so far.
    #[rule(items(min = 1, max = 2048), each(nested))]
    pub messages: Vec<ChatMessage>,
    /// Divides the logits; 0 always takes the likeliest token. GET /v1/params says what it is when absent.
    #[rule(range(min = 0, max = 2))]
    pub temperature: Option<f32>,
    /// Keeps the likeliest tokens that have this probability together.
    #[rule(range(min = 0, max = 1))]
    pub top_p: Option<f32>,
    /// Keeps the so many likeliest tokens; 0 keeps all.
    #[rule(range(min = 0, max = 1_000_000))]
    pub top_k: Option<u32>,
    /// Keeps tokens with at least this share of the likeliest one's probability.
    #[rule(range(min = 0, max = 1))]
    pub min_p: Option<f32>,
    /// Divides the logits of tokens that occurred, those of the prompt included; `repeat_penalty` is another name for it.
    #[serde(alias = "repeat_penalty")]
    #[rule(range(min = 0.125, max = 8))]
    pub repetition_penalty: Option<f32>,
    /// Taken from the logits of tokens that were generated, once.
    #[rule(range(min = -2, max = 2))]
    pub presence_penalty: Option<f32>,
    /// Taken from the logits of tokens that were generated, for each time.
    #[rule(range(min = -2, max = 2))]
    pub frequency_penalty: Option<f32>,
    /// Added to the logits of single tokens, by their ids.
    #[rule(items(max = 1024), each(range(min = -100, max = 100)))]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// Makes the draw repeat: the same seed gives the same text.
    pub seed: Option<i64>,
    /// How many answers.
    #[rule(range(min = 1, max = 128))]
    pub n: Option<u32>,
    /// Most tokens of an answer; as many as the model takes when absent.
    #[rule(range(min = 1, max = 10_000_000))]
    pub max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`.
    #[rule(range(min = 1, max = 10_000_000))]
    pub max_tokens: Option<u32>,
    /// Texts that end an answer and are no part of it.
    #[rule(nested)]
    pub stop: Option<StopTexts>,
    /// Whether the answer comes as server-sent events.
    #[serde(default)]
    pub stream: bool,
    /// What the stream tells beside the answer.
    pub stream_options: Option<StreamOptions>,
    /// Whether log probabilities are told.
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens are told in place of each; needs `logprobs`.
    #[rule(range(min = 0, max = 20))]
    pub top_logprobs: Option<u32>,
    /// The form of the answer.
    pub response_format: Option<ResponseFormat>,
    /// Tools that the model may call.
    #[rule(items(max = 128), each(nested))]
    pub tools: Option<Vec<Tool>>,
    /// Which tools are called. A call cannot be demanded: answers are not constrained here.
    pub tool_choice: Option<ToolChoice>,
    /// Whether an answer may call several tools. Only `true`.
    pub parallel_tool_calls: Option<bool>,
    /// Further variables of the model's chat template, such as `enable_thinking`.
    #[rule(any("what a template reads is the template's to say"))]
    pub chat_template_kwargs: Option<Map<String, Value>>,
    /// Id of the end user, for OpenAI's clients; it is neither stored nor logged.
    #[rule(length(max = 512))]
    pub user: Option<String>,
}

/// One message, by who speaks.
#[derive(Debug, Deserialize, Schema)]
#[serde(tag = "role", rename_all = "lowercase", deny_unknown_fields)]
pub enum ChatMessage {
    /// Who made the application; the same as `system`.
    Developer {
        /// What is said.
        #[rule(nested)]
        content: ChatContent,
        /// Name of the speaker.
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
    },
    /// Who set up the conversation.
    System {
        /// What is said.
        #[rule(nested)]
        content: ChatContent,
        /// Name of the speaker.
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
    },
    /// Who asks.
    User {
        /// What is said.
        #[rule(nested)]
        content: ChatContent,
        /// Name of the speaker.
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
    },
    /// The model.
    Assistant {
        /// What is said; absent or `null` where tools were called.
        #[rule(nested)]
        content: Option<ChatContent>,
        /// Name of the speaker.
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
        /// Tools that were called.
        #[rule(items(max = 128), each(nested))]
        tool_calls: Option<Vec<ToolCall>>,
        /// What was refused; said in place of the content where there is none.
        #[rule(length(max = 1_048_576))]
        refusal: Option<String>,
        /// What was thought; `reasoning` is another name for it.
        #[serde(alias = "reasoning")]
        #[rule(length(max = 1_048_576))]
        reasoning_content: Option<String>,
    },
    /// A tool that was called.
    Tool {
        /// What it answers.
        #[rule(nested)]
        content: ChatContent,
        /// The call that it answers.
        #[rule(length(min = 1, max = 256))]
        tool_call_id: String,
        /// Its name.
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
    },
}

/// What is said.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum ChatContent {
    /// A text.
    Text(#[rule(length(max = 4_194_304))] String),
    /// Parts, which are joined by line breaks.
    Parts(#[rule(items(max = 1024), each(nested))] Vec<ContentPart>),
}

/// A part of a message. Images, sounds and files are not served.
#[derive(Debug, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ContentPart {
    /// A text.
    Text {
        /// The text.
        #[rule(length(max = 4_194_304))]
        text: String,
    },
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
    /// Its parameters, as a JSON Schema.
    #[rule(any("what the schema of a function says is the client's to choose"))]
    pub parameters: Option<Map<String, Value>>,
    /// Whether arguments must keep the schema. Only `false`: answers are not constrained here.
    pub strict: Option<bool>,
}

/// Which tools are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// None.
    None,
    /// Those that the model calls by itself.
    Auto,
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

/// The form of an answer.
#[derive(Debug, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResponseFormat {
    /// Any text.
    Text {},
}

impl ChatRequest {
    /// How tokens are chosen.
    pub(super) fn sampling(&self) -> Result<SamplingRequest, InferenceError> {
        Ok(SamplingRequest {
            temperature: self.temperature,
            top_k: self.top_k.map(|count| count as usize),
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            logit_bias: logit_bias(self.logit_bias.as_ref())?,
            seed: self.seed.map(i64::cast_unsigned),
        })
    }

    /// How many of the likeliest tokens are told with each; `None` where no log probabilities are asked for.
    pub(super) fn logprobs(&self) -> Result<Option<usize>, InferenceError> {
        match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (true, count) => Ok(Some(count.unwrap_or(0) as usize)),
            (false, None | Some(0)) => Ok(None),
            (false, Some(_)) => Err(InferenceError::invalid("top_logprobs", "needs `logprobs` to be true")),
        }
    }

    /// Most tokens of an answer.
    pub(super) fn limit(&self) -> Result<Option<usize>, InferenceError> {
        match (self.max_completion_tokens, self.max_tokens) {
            (Some(new), Some(old)) if new != old => Err(InferenceError::invalid(
                "max_tokens",
                "differs from `max_completion_tokens`; send one of them",
            )),
            (new, old) => Ok(new.or(old).map(|count| count as usize)),
        }
    }

    /// The conversation as chat templates take it.
    pub(super) fn conversation(&self) -> Result<Conversation, InferenceError> {
        if self.parallel_tool_calls == Some(false) {
            let reason = "is false, and the number of calls is not constrained here; leave it out";
            return Err(InferenceError::invalid("parallel_tool_calls", reason));
        }
        let strict = |tool: &Tool| tool.function.strict == Some(true);
        if let Some(at) = self.tools.as_deref().unwrap_or_default().iter().position(strict) {
            let reason = "is true, and answers are not constrained here; leave it out";
            return Err(InferenceError::invalid(format!("tools[{at}].function.strict"), reason));
        }
        let tools = match self.tool_choice {
            Some(ToolChoice::None) => &[],
            Some(ToolChoice::Auto) | None => self.tools.as_deref().unwrap_or_default(),
        };
        Ok(Conversation {
            messages: self.messages.iter().map(ChatMessage::for_template).collect(),
            tools: tools.iter().map(Tool::for_template).collect(),
            add_generation_prompt: true,
            variables: self.chat_template_kwargs.clone().unwrap_or_default(),
            now: None,
        })
    }
}

impl Tool {
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

impl ChatMessage {
    /// The message in the form of transformers' `apply_chat_template`.
    fn for_template(&self) -> Value {
        let mut message = Map::new();
        let mut put = |key: &str, value: Value| message.insert(key.to_owned(), value);
        let name = match self {
            // Templates know the older name.
            Self::Developer { content, name } | Self::System { content, name } => {
                put("role", json!("system"));
                put("content", json!(content.text()));
                name
            }
            Self::User { content, name } => {
                put("role", json!("user"));
                put("content", json!(content.text()));
                name
            }
            Self::Assistant { content, name, tool_calls, refusal, reasoning_content } => {
                put("role", json!("assistant"));
                let said = content.as_ref().map(ChatContent::text).or_else(|| refusal.clone());
                put("content", json!(said.unwrap_or_default()));
                if let Some(thought) = reasoning_content {
                    put("reasoning_content", json!(thought));
                }
                let calls = tool_calls.as_deref().unwrap_or_default();
                if !calls.is_empty() {
                    put("tool_calls", calls.iter().map(ToolCall::for_template).collect());
                }
                name
            }
            Self::Tool { content, tool_call_id, name } => {
                put("role", json!("tool"));
                put("content", json!(content.text()));
                put("tool_call_id", json!(tool_call_id));
                name
            }
        };
        if let Some(name) = name {
            put("name", json!(name));
        }
        Value::Object(message)
    }
}

impl ToolCall {
    /// The call in the form of transformers' `apply_chat_template`.
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

impl ChatContent {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => {
                let texts: Vec<&str> = parts
                    .iter()
                    .map(|part| {
                        let ContentPart::Text { text } = part;
                        text.as_str()
                    })
                    .collect();
                texts.join("\n")
            }
        }
    }
}
