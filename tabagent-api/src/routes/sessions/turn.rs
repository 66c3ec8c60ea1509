//! What a request of chat or responses does in a session: it goes on from what is there, and adds its question and its answer.

use std::collections::BTreeSet;

use serde_json::Value;
use tabagent_runtime::error::InvalidCause;
use tabagent_runtime::{
    Append, BackendError, GenerateRequest, NewMessage, Runtime, Session, SessionTail, StoredResponse,
};

use super::message::{body, new_id, read};
use crate::routes::chat::{ChatMessage, MessageRole};
use crate::routes::inference::InferenceError;

/// A question in a session, whose answer is on its way.
pub(crate) struct Turn {
    runtime: Runtime,
    /// Id of the session.
    id: String,
    /// The session, where it was there before.
    session: Option<Session>,
    /// Messages of the session, the oldest first.
    earlier: Vec<ChatMessage>,
    question: Vec<NewMessage>,
    /// How many messages the session had, where the last one of them is the question.
    length: Option<u64>,
}

impl Turn {
    /// Reads a session, or the last `limit` messages of it; one that is not there has none yet.
    ///
    /// # Errors
    /// Those of the store, and that of sessions that may not grow.
    pub(crate) async fn begin(
        runtime: &Runtime,
        id: String,
        limit: Option<u32>,
    ) -> Result<Self, BackendError> {
        runtime.sessions_may_grow().await?;
        let (session, messages) = match runtime.session_tail(&id, limit.map(u64::from)).await? {
            Some(SessionTail { session, messages }) => (Some(session), messages),
            None => (None, Vec::new()),
        };
        let earlier = messages.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { runtime: runtime.clone(), id, session, earlier, question: Vec::new(), length: None })
    }

    /// Ids of the calls of tools that the session has.
    pub(crate) fn calls(&self) -> BTreeSet<&str> {
        self.earlier.iter().flat_map(ChatMessage::calls).map(|call| call.id.as_str()).collect()
    }

    /// What the session has, as chat templates take it.
    pub(crate) fn so_far(&self) -> Vec<Value> {
        self.earlier.iter().map(ChatMessage::for_template).collect()
    }

    /// Takes the messages of the request; returns the conversation as chat templates take it. What holds for the whole
    /// conversation comes first and is not kept; where the request has some, it takes the place of what the session has. Where it
    /// has nothing else, the last message of the session is the question.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the session has no room for them, or there is nothing to answer;
    /// [`BackendError::SessionNotFound`] where that is so because there is no session.
    pub(crate) fn ask(&mut self, asked: Vec<ChatMessage>) -> Result<Vec<Value>, BackendError> {
        let (system, question): (Vec<_>, Vec<_>) = asked.into_iter().partition(is_system);
        if question.is_empty() {
            self.length = Some(self.waiting()?);
        }
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

    /// How many messages the session has, where the last one that is read waits for an answer.
    fn waiting(&self) -> Result<u64, BackendError> {
        let Some(session) = &self.session else {
            return Err(BackendError::SessionNotFound { session: self.id.clone() });
        };
        let last = self.earlier.iter().rfind(|message| !is_system(message));
        match last.map(ChatMessage::role) {
            Some(MessageRole::User | MessageRole::Tool) => Ok(session.messages),
            _ => {
                let reason = format!(
                    "has nothing to answer, and what is read of session `{}` does not end with a message of a user or a tool; send one",
                    self.id
                );
                Err(BackendError::invalid("messages", reason))
            }
        }
    }

    /// Fills in what a request does not say and the session does.
    pub(crate) fn complete(&self, request: &mut GenerateRequest) {
        if let Some(session) = &self.session {
            session.params.complete(request);
        }
    }

    /// Adds the question and its answer to the session, and keeps the response that they are, where there is one: all of it
    /// or nothing, durably when this returns.
    ///
    /// # Errors
    /// [`BackendError::SessionNotFound`] where the session was deleted meanwhile, [`BackendError::InvalidInput`] where it went on
    /// after the message that is answered, and those of the store.
    pub(crate) async fn keep(
        &mut self,
        answer: &ChatMessage,
        response: Option<StoredResponse>,
    ) -> Result<(), BackendError> {
        let mut messages = std::mem::take(&mut self.question);
        messages.push(NewMessage { id: new_id(), body: body(answer)? });
        let incarnation = self.session.as_ref().map(|session| session.incarnation);
        let append = Append { incarnation, length: self.length, response, ..Append::of(&*self.id, messages) };
        self.runtime.append_messages(append).await.map(|_| ())
    }
}

fn is_system(message: &ChatMessage) -> bool {
    matches!(message.role(), MessageRole::System | MessageRole::Developer)
}

/// A failure of a request in a session: where the context is too long, the way out.
pub(crate) fn explain(error: BackendError) -> BackendError {
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
pub(crate) fn needs_session(session: bool, limit: Option<u32>) -> Result<(), InferenceError> {
    InferenceError::refuse(&[(
        "history_limit",
        limit.is_some() && !session,
        "is for a session; send its `session_id`, or leave it out",
    )])
}
