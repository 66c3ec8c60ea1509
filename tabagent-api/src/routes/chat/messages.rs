//! The messages of a conversation, what chat templates take of them, and the form in which sessions keep them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::tools::ToolCall;
use crate::Schema;
use crate::routes::forms::TextOrList;

/// One message, by who speaks.
// Sessions keep it as it is written here: a field that comes later must be one that may be absent.
#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(tag = "role", rename_all = "lowercase", deny_unknown_fields, try_from = "MessageFields")]
#[allow(clippy::large_enum_variant, reason = "a request has few messages, and holds them once")]
pub enum ChatMessage {
    /// Who made the application; the same as `system`.
    Developer {
        /// What is said.
        #[rule(nested)]
        content: ChatContent,
        /// Name of the speaker.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
    },
    /// Who set up the conversation.
    System {
        /// What is said.
        #[rule(nested)]
        content: ChatContent,
        /// Name of the speaker.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
    },
    /// Who asks.
    User {
        /// What is said.
        #[rule(nested)]
        content: ChatContent,
        /// Name of the speaker.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
    },
    /// The model.
    Assistant {
        /// What is said; absent or `null` where tools were called.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[rule(nested)]
        content: Option<ChatContent>,
        /// Name of the speaker.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
        /// Tools that were called.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[rule(items(max = 128), each(nested))]
        tool_calls: Option<Vec<ToolCall>>,
        /// What was refused; said in place of the content where there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[rule(length(max = 1_048_576))]
        refusal: Option<String>,
        /// What was thought; `reasoning` is another name for it.
        #[serde(alias = "reasoning", skip_serializing_if = "Option::is_none")]
        #[rule(length(max = 1_048_576))]
        reasoning_content: Option<String>,
        /// Places that the text refers to; models here make none, and they are not read.
        #[serde(skip_serializing)]
        #[rule(any("they are not read"))]
        annotations: Option<Vec<Value>>,
        /// Only `null`: what was said is text here.
        #[serde(skip_serializing)]
        #[rule(any("it is refused with what to send instead"))]
        audio: Option<Value>,
        /// Only `null`: `tool_calls` are what was called.
        #[serde(skip_serializing)]
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
        #[serde(skip_serializing_if = "Option::is_none")]
        #[rule(length(min = 1, max = 256))]
        name: Option<String>,
    },
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
#[serde(untagged, from = "TextOrList<ContentPart>")]
pub enum ChatContent {
    /// A text.
    Text(#[rule(length(max = 4_194_304))] String),
    /// Parts, which are joined by line breaks.
    Parts(#[rule(items(max = 1024), each(nested))] Vec<ContentPart>),
}

/// A part of a message. Images, sounds and files are not served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
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
pub(in crate::routes) struct MessageFields {
    pub(in crate::routes) role: MessageRole,
    pub(in crate::routes) content: Option<ChatContent>,
    pub(in crate::routes) name: Option<String>,
    pub(in crate::routes) tool_calls: Option<Vec<ToolCall>>,
    pub(in crate::routes) refusal: Option<String>,
    #[serde(alias = "reasoning")]
    pub(in crate::routes) reasoning_content: Option<String>,
    pub(in crate::routes) annotations: Option<Vec<Value>>,
    pub(in crate::routes) audio: Option<Value>,
    pub(in crate::routes) function_call: Option<Value>,
    pub(in crate::routes) tool_call_id: Option<String>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
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

/// Why fields are no message.
#[derive(Debug, thiserror::Error)]
pub(in crate::routes) enum Misfit {
    // In serde's words, which the framework takes the field from.
    #[error("missing field `{0}`")]
    Missing(&'static str),
    #[error("unknown field `{0}` for a message of this role")]
    Foreign(&'static str),
}

impl Misfit {
    /// The field at fault.
    pub(in crate::routes) fn field(&self) -> &'static str {
        let (Self::Missing(field) | Self::Foreign(field)) = self;
        field
    }
}

impl TryFrom<MessageFields> for ChatMessage {
    type Error = Misfit;

    fn try_from(fields: MessageFields) -> Result<Self, Misfit> {
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
            ("annotations", annotations.is_some(), MessageRole::Assistant),
            ("audio", audio.is_some(), MessageRole::Assistant),
            ("function_call", function_call.is_some(), MessageRole::Assistant),
            ("tool_calls", tool_calls.is_some(), MessageRole::Assistant),
            ("refusal", refusal.is_some(), MessageRole::Assistant),
            ("reasoning_content", reasoning_content.is_some(), MessageRole::Assistant),
            ("tool_call_id", tool_call_id.is_some(), MessageRole::Tool),
        ];
        if let Some((field, ..)) = foreign.iter().find(|(_, there, of)| *there && *of != role) {
            return Err(Misfit::Foreign(field));
        }
        let said = |content: Option<ChatContent>| content.ok_or(Misfit::Missing("content"));
        Ok(match role {
            MessageRole::Developer => Self::Developer { content: said(content)?, name },
            MessageRole::System => Self::System { content: said(content)?, name },
            MessageRole::User => Self::User { content: said(content)?, name },
            MessageRole::Assistant => Self::Assistant {
                content,
                name,
                tool_calls,
                refusal,
                reasoning_content,
                annotations,
                audio,
                function_call,
            },
            MessageRole::Tool => {
                let tool_call_id = tool_call_id.ok_or(Misfit::Missing("tool_call_id"))?;
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
    /// What is not done here: the field, and what to send instead.
    pub(in crate::routes) fn refused(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Assistant { audio: Some(_), .. } => {
                Some(("audio", "sounds are not served; send what was said as `content`"))
            }
            Self::Assistant { function_call: Some(_), .. } => {
                Some(("function_call", "is the older form of `tool_calls`; send those"))
            }
            _ => None,
        }
    }

    /// Who speaks.
    pub(in crate::routes) fn role(&self) -> MessageRole {
        match self {
            Self::Developer { .. } => MessageRole::Developer,
            Self::System { .. } => MessageRole::System,
            Self::User { .. } => MessageRole::User,
            Self::Assistant { .. } => MessageRole::Assistant,
            Self::Tool { .. } => MessageRole::Tool,
        }
    }

    /// The calls of tools that it has.
    pub(in crate::routes) fn calls(&self) -> &[ToolCall] {
        match self {
            Self::Assistant { tool_calls: Some(calls), .. } => calls,
            _ => &[],
        }
    }

    /// The message in the form of transformers' `apply_chat_template`.
    pub(in crate::routes) fn for_template(&self) -> Value {
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
