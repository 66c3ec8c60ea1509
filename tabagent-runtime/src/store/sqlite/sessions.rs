//! Sessions in SQLite.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    super::{
        Append, GenerationParams, MessageBody, NewMessage, PAGE_BYTES, Page, Paged, Place, RETENTION,
        Session, SessionStore, SessionTail, StoreFuture, StoredMessage,
    },
    SqliteStore,
    queries::{fold_now, json, number, put_response_in},
    room::{Room, cost},
};
use crate::error::{BackendError, Result};

impl SessionStore for SqliteStore {
    fn append_messages(&self, append: Append) -> StoreFuture<'_, Vec<Place>> {
        let (room, fold_due) = (Arc::clone(&self.room), Arc::clone(&self.worker.fold_due));
        Box::pin(async move {
            self.worker
                .call("keeping messages", move |connection| {
                    append_messages(connection, &append, &room, &fold_due)
                })
                .await?
        })
    }

    fn sessions_may_grow(&self) -> StoreFuture<'_, ()> {
        let outcome = self.room.has(1);
        Box::pin(async move { outcome })
    }

    fn session(&self, id: &str) -> StoreFuture<'_, Option<Session>> {
        let id = id.to_owned();
        Box::pin(
            self.reads_conversations().call("reading a session", move |connection| session(connection, &id)),
        )
    }

    fn sessions(&self, page: Page) -> StoreFuture<'_, Paged<Session>> {
        Box::pin(async move {
            self.reads_conversations()
                .call("listing the sessions", move |connection| sessions(connection, &page))
                .await?
        })
    }

    fn history(&self, session: &str, page: Page) -> StoreFuture<'_, Paged<StoredMessage>> {
        let session = session.to_owned();
        Box::pin(async move {
            self.reads_conversations()
                .call("reading messages", move |connection| history(connection, &session, &page))
                .await?
        })
    }

    fn session_tail(&self, id: &str, limit: Option<u64>) -> StoreFuture<'_, Option<SessionTail>> {
        let id = id.to_owned();
        Box::pin(
            self.reads_conversations()
                .call("reading a session whole", move |connection| tail(connection, &id, limit)),
        )
    }

    fn delete_session(&self, id: &str) -> StoreFuture<'_, bool> {
        let (id, fold_due) = (id.to_owned(), Arc::clone(&self.worker.fold_due));
        let room = Arc::clone(&self.room);
        Box::pin(self.worker.call("deleting a session", move |connection| {
            // What fails at the end of a statement that returns rows is told by a commit alone.
            let transaction = connection.transaction()?;
            let deleted = transaction.query_row(
                "DELETE FROM sessions WHERE id = ? RETURNING messages, bytes",
                [id],
                |row| Ok(cost(row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())),
            );
            let deleted = deleted.optional()?;
            transaction.commit()?;
            let found = deleted.is_some();
            room.give_back(deleted.unwrap_or_default());
            if found {
                fold_now(connection, &fold_due);
            }
            Ok(found)
        }))
    }

    fn put_session_params(&self, id: &str, params: GenerationParams) -> StoreFuture<'_, bool> {
        let id = id.to_owned();
        Box::pin(self.worker.call("keeping the parameters of a session", move |connection| {
            let params = text(&params)?;
            Ok(connection.execute("UPDATE sessions SET params = ? WHERE id = ?", params![params, id])? > 0)
        }))
    }
}

/// The columns that [`session_row`] reads.
const SESSION: &str =
    "SELECT id, title, created, updated, messages, bytes, params, incarnation FROM sessions";
/// The columns that [`message_row`] reads.
const MESSAGE: &str = "SELECT id, position, created, role, content, metadata FROM messages";

/// `fold_due` is set where responses were dropped.
fn append_messages(
    connection: &mut Connection,
    append: &Append,
    room: &Room,
    fold_due: &AtomicBool,
) -> rusqlite::Result<Result<Vec<Place>>> {
    let transaction = connection.transaction()?;
    let found = session(&transaction, &append.session)?;
    if append.incarnation.is_some() && append.incarnation != found.as_ref().map(|found| found.incarnation) {
        return Ok(Err(BackendError::SessionNotFound { session: append.session.clone() }));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut session = match found {
        Some(found) => found,
        None => begin(&transaction, &append.session, now)?,
    };
    let (before, bytes_before) = (session.messages, session.bytes);
    if append.length.is_some_and(|length| length != before) {
        let reason = format!(
            "session `{}` went on while its last message was answered; read its history, and ask again",
            session.id
        );
        return Ok(Err(BackendError::invalid("session_id", reason)));
    }
    let mut places = Vec::with_capacity(append.messages.len());
    for message in &append.messages {
        match place(&transaction, &mut session, message, now)? {
            Ok(place) => places.push(place),
            // The transaction is rolled back.
            Err(error) => return Ok(Err(error)),
        }
    }
    let added = cost(session.messages - before, session.bytes - bytes_before);
    if session.messages > before {
        if let Err(full) = room.has(added) {
            return Ok(Err(full));
        }
        transaction.execute(
            "UPDATE sessions SET updated = ?, messages = ?, bytes = ?, title = coalesce(?, title) WHERE incarnation = ?",
            params![number(now), number(session.messages), number(session.bytes), append.title, session.incarnation],
        )?;
    }
    let dropped = match &append.response {
        Some(response) => put_response_in(&transaction, response, RETENTION)?,
        None => false,
    };
    transaction.commit()?;
    room.take(added);
    if dropped {
        fold_due.store(true, Relaxed);
    }
    Ok(Ok(places))
}

fn begin(connection: &Connection, id: &str, now: u64) -> rusqlite::Result<Session> {
    let params = GenerationParams::default();
    connection.execute(
        "INSERT INTO sessions (id, created, updated, messages, bytes, params) VALUES (?1, ?2, ?2, 0, 0, ?3)",
        params![id, number(now), text(&params)?],
    )?;
    Ok(Session {
        id: id.to_owned(),
        title: None,
        created: now,
        updated: now,
        messages: 0,
        bytes: 0,
        params,
        incarnation: connection.last_insert_rowid(),
    })
}

/// Stores a message, or finds that it is there.
fn place(
    transaction: &Transaction<'_>,
    session: &mut Session,
    message: &NewMessage,
    now: u64,
) -> rusqlite::Result<Result<Place>> {
    let NewMessage { id, body } = message;
    let stored = transaction
        .query_row(
            &format!("{MESSAGE} WHERE session = ? AND id = ?"),
            params![session.incarnation, id],
            message_row,
        )
        .optional()?;
    if let Some(stored) = stored {
        return Ok(if stored.body == *body {
            Ok(Place { id: stored.id, position: stored.position, created: stored.created })
        } else {
            let reason = format!(
                "message `{id}` of session `{}` is there and says something else; send another id, or none",
                session.id
            );
            Err(BackendError::invalid("id", reason))
        });
    }
    let bytes = message.bytes();
    if let Err(full) = session.has_room(1, bytes) {
        return Ok(Err(full));
    }
    let position = session.messages;
    let (content, metadata) = (body.content.to_string(), body.metadata.to_string());
    transaction.execute(
        "INSERT INTO messages (session, position, id, created, role, content, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![session.incarnation, number(position), id, number(now), body.role, content, metadata],
    )?;
    session.messages += 1;
    session.bytes += bytes;
    Ok(Ok(Place { id: id.clone(), position, created: now }))
}

fn session(connection: &Connection, id: &str) -> rusqlite::Result<Option<Session>> {
    connection.query_row(&format!("{SESSION} WHERE id = ?"), [id], session_row).optional()
}

fn sessions(connection: &mut Connection, page: &Page) -> rusqlite::Result<Result<Paged<Session>>> {
    // One state of the file for both statements.
    let transaction = connection.transaction()?;
    let order = Order::of(page);
    let after = match &page.after {
        None => order.before_all,
        Some(id) => match session(&transaction, id)? {
            Some(found) => found.incarnation,
            None => return Ok(Err(not_there("session", id))),
        },
    };
    let query = format!(
        "{SESSION} WHERE incarnation {} ?1 ORDER BY incarnation {} LIMIT ?2",
        order.beyond, order.direction
    );
    let mut statement = transaction.prepare(&query)?;
    let rows = statement.query_map(params![after, number(page.limit) + 1], session_row)?;
    Ok(Ok(paged(rows.collect::<rusqlite::Result<_>>()?, page)))
}

fn history(
    connection: &mut Connection,
    id: &str,
    page: &Page,
) -> rusqlite::Result<Result<Paged<StoredMessage>>> {
    let transaction = connection.transaction()?;
    let Some(found) = session(&transaction, id)? else {
        return Ok(Err(BackendError::SessionNotFound { session: id.to_owned() }));
    };
    let order = Order::of(page);
    let after: i64 = match &page.after {
        None => order.before_all,
        Some(id) => {
            let position = transaction
                .query_row(
                    "SELECT position FROM messages WHERE session = ? AND id = ?",
                    params![found.incarnation, id],
                    |row| row.get(0),
                )
                .optional()?;
            match position {
                Some(position) => position,
                None => return Ok(Err(not_there("message", id))),
            }
        }
    };
    let query = format!(
        "{MESSAGE} WHERE session = ?1 AND position {} ?2 ORDER BY position {} LIMIT ?3",
        order.beyond, order.direction
    );
    let mut statement = transaction.prepare(&query)?;
    let mut rows = statement.query(params![found.incarnation, after, number(page.limit) + 1])?;
    let (mut data, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if bytes >= PAGE_BYTES {
            return Ok(Ok(Paged { data, has_more: true }));
        }
        bytes += row.get_ref(4)?.as_str()?.len() + row.get_ref(5)?.as_str()?.len();
        data.push(message_row(row)?);
    }
    Ok(Ok(paged(data, page)))
}

fn tail(connection: &mut Connection, id: &str, limit: Option<u64>) -> rusqlite::Result<Option<SessionTail>> {
    let transaction = connection.transaction()?;
    let Some(session) = session(&transaction, id)? else { return Ok(None) };
    let from = match limit {
        None => 0,
        Some(limit) => beginning(&transaction, session.incarnation, limit)?,
    };
    let query = format!(
        "{MESSAGE} WHERE session = ? AND (role IN ('system', 'developer') OR position >= ?) ORDER BY position"
    );
    let mut statement = transaction.prepare(&query)?;
    let rows = statement.query_map(params![session.incarnation, from], message_row)?;
    let messages = rows.collect::<rusqlite::Result<_>>()?;
    Ok(Some(SessionTail { session, messages }))
}

/// Where the last messages of a session begin: with the first one of a user among the last `limit`, else with the last one of
/// a user before; beyond all where there is none, or the limit is 0.
fn beginning(connection: &Connection, session: i64, limit: u64) -> rusqlite::Result<i64> {
    if limit == 0 {
        return Ok(i64::MAX);
    }
    let found: Option<i64> = connection.query_row(
        "SELECT coalesce(min(position) FILTER (WHERE position >= (
             SELECT min(position) FROM (
                 SELECT position FROM messages WHERE session = ?1 AND role NOT IN ('system', 'developer')
                 ORDER BY position DESC LIMIT ?2
             )
         )), max(position)) FROM messages WHERE session = ?1 AND role = 'user'",
        params![session, number(limit)],
        |row| row.get(0),
    )?;
    Ok(found.unwrap_or(i64::MAX))
}

/// How a list is read, in the words of SQL.
struct Order {
    before_all: i64,
    beyond: &'static str,
    direction: &'static str,
}

impl Order {
    fn of(page: &Page) -> Self {
        if page.newest_first {
            Self { before_all: i64::MAX, beyond: "<", direction: "DESC" }
        } else {
            Self { before_all: -1, beyond: ">", direction: "ASC" }
        }
    }
}

/// A page of rows that were read with one more than it takes.
fn paged<T>(mut data: Vec<T>, page: &Page) -> Paged<T> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let has_more = data.len() > limit;
    data.truncate(limit);
    Paged { data, has_more }
}

fn not_there(what: &str, id: &str) -> BackendError {
    BackendError::invalid(
        "after",
        format!("there is no {what} `{id}` here; send `last_id` of the page before"),
    )
}

fn session_row(row: &Row<'_>) -> rusqlite::Result<Session> {
    let count = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Session {
        id: row.get(0)?,
        title: row.get(1)?,
        created: count(2)?,
        updated: count(3)?,
        messages: count(4)?,
        bytes: count(5)?,
        params: json(row, 6)?,
        incarnation: row.get(7)?,
    })
}

fn message_row(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    let count = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(StoredMessage {
        id: row.get(0)?,
        position: count(1)?,
        created: count(2)?,
        body: MessageBody { role: row.get(3)?, content: json(row, 4)?, metadata: json(row, 5)? },
    })
}

fn text(params: &GenerationParams) -> rusqlite::Result<String> {
    serde_json::to_string(params).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

#[cfg(test)]
mod tests;
