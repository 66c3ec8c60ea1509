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
    /// Id of the model.
    #[rule(length(min = 1, max = 256))]
    pub model: String,
    /// The conversation so far.
    #[rule(items(min = 1, max = 4096), each(nested))]
    pub messages: Vec<ChatMessage>,
    /// Divides the logits; 0 always takes the likeliest token. The model's author says what it is when absent.
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
    /// Further variables of the model's chat template, such as `enable_thinking`.
    #[rule(any("what a template reads is the template's to say"))]
    pub chat_template_kwargs: Option<Map<String, Value>>,
    /// Id of the end user, for OpenAI's clients; it is neither stored nor logged.
    #[rule(length(max = 512))]
    pub user: Option<String>,
}

/// One message.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What is said: a text, or a list of parts. `null` only where the assistant called tools.
    #[rule(nested)]
    pub content: Option<ChatContent>,
    /// Name of the speaker, or of the tool that answers.
    #[rule(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// Tools that the assistant called.
    #[rule(items(max = 128), each(nested))]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// The call that a tool answers.
    #[rule(length(min = 1, max = 256))]
    pub tool_call_id: Option<String>,
    /// What the assistant refused to say; `null` from servers that have none.
    #[rule(length(max = 1_048_576))]
    pub refusal: Option<String>,
    /// What the assistant thought; `reasoning` is another name for it.
    #[serde(alias = "reasoning")]
    #[rule(length(max = 1_048_576))]
    pub reasoning_content: Option<String>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ChatRole {
    /// Who made the application; the same as `system`.
    Developer,
    /// Who set up the conversation.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
    /// A tool that was called.
    Tool,
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

    /// The messages as chat templates take them.
    pub(super) fn conversation(&self) -> Result<Conversation, InferenceError> {
        let messages = self
            .messages
            .iter()
            .enumerate()
            .map(|(at, message)| message.for_template(at))
            .collect::<Result<_, _>>()?;
        Ok(Conversation {
            messages,
            tools: Vec::new(),
            add_generation_prompt: true,
            variables: self.chat_template_kwargs.clone().unwrap_or_default(),
            now: None,
        })
    }
}

impl ChatMessage {
    /// The message in the form of transformers' `apply_chat_template`.
    fn for_template(&self, at: usize) -> Result<Value, InferenceError> {
        let role = match self.role {
            // Templates know the older name.
            ChatRole::Developer | ChatRole::System => "system",
            ChatRole::User => "user",
            ChatRole::Assistant => "assistant",
            ChatRole::Tool => "tool",
        };
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        if !calls.is_empty() && self.role != ChatRole::Assistant {
            return Err(InferenceError::invalid(
                format!("messages[{at}].tool_calls"),
                "only an assistant's message has tool calls",
            ));
        }
        let mut message = Map::new();
        message.insert("role".to_owned(), json!(role));
        match &self.content {
            Some(content) => message.insert("content".to_owned(), json!(content.text())),
            None if !calls.is_empty() || self.refusal.is_some() => {
                message.insert("content".to_owned(), json!(self.refusal.as_deref().unwrap_or_default()))
            }
            None => {
                return Err(InferenceError::invalid(
                    format!("messages[{at}].content"),
                    "is missing; only a message with tool calls has none",
                ));
            }
        };
        if self.role == ChatRole::Tool && self.tool_call_id.is_none() {
            return Err(InferenceError::invalid(
                format!("messages[{at}].tool_call_id"),
                "is missing; it names the call that the tool answers",
            ));
        }
        for (key, value) in [
            ("name", &self.name),
            ("tool_call_id", &self.tool_call_id),
            ("reasoning_content", &self.reasoning_content),
        ] {
            if let Some(value) = value {
                message.insert(key.to_owned(), json!(value));
            }
        }
        if !calls.is_empty() {
            let calls = calls.iter().map(|call| {
                // Templates write the arguments as JSON themselves; text that is no JSON stays as it is.
                let arguments = serde_json::from_str(&call.function.arguments)
                    .unwrap_or_else(|_| Value::String(call.function.arguments.clone()));
                json!({
                    "id": call.id, "type": "function",
                    "function": { "name": call.function.name, "arguments": arguments },
                })
            });
            message.insert("tool_calls".to_owned(), calls.collect());
        }
        Ok(Value::Object(message))
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
