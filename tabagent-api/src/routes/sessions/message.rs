//! The messages of a session: as they are sent, kept and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tabagent_runtime::{BackendError, MessageBody, NewMessage, Place, StoredMessage};

use super::SessionError;
use crate::Schema;
use crate::routes::chat::{ChatContent, ChatMessage, MessageFields, MessageRole, ToolCall};

/// A message to be stored: one of a chat, and what the session is told of it.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct SessionMessageRequest {
    /// Who speaks.
    pub role: MessageRole,
    /// What is said; all roles have it, but an assistant that calls tools.
    #[rule(nested)]
    pub content: Option<ChatContent>,
    /// Name of the speaker.
    #[rule(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// Tools that were called, by an assistant.
    #[rule(items(max = 128), each(nested))]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// The call that a tool answers.
    #[rule(length(min = 1, max = 256))]
    pub tool_call_id: Option<String>,
    /// What an assistant refused; said in place of the content where there is none.
    #[rule(length(max = 1_048_576))]
    pub refusal: Option<String>,
    /// What an assistant thought; `reasoning` is another name for it.
    #[serde(alias = "reasoning")]
    #[rule(length(max = 1_048_576))]
    pub reasoning_content: Option<String>,
    /// Places that the text refers to; models here make none, and they are not kept.
    #[rule(any("they are not kept"))]
    pub annotations: Option<Vec<Value>>,
    /// Only `null`: what was said is text here.
    #[rule(any("it is refused with what to send instead"))]
    pub audio: Option<Value>,
    /// Only `null`: `tool_calls` are what was called.
    #[rule(any("it is refused with what to send instead"))]
    pub function_call: Option<Value>,
    /// Id of the message in its session; the server chooses one when absent. A message whose id is there already and which
    /// says the same is not stored again, so that it can be sent again when the answer was lost.
    #[rule(length(min = 1, max = 256))]
    pub id: Option<String>,
    /// Labels, which are stored with the message.
    #[rule(items(max = 16), each(length(max = 512)))]
    pub metadata: Option<BTreeMap<String, String>>,
    /// What the session is about, from now on.
    #[rule(length(min = 1, max = 512))]
    pub title: Option<String>,
}

/// Where a message was stored.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct StoredSessionMessage {
    /// Id of the message.
    pub id: String,
    /// Always `session.message`.
    pub object: String,
    /// Id of the session.
    pub session_id: String,
    /// Its place in the session, from 0 on.
    pub index: u64,
    /// When it was stored, in seconds since 1970.
    pub created_at: u64,
}

/// A message of a session.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct SessionMessage {
    /// Its id, which no other message of the session has.
    pub id: String,
    /// Always `session.message`.
    pub object: String,
    /// Its place in the session, from 0 on.
    pub index: u64,
    /// When it was stored, in seconds since 1970.
    pub created_at: u64,
    /// Who speaks.
    pub role: MessageRole,
    /// What is said, as it was sent; `null` where there is nothing but calls of tools.
    pub content: Option<ChatContent>,
    /// Name of the speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tools that were called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// The call that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// What was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// What was thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Labels.
    pub metadata: BTreeMap<String, String>,
}

/// Messages of a session.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct SessionMessageList {
    /// Always `list`.
    pub object: String,
    /// The messages.
    pub data: Vec<SessionMessage>,
    /// Id of the first one; `null` where there is none.
    pub first_id: Option<String>,
    /// Id of the last one; `null` where there is none.
    pub last_id: Option<String>,
    /// Whether there are more behind the last one.
    pub has_more: bool,
}

impl SessionMessageRequest {
    /// The message in the form in which it is kept, and the title of its session.
    ///
    /// # Errors
    /// [`SessionError::Invalid`] where its role lacks a field or does not have it, and for what is not done here.
    pub(super) fn read(self) -> Result<(NewMessage, Option<String>), SessionError> {
        let message = ChatMessage::try_from(MessageFields {
            role: self.role,
            content: self.content,
            name: self.name,
            tool_calls: self.tool_calls,
            refusal: self.refusal,
            reasoning_content: self.reasoning_content,
            annotations: self.annotations,
            audio: self.audio,
            function_call: self.function_call,
            tool_call_id: self.tool_call_id,
        })
        .map_err(|misfit| SessionError::invalid(misfit.field(), misfit.to_string()))?;
        if let Some((field, reason)) = message.refused() {
            return Err(SessionError::invalid(field, reason));
        }
        let metadata = json!(self.metadata.unwrap_or_default());
        let id = self.id.unwrap_or_else(new_id);
        Ok((NewMessage { id, body: MessageBody { metadata, ..body(&message)? } }, self.title))
    }
}

/// A message as it is kept.
///
/// # Errors
/// [`BackendError::InternalError`] where it is no JSON.
pub(in crate::routes) fn body(message: &ChatMessage) -> Result<MessageBody, BackendError> {
    let failed = |error| BackendError::internal(format!("a message cannot be written as JSON: {error}"));
    let role = serde_json::to_value(message.role()).map_err(failed)?;
    Ok(MessageBody {
        role: role.as_str().unwrap_or_default().to_owned(),
        content: serde_json::to_value(message).map_err(failed)?,
        metadata: json!({}),
    })
}

/// A kept message.
///
/// # Errors
/// [`BackendError::InternalError`] where it is none.
pub(in crate::routes) fn read(stored: StoredMessage) -> Result<ChatMessage, BackendError> {
    serde_json::from_value(stored.body.content).map_err(|error| unreadable(&stored.id, &error))
}

fn unreadable(id: &str, error: &serde_json::Error) -> BackendError {
    BackendError::internal(format!("the stored message `{id}` cannot be read: {error}"))
}

/// An id that no other message has.
pub(in crate::routes) fn new_id() -> String {
    format!("msg_{}", uuid::Uuid::now_v7().simple())
}

impl SessionMessage {
    /// A stored message as it is shown.
    ///
    /// # Errors
    /// [`BackendError::InternalError`] where it is none.
    pub(super) fn of(stored: StoredMessage) -> Result<Self, BackendError> {
        let StoredMessage { id, position, created, body } = stored;
        let failed = |error| unreadable(&id, &error);
        let fields: MessageFields = serde_json::from_value(body.content).map_err(failed)?;
        let metadata = serde_json::from_value(body.metadata).map_err(failed)?;
        Ok(Self {
            object: "session.message".to_owned(),
            index: position,
            created_at: created,
            role: fields.role,
            content: fields.content,
            name: fields.name,
            tool_calls: fields.tool_calls,
            tool_call_id: fields.tool_call_id,
            refusal: fields.refusal,
            reasoning_content: fields.reasoning_content,
            metadata,
            id,
        })
    }
}

impl StoredSessionMessage {
    /// Where a message is.
    pub(super) fn of(session_id: String, place: Place) -> Self {
        Self {
            id: place.id,
            object: "session.message".to_owned(),
            session_id,
            index: place.position,
            created_at: place.created,
        }
    }
}
