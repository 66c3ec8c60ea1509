//! Sessions: conversations that the server remembers, message by message.

use serde_json::Value;

use super::{GenerationParams, StoreFuture, StoredResponse};
use crate::error::{BackendError, Result};

/// Most messages of a session.
pub const SESSION_MESSAGES: u64 = 10_000;
/// Most bytes of a session's messages: what a request reads whole has to fit into memory.
pub const SESSION_BYTES: u64 = 64 << 20;

/// Most bytes of all sessions together, where nobody says otherwise.
pub const SESSIONS_BYTES: u64 = 8 << 30;
/// What a message takes in the store beside its own bytes, counted for [`SESSIONS_BYTES`]: many small ones fill a disk too.
pub const MESSAGE_COST: u64 = 256;
/// Bytes of messages after which a page of a history ends, so that reading one is bounded.
pub const PAGE_BYTES: usize = 8 << 20;

/// A session.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// What it is about, where somebody said so.
    pub title: Option<String>,
    /// When its first message came, in seconds since 1970.
    pub created: u64,
    /// When its last message came, in seconds since 1970.
    pub updated: u64,
    /// How many messages it has.
    pub messages: u64,
    /// Bytes of its messages.
    pub bytes: u64,
    /// Its own parameters of generation.
    pub params: GenerationParams,
    /// Which one of this id it is: no other one ever has the same.
    pub incarnation: i64,
}

/// A message of a session. The store does not look into its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMessage {
    /// Its id, which no other message of the session has.
    pub id: String,
    /// Its place in the session, from 0 on.
    pub position: u64,
    /// When it was stored, in seconds since 1970.
    pub created: u64,
    /// What was said.
    pub body: MessageBody,
}

/// What was said, and who said it.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageBody {
    /// Who speaks; `system` and `developer` hold for the whole session.
    pub role: String,
    /// The message.
    pub content: Value,
    /// Labels.
    pub metadata: Value,
}

/// A message that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Its id. One that is there already and says the same is not stored again.
    pub id: String,
    /// What it says.
    pub body: MessageBody,
}

impl Session {
    /// Whether there is room for so many more messages of so many bytes together.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] of `session_id` where there is none.
    pub fn has_room(&self, messages: u64, bytes: u64) -> Result<()> {
        let Self { id, messages: has, bytes: of, .. } = self;
        if has + messages <= SESSION_MESSAGES && of + bytes <= SESSION_BYTES {
            return Ok(());
        }
        let reason = format!(
            "session `{id}` has no room for {messages} more of {bytes} bytes: it has {has} messages of {of} bytes, and \
             takes {SESSION_MESSAGES} of {SESSION_BYTES} bytes; begin another one"
        );
        Err(BackendError::invalid("session_id", reason))
    }
}

impl NewMessage {
    /// Its bytes, as they are counted.
    pub fn bytes(&self) -> u64 {
        (self.id.len() + self.body.content.to_string().len() + self.body.metadata.to_string().len()) as u64
    }
}

/// Messages that are to be stored in one session, and a response with them: all of it or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Id of the session, which is made where it is not there.
    pub session: String,
    /// [`Session::incarnation`] of the one that is meant, where it was there before: one that was deleted meanwhile is not
    /// made again.
    pub incarnation: Option<i64>,
    /// How many messages the session has to have before, where these answer what is there: one that went on meanwhile is left as
    /// it is.
    pub length: Option<u64>,
    /// The title of the session from now on, where there is one.
    pub title: Option<String>,
    /// The messages, the oldest first.
    pub messages: Vec<NewMessage>,
    /// The response that they are the question and the answer of, where it is kept too.
    pub response: Option<StoredResponse>,
}

impl Append {
    /// Messages for the end of a session, whatever there is.
    pub fn of(session: impl Into<String>, messages: Vec<NewMessage>) -> Self {
        Self {
            session: session.into(),
            incarnation: None,
            length: None,
            title: None,
            messages,
            response: None,
        }
    }
}

/// Where a message was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Id of the message.
    pub id: String,
    /// Its place in the session, from 0 on.
    pub position: u64,
    /// When it was stored, in seconds since 1970.
    pub created: u64,
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Id after which it begins.
    pub after: Option<String>,
    /// Most entries.
    pub limit: u64,
    /// Whether the newest come first.
    pub newest_first: bool,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Paged<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Whether there are more behind them.
    pub has_more: bool,
}

/// A session as a request goes on with it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionTail {
    /// The session.
    pub session: Session,
    /// Its messages, the oldest first.
    pub messages: Vec<StoredMessage>,
}

/// Keeps sessions. Failures are those of [`super::Store`], and those that are named.
pub trait SessionStore: Send + Sync {
    /// Stores messages at the end of a session, and the response that they belong to as
    /// [`super::ResponseStore::put_response`] does. A message whose id is there already is not stored again; where it is.
    ///
    /// Fails with [`crate::BackendError::InvalidInput`] of `id` where a message of this id says something else, and of
    /// `session_id` where the session has no room ([`SESSION_MESSAGES`], [`SESSION_BYTES`]) or is of another length; with
    /// [`crate::BackendError::ConfigurationError`] of `sessions-limit` where all of them have none; with
    /// [`crate::BackendError::SessionNotFound`] where the one that is meant was deleted.
    fn append_messages(&self, append: Append) -> StoreFuture<'_, Vec<Place>>;

    /// Whether sessions may grow. Fails with [`crate::BackendError::ConfigurationError`] of `sessions-limit` where they are
    /// at their bound.
    fn sessions_may_grow(&self) -> StoreFuture<'_, ()>;

    /// A session; `None` where there is none of this id.
    fn session(&self, id: &str) -> StoreFuture<'_, Option<Session>>;

    /// Sessions, in the order in which they were made. Fails with [`crate::BackendError::InvalidInput`] of `after` where
    /// there is no session of that id.
    fn sessions(&self, page: Page) -> StoreFuture<'_, Paged<Session>>;

    /// Messages of a session; a page ends early with the message that takes it to [`PAGE_BYTES`]. Fails with [`crate::BackendError::SessionNotFound`], and with
    /// [`crate::BackendError::InvalidInput`] of `after` where the session has no message of that id.
    fn history(&self, session: &str, page: Page) -> StoreFuture<'_, Paged<StoredMessage>>;

    /// A session and its messages, or the last `limit` of them from the first one of a user on; where none of these is a
    /// user's and the limit is not 0, from the last one of a user on, since what answers the call of a tool is nothing without
    /// its question. Those that hold for the whole session are always there, and not counted. `None` where there is no session
    /// of this id.
    fn session_tail(&self, id: &str, limit: Option<u64>) -> StoreFuture<'_, Option<SessionTail>>;

    /// Drops a session with its messages and parameters; whether there was one.
    fn delete_session(&self, id: &str) -> StoreFuture<'_, bool>;

    /// Keeps the parameters of a session, in place of those that there were; whether there is one of this id.
    fn put_session_params(&self, id: &str, params: GenerationParams) -> StoreFuture<'_, bool>;
}
