//! The messages of a conversation, and what chat templates take of them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tools::ToolCall;
use crate::Schema;
use crate::routes::inference::InferenceError;

/// One message, by who speaks.
#[derive(Debug, Deserialize, Schema)]
#[serde(tag = "role", rename_all = "lowercase", deny_unknown_fields)]
#[allow(clippy::large_enum_variant, reason = "a request has few messages, and holds them once")]
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
        /// Places that the text refers to; models here make none, and they are not read.
        #[rule(any("they are not read"))]
        annotations: Option<Vec<Value>>,
        /// Only `null`: what was said is text here.
        #[rule(any("it is refused with what to send instead"))]
        audio: Option<Value>,
        /// Only `null`: `tool_calls` are what was called.
        #[rule(any("it is refused with what to send instead"))]
        function_call: Option<Value>,
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

impl ChatMessage {
    /// Refuses what is not done here; `at` is the place of the message in the request.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`], with what to send instead.
    pub(super) fn refuse(&self, at: usize) -> Result<(), InferenceError> {
        let Self::Assistant { audio, function_call, .. } = self else { return Ok(()) };
        InferenceError::refuse(&[
            (
                &format!("messages[{at}].audio"),
                audio.is_some(),
                "sounds are not served; send what was said as `content`",
            ),
            (
                &format!("messages[{at}].function_call"),
                function_call.is_some(),
                "is the older form of `tool_calls`; send those",
            ),
        ])
    }

    /// The message in the form of transformers' `apply_chat_template`.
    pub(super) fn for_template(&self) -> Value {
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
            Self::Assistant { content, name, tool_calls, refusal, reasoning_content, .. } => {
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
