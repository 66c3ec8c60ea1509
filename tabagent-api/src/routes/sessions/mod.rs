//! Sessions, conversations that the server remembers: their messages, their list, and what chat and responses do with them.

mod message;
mod turn;

use serde::{Deserialize, Serialize};
use tabagent_runtime::error::InvalidCause;
use tabagent_runtime::{Append, BackendError, Page, Runtime};

use super::responses::ItemOrder;
use crate::{ApiError, Component, Json, Path, Problem, Query, Schema, route};
pub use message::{SessionMessage, SessionMessageList, SessionMessageRequest, StoredSessionMessage};
pub(super) use turn::needs_session;
pub(crate) use turn::{Turn, explain};

/// Which session.
#[derive(Debug, Deserialize, Schema)]
pub struct SessionPath {
    /// Its id, which whoever begins it chooses.
    #[rule(length(min = 1, max = 128), pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"))]
    pub session_id: String,
}

/// Why a session does not do what is asked.
#[derive(Debug, thiserror::Error, Problem)]
pub enum SessionError {
    /// No session of this id is here.
    #[error("there is no session `{session_id}`")]
    #[problem(
        status = 404,
        title = "Session not found",
        slug = "session-not-found",
        code = "session_not_found",
        hint = "the first message of a session creates it: POST /v1/sessions/{session_id}/messages"
    )]
    NotFound {
        /// The id.
        session_id: String,
    },
    /// The request keeps its schema, and what it names does not go with what is stored, or with the role of the message.
    #[error("`{field}`: {reason}")]
    #[problem(
        status = 400,
        title = "A value cannot be used",
        slug = "session-invalid",
        code = "invalid_value",
        hint = "change the field that is named, or leave it out"
    )]
    Invalid {
        /// The field at fault.
        #[problem(param)]
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    #[problem(transparent)]
    Runtime(BackendError),
}

impl SessionError {
    fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }
}

impl From<BackendError> for SessionError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::SessionNotFound { session } => Self::NotFound { session_id: session },
            BackendError::InvalidInput { field, reason, cause: InvalidCause::Value } => {
                Self::Invalid { field, reason }
            }
            other => Self::Runtime(other),
        }
    }
}

/// A session.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Always `session`.
    pub object: String,
    /// What it is about, where somebody said so.
    pub title: Option<String>,
    /// When its first message was stored, in seconds since 1970.
    pub created_at: u64,
    /// When its last message was stored, in seconds since 1970.
    pub updated_at: u64,
    /// How many messages it has; at most 10,000.
    pub messages: u64,
    /// Bytes of its messages; at most 64 MiB.
    pub bytes: u64,
}

impl Session {
    fn of(session: tabagent_runtime::Session) -> Self {
        Self {
            id: session.id,
            object: "session".to_owned(),
            title: session.title,
            created_at: session.created,
            updated_at: session.updated,
            messages: session.messages,
            bytes: session.bytes,
        }
    }
}

/// Sessions.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct SessionList {
    /// Always `list`.
    pub object: String,
    /// The sessions.
    pub data: Vec<Session>,
    /// Id of the first one; `null` where there is none.
    pub first_id: Option<String>,
    /// Id of the last one; `null` where there is none.
    pub last_id: Option<String>,
    /// Whether there are more behind the last one.
    pub has_more: bool,
}

/// A session that was deleted.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct DeletedSession {
    /// Its id.
    pub id: String,
    /// Always `session.deleted`.
    pub object: String,
    /// Always `true`.
    pub deleted: bool,
}

/// Store a message.
///
/// At the end of a session, which its first message creates. It is on the disk when this is answered. Chat and responses with
/// this `session_id` go on from there.
#[route(
    POST, "/v1/sessions/{session_id}/messages",
    tag = "sessions",
    status = 201,
    tests = [
        case("a message", path = { session_id: "session_to_begin" }, json = { "role": "user", "content": "Who are you?", "title": "A greeting" }, status = 201,
            check = |stored: &StoredSessionMessage| stored.session_id == "session_to_begin" && stored.object == "session.message" && stored.id.starts_with("msg_")),
        case("a message of parts, with its id", path = { session_id: "session_to_fill" }, json = {
            "role": "user", "content": [{ "type": "text", "text": "What is the" }, { "type": "text", "text": "weather?" }],
            "id": "question-1", "name": "Ada", "metadata": { "topic": "weather" },
        }, status = 201, check = |stored: &StoredSessionMessage| stored.id == "question-1"),
        case("a message that is there already", path = { session_id: "session_example" }, json = { "role": "user", "content": "Who are you?", "id": "msg_1" }, status = 201,
            check = |stored: &StoredSessionMessage| stored.id == "msg_1" && stored.index == 0),
        case("a call of a tool", path = { session_id: "session_of_calls" }, json = {
            "role": "assistant", "content": null, "refusal": null, "annotations": [], "audio": null, "function_call": null,
            "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } }],
        }, status = 201, check = |stored: &StoredSessionMessage| stored.session_id == "session_of_calls"),
        case("another message under an id", path = { session_id: "session_example" }, json = { "role": "user", "content": "And what can you do?", "id": "msg_1" }, problem = SessionError::Invalid),
        case("a tool without its call", path = { session_id: "session_example" }, json = { "role": "tool", "content": "21 degrees" }, problem = SessionError::Invalid),
        case("a user that calls tools", path = { session_id: "session_example" }, json = { "role": "user", "content": "Hi", "tool_calls": [] }, problem = SessionError::Invalid),
        case("nothing said", path = { session_id: "session_example" }, json = { "role": "user" }, problem = SessionError::Invalid),
        case("a sound", path = { session_id: "session_example" }, json = { "role": "assistant", "audio": { "id": "audio_1" } }, problem = SessionError::Invalid),
        case("unknown role", path = { session_id: "session_example" }, json = { "role": "robot", "content": "Hi" }, problem = ApiError::RequestInvalid),
        case("unknown field", path = { session_id: "session_example" }, json = { "role": "user", "content": "Hi", "mood": "good" }, problem = ApiError::RequestInvalid),
        case("an image", path = { session_id: "session_example" }, json = { "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "https://example.org/a.png" } }] }, problem = ApiError::RequestInvalid),
        case("an id that is none", path = { session_id: "a session" }, json = { "role": "user", "content": "Hi" }, problem = ApiError::RequestInvalid),
        untested(NotFound, "the first message of a session creates it"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn add_session_message(
    runtime: Component<Runtime>,
    Path(SessionPath { session_id }): Path<SessionPath>,
    Json(request): Json<SessionMessageRequest>,
) -> Result<Json<StoredSessionMessage>, SessionError> {
    let (message, title) = request.read()?;
    let append = Append { title, ..Append::of(&*session_id, vec![message]) };
    let place = runtime.append_messages(append).await?.pop();
    let place = place.ok_or_else(|| BackendError::internal("a message was stored nowhere"))?;
    Ok(Json(StoredSessionMessage::of(session_id, place)))
}

/// Which part of a session.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// Most messages; 100 when absent. A page of large ones has fewer.
    #[rule(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// Which ones come first; the oldest when absent.
    pub order: Option<ItemOrder>,
    /// Id of the message after which the list begins.
    #[rule(length(min = 1, max = 256))]
    pub after: Option<String>,
}

/// Show the messages of a session.
///
/// A page ends early where its messages are 8 MiB or more; `has_more` says that there are others.
#[route(
    GET, "/v1/sessions/{session_id}/history",
    tag = "sessions",
    tests = [
        case("all", path = { session_id: "session_example" }, status = 200,
            check = |list: &SessionMessageList| list.data.len() == 2 && !list.has_more && list.first_id.as_deref() == Some("msg_1") && list.data[1].index == 1),
        case("a page", path = { session_id: "session_example" }, query = { limit: "1", order: "desc" }, status = 200,
            check = |list: &SessionMessageList| list.has_more && list.last_id.as_deref() == Some("msg_2")),
        case("the next page", path = { session_id: "session_example" }, query = { limit: "1", order: "desc", after: "msg_2" }, status = 200,
            check = |list: &SessionMessageList| !list.has_more && list.last_id.as_deref() == Some("msg_1")),
        case("after an unknown message", path = { session_id: "session_example" }, query = { after: "msg_9" }, problem = SessionError::Invalid),
        case("too many", path = { session_id: "session_example" }, query = { limit: "1001" }, problem = ApiError::RequestInvalid),
        case("unknown", path = { session_id: "session_of_nobody" }, problem = SessionError::NotFound),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn session_history(
    runtime: Component<Runtime>,
    Path(SessionPath { session_id }): Path<SessionPath>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<SessionMessageList>, SessionError> {
    let page = Page {
        after: query.after,
        limit: query.limit.unwrap_or(100).into(),
        newest_first: query.order == Some(ItemOrder::Desc),
    };
    let found = runtime.history(&session_id, page).await?;
    let data: Vec<SessionMessage> =
        found.data.into_iter().map(SessionMessage::of).collect::<Result<_, _>>()?;
    let id = |message: Option<&SessionMessage>| message.map(|message| message.id.clone());
    Ok(Json(SessionMessageList {
        object: "list".to_owned(),
        first_id: id(data.first()),
        last_id: id(data.last()),
        data,
        has_more: found.has_more,
    }))
}

/// Which sessions.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct SessionsQuery {
    /// Most sessions; 20 when absent.
    #[rule(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// Id of the session after which the list begins.
    #[rule(length(min = 1, max = 128), pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"))]
    pub after: Option<String>,
}

/// List the sessions.
///
/// Those that were begun last come first.
#[route(
    GET, "/v1/sessions",
    tag = "sessions",
    tests = [
        case("all", status = 200, check = |list: &SessionList| list.object == "list" && list.data.len() >= 2 && list.first_id.as_deref() == list.data.first().map(|first| first.id.as_str())),
        case("one", query = { limit: "1" }, status = 200, check = |list: &SessionList| list.data.len() == 1 && list.has_more),
        case("after one", query = { after: "session_to_keep" }, status = 200,
            check = |list: &SessionList| matches!(&list.data[..], [only] if only.id == "session_example" && only.messages == 2 && only.title.as_deref() == Some("An example"))),
        case("after an unknown one", query = { after: "session_of_nobody" }, problem = SessionError::Invalid),
        case("none", query = { limit: "0" }, problem = ApiError::RequestInvalid),
        untested(NotFound, "a list has no session of its own"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn list_sessions(
    runtime: Component<Runtime>,
    Query(query): Query<SessionsQuery>,
) -> Result<Json<SessionList>, SessionError> {
    let page = Page { after: query.after, limit: query.limit.unwrap_or(20).into(), newest_first: true };
    let found = runtime.sessions(page).await?;
    let data: Vec<Session> = found.data.into_iter().map(Session::of).collect();
    let id = |session: Option<&Session>| session.map(|session| session.id.clone());
    Ok(Json(SessionList {
        object: "list".to_owned(),
        first_id: id(data.first()),
        last_id: id(data.last()),
        data,
        has_more: found.has_more,
    }))
}

/// Show a session.
#[route(
    GET, "/v1/sessions/{session_id}",
    tag = "sessions",
    tests = [
        case("a session", path = { session_id: "session_example" }, status = 200,
            check = |session: &Session| session.id == "session_example" && session.messages == 2 && session.bytes > 0 && session.title.as_deref() == Some("An example")),
        case("unknown", path = { session_id: "session_of_nobody" }, problem = SessionError::NotFound),
        untested(Invalid, "nothing of it goes with what is stored"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn show_session(
    runtime: Component<Runtime>,
    Path(SessionPath { session_id }): Path<SessionPath>,
) -> Result<Json<Session>, SessionError> {
    match runtime.session(&session_id).await? {
        Some(session) => Ok(Json(Session::of(session))),
        None => Err(SessionError::NotFound { session_id }),
    }
}

/// Delete a session.
///
/// With its messages and its parameters. An answer that is being generated for it is not kept. Responses that were answered in
/// it and stored are there by themselves: DELETE /v1/responses/{response_id} drops those.
#[route(
    DELETE, "/v1/sessions/{session_id}",
    tag = "sessions",
    tests = [
        case("a session", path = { session_id: "session_to_delete" }, status = 200,
            check = |deleted: &DeletedSession| deleted.deleted && deleted.object == "session.deleted" && deleted.id == "session_to_delete"),
        case("unknown", path = { session_id: "session_of_nobody" }, problem = SessionError::NotFound),
        untested(Invalid, "nothing of it goes with what is stored"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn delete_session(
    runtime: Component<Runtime>,
    Path(SessionPath { session_id }): Path<SessionPath>,
) -> Result<Json<DeletedSession>, SessionError> {
    if !runtime.drop_session(&session_id).await? {
        return Err(SessionError::NotFound { session_id });
    }
    Ok(Json(DeletedSession { id: session_id, object: "session.deleted".to_owned(), deleted: true }))
}
