//! The messages of a conversation, and what chat templates take of them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tools::ToolCall;
use crate::Schema;
use crate::routes::forms::TextOrList;
use crate::routes::inference::InferenceError;

/// One message, by who speaks.
#[derive(Debug, Deserialize, Schema)]
#[serde(tag = "role", rename_all = "lowercase", deny_unknown_fields, try_from = "MessageFields")]
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
#[serde(untagged, from = "TextOrList<ContentPart>")]
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

/// The fields of all roles, as they come: read without a buffer, so that an error has the place of what is wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFields {
    role: Role,
    content: Option<ChatContent>,
    name: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
    refusal: Option<String>,
    #[serde(alias = "reasoning")]
    reasoning_content: Option<String>,
    annotations: Option<Vec<Value>>,
    audio: Option<Value>,
    function_call: Option<Value>,
    tool_call_id: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Developer,
    System,
    User,
    Assistant,
    Tool,
}

impl TryFrom<MessageFields> for ChatMessage {
    type Error = String;

    fn try_from(fields: MessageFields) -> Result<Self, String> {
        let MessageFields {
            role,
            content,
            name,
            tool_calls,
            refusal,
            reasoning_content,
            annotations,
            audio,
            function_call,
            tool_call_id,
        } = fields;
        let foreign = [
            ("annotations", annotations.is_some(), Role::Assistant),
            ("audio", audio.is_some(), Role::Assistant),
            ("function_call", function_call.is_some(), Role::Assistant),
            ("tool_calls", tool_calls.is_some(), Role::Assistant),
            ("refusal", refusal.is_some(), Role::Assistant),
            ("reasoning_content", reasoning_content.is_some(), Role::Assistant),
            ("tool_call_id", tool_call_id.is_some(), Role::Tool),
        ];
        if let Some((field, ..)) = foreign.iter().find(|(_, there, of)| *there && *of != role) {
            return Err(format!("unknown field `{field}` for a message of this role"));
        }
        // In serde's words, which the framework takes the field from.
        let missing = |field: &str| format!("missing field `{field}`");
        let said = |content: Option<ChatContent>| content.ok_or_else(|| missing("content"));
        Ok(match role {
            Role::Developer => Self::Developer { content: said(content)?, name },
            Role::System => Self::System { content: said(content)?, name },
            Role::User => Self::User { content: said(content)?, name },
            Role::Assistant => Self::Assistant {
                content,
                name,
                tool_calls,
                refusal,
                reasoning_content,
                annotations,
                audio,
                function_call,
            },
            Role::Tool => {
                let tool_call_id = tool_call_id.ok_or_else(|| missing("tool_call_id"))?;
                Self::Tool { content: said(content)?, tool_call_id, name }
            }
        })
    }
}

impl From<TextOrList<ContentPart>> for ChatContent {
    fn from(content: TextOrList<ContentPart>) -> Self {
        match content {
            TextOrList::Text(text) => Self::Text(text),
            TextOrList::List(parts) => Self::Parts(parts),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_message_is_named_with_its_place() {
        let text = json!({ "type": "text", "text": "What is this?" });
        let image = json!({ "type": "image_url", "image_url": { "url": "https://example.org/a.png" } });
        for (message, place, words) in [
            (
                json!({ "role": "user", "content": [text, image] }),
                "content[1].type",
                "unknown variant `image_url`, expected `text`",
            ),
            (json!({ "role": "user", "content": 5 }), "content", "expected a text or a list"),
            (
                json!({ "role": "user", "content": [{ "type": "text" }] }),
                "content[0]",
                "missing field `text`",
            ),
            (json!({ "role": "user", "content": [5] }), "content[0]", "invalid type: integer `5`"),
            (json!({ "role": "user", "name": "Ada" }), ".", "missing field `content`"),
            (json!({ "role": "tool", "content": "7" }), ".", "missing field `tool_call_id`"),
            (
                json!({ "role": "user", "content": "Hi", "refusal": "No" }),
                ".",
                "unknown field `refusal` for a message of this role",
            ),
            (json!({ "role": "user", "content": "Hi", "mood": "good" }), "mood", "unknown field `mood`"),
            (json!({ "role": "robot", "content": "Hi" }), "role", "unknown variant `robot`, expected one of"),
            (
                json!({ "role": "assistant", "tool_calls": [{ "id": "1", "type": "function" }] }),
                "tool_calls[0]",
                "missing field `function`",
            ),
        ] {
            let body = message.to_string();
            let json = &mut serde_json::Deserializer::from_str(&body);
            let error = serde_path_to_error::deserialize::<_, ChatMessage>(json).unwrap_err();
            assert_eq!(error.path().to_string(), place, "{body}: {error}");
            assert!(error.inner().to_string().contains(words), "{body}: {error}");
        }
    }

    #[test]
    fn every_role_is_read() {
        for message in [
            json!({ "role": "developer", "content": "Be brief." }),
            json!({ "role": "system", "content": [{ "text": "Be brief.", "type": "text" }] }),
            json!({ "role": "user", "content": "Hi", "name": "Ada" }),
            json!({ "role": "assistant", "content": null, "reasoning": "Hm" }),
            json!({ "role": "tool", "content": "7", "tool_call_id": "1" }),
        ] {
            let role = if message["role"] == "developer" { json!("system") } else { message["role"].clone() };
            let read: ChatMessage = serde_json::from_value(message).unwrap();
            assert_eq!(read.for_template()["role"], role);
        }
    }
}
