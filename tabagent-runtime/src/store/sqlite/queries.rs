//! The statements. Each fn is one transaction, or, where it takes one, a part of it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::super::{
    GenerationParams, StoreUsage, StoredResponse,
    responses::{CHAIN_BYTES, CHAIN_COUNT, Retention},
};
use super::open::BUSY;

/// Keeps a response, and drops those beyond the bounds, itself never. Whether any was dropped.
pub(super) fn put_response(
    connection: &mut Connection,
    response: &StoredResponse,
    retention: Retention,
) -> rusqlite::Result<bool> {
    let transaction = connection.transaction()?;
    let dropped = put_response_in(&transaction, response, retention)?;
    transaction.commit()?;
    Ok(dropped)
}

/// [`put_response`] as a part of a transaction.
pub(super) fn put_response_in(
    transaction: &Transaction<'_>,
    response: &StoredResponse,
    retention: Retention,
) -> rusqlite::Result<bool> {
    let (input, answer) = (response.input.to_string(), response.response.to_string());
    let bytes = number((input.len() + answer.len()) as u64);
    transaction.execute(
        "INSERT INTO responses (id, created, previous, input, response, bytes) VALUES (?, ?, ?, ?, ?, ?)",
        params![response.id, number(response.created), response.previous, input, answer, bytes],
    )?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let oldest = number(now.saturating_sub(retention.age.as_secs()));
    let mut dropped = transaction
        .execute("DELETE FROM responses WHERE created < ? AND id <> ?", params![oldest, response.id])?;
    let beyond =
        |(count, bytes): (i64, i64)| count > number(retention.count) || bytes > number(retention.bytes);
    while beyond(size(transaction)?) {
        let one = transaction.execute(
            "DELETE FROM responses WHERE rowid IN
                 (SELECT rowid FROM responses WHERE id <> ? ORDER BY created, rowid LIMIT 1)",
            [&response.id],
        )?;
        if one == 0 {
            break;
        }
        dropped += one;
    }
    Ok(dropped > 0)
}

/// How many responses there are, and their bytes. Read from the index alone.
fn size(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    connection.query_row("SELECT count(*), coalesce(sum(bytes), 0) FROM responses", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// What is kept of all that grows.
pub(super) fn usage(connection: &mut Connection) -> rusqlite::Result<StoreUsage> {
    // One state of the file for all statements.
    let transaction = connection.transaction()?;
    let (responses, bytes) = size(&transaction)?;
    let usage = StoreUsage {
        responses: responses.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
        ..StoreUsage::default()
    };
    transaction.query_row(
        "SELECT count(*), coalesce(sum(messages), 0), coalesce(sum(bytes), 0),
             (SELECT count(*) FROM documents),
             (SELECT count(*) FROM chunks WHERE vector_index =
                 (SELECT number FROM vector_indexes WHERE state = 'serving'))
         FROM sessions",
        [],
        |row| {
            let count = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
            Ok(StoreUsage {
                sessions: count(0)?,
                messages: count(1)?,
                message_bytes: count(2)?,
                documents: count(3)?,
                chunks: count(4)?,
                ..usage
            })
        },
    )
}

/// A response.
pub(super) fn response(connection: &mut Connection, id: &str) -> rusqlite::Result<Option<StoredResponse>> {
    connection
        .query_row(
            "SELECT id, created, previous, input, response FROM responses WHERE id = ?",
            [id],
            stored_response,
        )
        .optional()
}

/// A response and those that it continues, the oldest first.
pub(super) fn response_chain(connection: &mut Connection, id: &str) -> rusqlite::Result<Vec<StoredResponse>> {
    let mut statement = connection.prepare(
        "WITH RECURSIVE chain (count, total, row, next) AS (
             SELECT 1, bytes, rowid, previous FROM responses WHERE id = ?1
             UNION ALL
             SELECT count + 1, total + found.bytes, found.rowid, found.previous
             FROM chain JOIN responses AS found ON found.id = chain.next
             WHERE count < ?2 AND total < ?3
         )
         SELECT id, created, previous, input, response
         FROM chain JOIN responses ON responses.rowid = chain.row ORDER BY count DESC",
    )?;
    statement.query_map(params![id, number(CHAIN_COUNT), number(CHAIN_BYTES)], stored_response)?.collect()
}

/// Drops a response; whether there was one. The log still has it until it is folded.
pub(super) fn delete_response(connection: &Connection, id: &str) -> rusqlite::Result<bool> {
    Ok(connection.execute("DELETE FROM responses WHERE id = ?", [id])? > 0)
}

/// How long a deletion waits for those that read, of this server or another program, before it leaves folding for later.
const PATIENCE: Duration = Duration::from_millis(250);

/// Folds the log of changes into the file and cuts it, so that nothing of what was deleted stays; `false` where somebody
/// reads it for longer than `patience`.
pub(super) fn fold(connection: &Connection, patience: Duration) -> rusqlite::Result<bool> {
    connection.busy_timeout(patience)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(BUSY)?;
    Ok(busy? == 0)
}

/// The same after a deletion, at once where nobody reads, so that what was deleted is gone when the answer says so. Else, and
/// where it fails, it is due: the deletion is done, whatever becomes of this.
pub(super) fn fold_now(connection: &Connection, due: &AtomicBool) {
    match fold(connection, PATIENCE) {
        Ok(true) => {}
        Ok(false) => due.store(true, Relaxed),
        Err(error) => {
            tracing::warn!(%error, "the log of the store could not be folded after a deletion");
            due.store(true, Relaxed);
        }
    }
}

/// All parameters.
pub(super) fn params(
    connection: &mut Connection,
) -> rusqlite::Result<BTreeMap<Option<String>, GenerationParams>> {
    let mut statement = connection.prepare("SELECT model, value FROM params")?;
    let rows = statement.query_map([], |row| {
        let model: String = row.get(0)?;
        Ok((Some(model).filter(|model| !model.is_empty()), json(row, 1)?))
    })?;
    rows.collect()
}

/// Keeps the parameters of a model or of the server.
pub(super) fn put_params(
    connection: &mut Connection,
    model: Option<&str>,
    value: &GenerationParams,
) -> rusqlite::Result<()> {
    let text = serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    connection.execute(
        "INSERT INTO params (model, value) VALUES (?, ?)
         ON CONFLICT (model) DO UPDATE SET value = excluded.value",
        params![model.unwrap_or_default(), text],
    )?;
    Ok(())
}

/// The models that were chosen, by kind.
pub(super) fn selected(connection: &mut Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement = connection.prepare("SELECT kind, model FROM selected")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Keeps which model was chosen for a kind, or forgets it.
pub(super) fn put_selected(
    connection: &mut Connection,
    kind: &str,
    model: Option<&str>,
) -> rusqlite::Result<()> {
    match model {
        Some(model) => connection.execute(
            "INSERT INTO selected (kind, model) VALUES (?, ?)
             ON CONFLICT (kind) DO UPDATE SET model = excluded.model",
            params![kind, model],
        )?,
        None => connection.execute("DELETE FROM selected WHERE kind = ?", [kind])?,
    };
    Ok(())
}

fn stored_response(row: &Row<'_>) -> rusqlite::Result<StoredResponse> {
    Ok(StoredResponse {
        id: row.get(0)?,
        created: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
        previous: row.get(2)?,
        input: json(row, 3)?,
        response: json(row, 4)?,
    })
}

pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// SQLite's integers have a sign.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
