//! What a request of chat or responses does in a session: it goes on from what is there, and adds its question and its answer.

use std::collections::BTreeSet;

use serde_json::Value;
use tabagent_runtime::error::InvalidCause;
use tabagent_runtime::{Append, BackendError, GenerateRequest, NewMessage, Runtime, Session, SessionTail};

use super::message::{body, new_id, read};
use crate::routes::chat::{ChatMessage, MessageRole};
use crate::routes::inference::InferenceError;

/// A question in a session, whose answer is on its way.
pub(in crate::routes) struct Turn {
    runtime: Runtime,
    /// Id of the session.
    id: String,
    /// The session, where it was there before.
    session: Option<Session>,
    /// Messages of the session, the oldest first.
    earlier: Vec<ChatMessage>,
    question: Vec<NewMessage>,
}

impl Turn {
    /// Reads a session, or the last `limit` messages of it; one that is not there has none yet.
    ///
    /// # Errors
    /// Those of the store.
    pub(in crate::routes) async fn begin(
        runtime: &Runtime,
        id: String,
        limit: Option<u32>,
    ) -> Result<Self, BackendError> {
        let (session, messages) = match runtime.session_tail(&id, limit.map(u64::from)).await? {
            Some(SessionTail { session, messages }) => (Some(session), messages),
            None => (None, Vec::new()),
        };
        let earlier = messages.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { runtime: runtime.clone(), id, session, earlier, question: Vec::new() })
    }

    /// Ids of the calls of tools that the session has.
    pub(in crate::routes) fn calls(&self) -> BTreeSet<&str> {
        self.earlier.iter().flat_map(ChatMessage::calls).map(|call| call.id.as_str()).collect()
    }

    /// Takes the messages of the request; returns the conversation as chat templates take it. What holds for the whole
    /// conversation comes first and is not kept; where the request has some, it takes the place of what the session has.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the session has no room for them.
    pub(in crate::routes) fn ask(&mut self, asked: Vec<ChatMessage>) -> Result<Vec<Value>, BackendError> {
        let (system, question): (Vec<_>, Vec<_>) = asked.into_iter().partition(is_system);
        for message in &question {
            self.question.push(NewMessage { id: new_id(), body: body(message)? });
        }
        let bytes = self.question.iter().map(NewMessage::bytes).sum();
        if let Some(session) = &self.session {
            // Before the work, and with the answer.
            session.has_room(self.question.len() as u64 + 1, bytes)?;
        }
        let earlier = std::mem::take(&mut self.earlier).into_iter();
        let earlier = earlier.filter(|message| system.is_empty() || !is_system(message));
        let front = system.iter().map(ChatMessage::for_template);
        let kept: Vec<Value> = earlier.map(|message| message.for_template()).collect();
        Ok(front.chain(kept).chain(question.iter().map(ChatMessage::for_template)).collect())
    }

    /// Fills in what a request does not say and the session does.
    pub(in crate::routes) fn complete(&self, request: &mut GenerateRequest) {
        if let Some(session) = &self.session {
            session.params.complete(request);
        }
    }

    /// Adds the question and its answer to the session, durably when this returns.
    ///
    /// # Errors
    /// [`BackendError::SessionNotFound`] where the session was deleted meanwhile, and those of the store.
    pub(in crate::routes) async fn keep(&mut self, answer: &ChatMessage) -> Result<(), BackendError> {
        let mut messages = std::mem::take(&mut self.question);
        messages.push(NewMessage { id: new_id(), body: body(answer)? });
        let incarnation = self.session.as_ref().map(|session| session.incarnation);
        let append = Append { session: self.id.clone(), incarnation, title: None, messages };
        self.runtime.append_messages(append).await.map(|_| ())
    }
}

fn is_system(message: &ChatMessage) -> bool {
    matches!(message.role(), MessageRole::System | MessageRole::Developer)
}

/// A failure of a request in a session: where the context is too long, the way out.
pub(in crate::routes) fn explain(error: BackendError) -> BackendError {
    match error {
        BackendError::InvalidInput { field, reason, cause: InvalidCause::ContextLength } => {
            BackendError::context_length(
                field,
                format!(
                    "{reason}, those of the session included; `history_limit` takes its last messages alone"
                ),
            )
        }
        other => other,
    }
}

/// Refuses a `history_limit` without a session.
///
/// # Errors
/// [`InferenceError::Invalid`].
pub(in crate::routes) fn needs_session(session: bool, limit: Option<u32>) -> Result<(), InferenceError> {
    InferenceError::refuse(&[(
        "history_limit",
        limit.is_some() && !session,
        "is for a session; send its `session_id`, or leave it out",
    )])
}
