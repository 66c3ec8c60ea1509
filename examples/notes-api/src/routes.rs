//! The routes: POST /v1/notes and GET /v1/notes/{title}.

use serde::{Deserialize, Serialize};
use tabagent_api::{ApiError, Component, Json, Path, Problem, Schema, route};

use crate::store::{Notes, Refusal};

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Its title, unique among the notes: letters of a to z, digits and dashes.
    #[rule(length(min = 1, max = 64), pattern("^[a-z0-9-]+$"))]
    pub title: String,
    /// What it says.
    #[rule(length(min = 1, max = 4096))]
    pub text: String,
}

/// Why a note is not kept.
#[derive(Debug, thiserror::Error, Problem)]
pub enum KeepNoteError {
    /// Notes are told apart by their titles, and this one is in use.
    #[error("there is a note `{title}`")]
    #[problem(status = 409, title = "Title taken", hint = "choose another title", retry = false)]
    TitleTaken {
        /// The title.
        title: String,
    },
    /// The store lies in memory and is bounded.
    #[error("{capacity} notes are kept and there is room for no more")]
    #[problem(status = 507, title = "Notes full", hint = "start the program with more room", retry = false)]
    Full {
        /// How many notes it keeps.
        capacity: usize,
    },
}

/// Keep a note.
///
/// Answers with the note as it is kept.
#[route(
    POST, "/v1/notes",
    tag = "notes",
    status = 201,
    body_limit = "64KiB",
    tests = [
        case("a note", json = { "title": "shopping", "text": "bread" }, status = 201,
            check = |note: &Note| note.title == "shopping" && note.text == "bread"),
        case("title taken", json = { "title": "welcome", "text": "again" }, problem = KeepNoteError::TitleTaken),
        case("no text", json = { "title": "empty", "text": "" }, problem = ApiError::RequestInvalid),
        case("title with a slash", json = { "title": "a/b", "text": "x" }, problem = ApiError::RequestInvalid),
        case("cut off", body = b"{\"title\": ", content_type = "application/json", problem = ApiError::BodyMalformed),
        untested(Full, "needs a store without room; the store's own test has one"),
    ],
)]
pub async fn keep_note(notes: Component<Notes>, Json(note): Json<Note>) -> Result<Json<Note>, KeepNoteError> {
    match notes.keep(&note.title, &note.text) {
        Ok(()) => Ok(Json(note)),
        Err(Refusal::Taken) => Err(KeepNoteError::TitleTaken { title: note.title }),
        Err(Refusal::Full { capacity }) => Err(KeepNoteError::Full { capacity }),
    }
}

/// Why there is no note to read.
#[derive(Debug, thiserror::Error, Problem)]
pub enum ReadNoteError {
    /// No note of this title was kept.
    #[error("there is no note `{title}`")]
    #[problem(status = 404, title = "Note not found", hint = "POST /v1/notes keeps one")]
    NotFound {
        /// The title.
        title: String,
    },
}

/// Which note.
#[derive(Debug, Deserialize, Schema)]
pub struct NotePath {
    /// Its title.
    #[rule(length(min = 1, max = 64))]
    pub title: String,
}

/// Read a note.
#[route(
    GET, "/v1/notes/{title}",
    tag = "notes",
    tests = [
        case("the first one", path = { title: "welcome" }, status = 200, check = |note: &Note| note.title == "welcome"),
        case("unknown", path = { title: "nothing" }, problem = ReadNoteError::NotFound),
    ],
)]
pub async fn read_note(
    notes: Component<Notes>,
    Path(NotePath { title }): Path<NotePath>,
) -> Result<Json<Note>, ReadNoteError> {
    match notes.text(&title) {
        Some(text) => Ok(Json(Note { title, text })),
        None => Err(ReadNoteError::NotFound { title }),
    }
}
