//! Indexes of vectors: which one serves, which one is built, and what is in them. Each fn is one transaction.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::super::queries::number;
use super::read::length;
use crate::store::{IndexProgress, IndexState, StoredIndex, StoredVector};

/// Chunks of a left index that one transaction drops, so that other calls do not wait long.
const DROPPED: i64 = 500;

const INDEX: &str = "number, model, fingerprint, dimensions, state";

pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<StoredIndex>> {
    let mut statement = connection.prepare(&format!("SELECT {INDEX} FROM vector_indexes ORDER BY number"))?;
    statement.query_map([], stored_index)?.collect()
}

pub(super) fn begin(
    connection: &mut Connection,
    model: &str,
    fingerprint: &str,
    dimensions: usize,
    anew: bool,
) -> rusqlite::Result<StoredIndex> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let same = |index: &StoredIndex| {
        index.state != IndexState::Left && index.model == model && index.fingerprint == fingerprint
    };
    if let Some(same) = all(&transaction)?.into_iter().find(same).filter(|_| !anew) {
        return Ok(same);
    }
    let serves: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM vector_indexes WHERE state = 'serving')",
        [],
        |row| row.get(0),
    )?;
    transaction.execute("UPDATE vector_indexes SET state = 'left' WHERE state = 'building'", [])?;
    transaction.execute(
        "INSERT INTO vector_indexes (model, fingerprint, dimensions, state) VALUES (?, ?, ?, ?)",
        params![model, fingerprint, number(dimensions as u64), if serves { "building" } else { "serving" }],
    )?;
    let begun = transaction.query_row(
        &format!("SELECT {INDEX} FROM vector_indexes WHERE number = ?"),
        [transaction.last_insert_rowid()],
        stored_index,
    )?;
    transaction.commit()?;
    Ok(begun)
}

pub(super) fn leave(connection: &Connection, index: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE vector_indexes SET state = 'left' WHERE number = ? AND state = 'building'";
    connection.execute(sql, [index]).map(|_| ())
}

pub(super) fn drop_left(connection: &mut Connection) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let left: Option<i64> = transaction
        .query_row("SELECT number FROM vector_indexes WHERE state = 'left' LIMIT 1", [], |row| row.get(0))
        .optional()?;
    let Some(left) = left else { return Ok(false) };
    let dropped = transaction.execute(
        "DELETE FROM chunks WHERE number IN (SELECT number FROM chunks WHERE vector_index = ? LIMIT ?)",
        [left, DROPPED],
    )?;
    if dropped == 0 {
        transaction.execute("DELETE FROM vector_indexes WHERE number = ?", [left])?;
    }
    transaction.commit()?;
    Ok(true)
}

pub(super) fn serve(connection: &mut Connection, index: i64) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let built: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM vector_indexes WHERE number = ? AND state = 'building')",
        [index],
        |row| row.get(0),
    )?;
    if !built || !missing(&transaction, index, 1)?.is_empty() {
        return Ok(false);
    }
    transaction.execute("UPDATE vector_indexes SET state = 'left' WHERE state = 'serving'", [])?;
    transaction.execute("UPDATE vector_indexes SET state = 'serving' WHERE number = ?", [index])?;
    transaction.commit()?;
    Ok(true)
}

pub(super) fn progress(connection: &Connection, index: i64) -> rusqlite::Result<IndexProgress> {
    connection.query_row(
        "SELECT (SELECT count(DISTINCT document) FROM chunks WHERE vector_index = ?),
                (SELECT count(*) FROM documents)",
        [index],
        |row| {
            Ok(IndexProgress {
                indexed: row.get::<_, i64>(0)?.unsigned_abs(),
                documents: row.get::<_, i64>(1)?.unsigned_abs(),
            })
        },
    )
}

pub(super) fn missing(connection: &Connection, index: i64, limit: usize) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT id FROM documents AS d
         WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE document = d.number AND vector_index = ?)
         ORDER BY d.number LIMIT ?",
    )?;
    statement.query_map([index, number(limit as u64)], |row| row.get(0))?.collect()
}

pub(super) fn vectors(
    connection: &Connection,
    index: i64,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<StoredVector>> {
    let mut statement = connection.prepare(
        "SELECT c.number, c.document, v.vector FROM chunks AS c JOIN vectors AS v ON v.chunk = c.number
         WHERE c.number > ? AND c.vector_index = ? ORDER BY c.number LIMIT ?",
    )?;
    statement
        .query_map([after, index, number(limit as u64)], |row| {
            let bytes = row.get_ref(2)?.as_blob()?;
            Ok(StoredVector { chunk: row.get(0)?, document: row.get(1)?, vector: floats(bytes) })
        })?
        .collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (floats, _) = bytes.as_chunks::<4>();
    floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn stored_index(row: &Row<'_>) -> rusqlite::Result<StoredIndex> {
    Ok(StoredIndex {
        number: row.get(0)?,
        model: row.get(1)?,
        fingerprint: row.get(2)?,
        dimensions: length(row, 3)?,
        state: match row.get_ref(4)?.as_str()? {
            "serving" => IndexState::Serving,
            "building" => IndexState::Building,
            _ => IndexState::Left,
        },
    })
}
