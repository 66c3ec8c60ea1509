//! Keeping, changing and dropping documents. Each fn is one transaction.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::super::queries::number;
use super::read;
use crate::store::{DocumentChanges, NewChunk, NewDocument, PutDocument, PutOutcome, StoredDocument};

pub(super) fn put_document(
    connection: &mut Connection,
    document: &NewDocument,
    index: i64,
    chunks: &[NewChunk],
) -> rusqlite::Result<Option<PutDocument>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !is_open(&transaction, index)? {
        return Ok(None);
    }
    let NewDocument { id, sha256, title, source, media_type, metadata, .. } = document;
    let before = read::document(&transaction, id)?;
    let same = if document.chosen {
        before.clone().filter(|found| {
            found.sha256 == *sha256 && found.media_type == *media_type && found.title == *title
        })
    } else {
        read::document_of(&transaction, sha256, media_type)?
    };
    if let Some(document) = same {
        return Ok(Some(PutDocument { document, outcome: PutOutcome::Unchanged, chunks: Vec::new() }));
    }
    let now = now();
    let created = before.as_ref().map_or(now, |before| number(before.created));
    if before.is_some() {
        transaction.execute("DELETE FROM documents WHERE id = ?", [id])?;
    }
    transaction.execute(
        "INSERT INTO documents
             (id, sha256, title, source, media_type, metadata, bytes, pages, created, updated, text, blocks)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            sha256,
            title,
            source,
            media_type,
            written(metadata)?,
            number(document.bytes),
            document.pages,
            created,
            now,
            document.text,
            written(&document.blocks)?,
        ],
    )?;
    let numbers = insert(&transaction, transaction.last_insert_rowid(), index, chunks)?;
    let document = read::document(&transaction, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    transaction.commit()?;
    let outcome = if before.is_some() { PutOutcome::Replaced } else { PutOutcome::Created };
    Ok(Some(PutDocument { document, outcome, chunks: numbers }))
}

pub(super) fn change_document(
    connection: &mut Connection,
    id: &str,
    changes: &DocumentChanges,
) -> rusqlite::Result<Option<StoredDocument>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let metadata = changes.metadata.as_ref().map(written).transpose()?;
    transaction.execute(
        "UPDATE documents SET source = coalesce(?, source), metadata = coalesce(?, metadata), updated = ?
         WHERE id = ?",
        params![changes.source, metadata, now(), id],
    )?;
    let document = read::document(&transaction, id)?;
    transaction.commit()?;
    Ok(document)
}

pub(super) fn delete_document(connection: &mut Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    // What fails at the end of a statement that returns rows is told by a commit alone.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = transaction
        .query_row("DELETE FROM documents WHERE id = ? RETURNING number", [id], |row| row.get(0))
        .optional()?;
    transaction.commit()?;
    Ok(number)
}

pub(super) fn put_chunks(
    connection: &mut Connection,
    document: i64,
    sha256: &str,
    index: i64,
    chunks: &[NewChunk],
) -> rusqlite::Result<Option<Vec<i64>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let same: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM documents WHERE number = ? AND sha256 = ?)",
        params![document, sha256],
        |row| row.get(0),
    )?;
    if !same || !is_open(&transaction, index)? {
        return Ok(None);
    }
    transaction.execute("DELETE FROM chunks WHERE document = ? AND vector_index = ?", [document, index])?;
    let numbers = insert(&transaction, document, index, chunks)?;
    transaction.commit()?;
    Ok(Some(numbers))
}

/// Whether chunks can come into an index.
fn is_open(transaction: &Transaction<'_>, index: i64) -> rusqlite::Result<bool> {
    transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM vector_indexes WHERE number = ? AND state <> 'left')",
        [index],
        |row| row.get(0),
    )
}

fn insert(
    transaction: &Transaction<'_>,
    document: i64,
    index: i64,
    chunks: &[NewChunk],
) -> rusqlite::Result<Vec<i64>> {
    let mut insert_chunk = transaction.prepare(
        "INSERT INTO chunks (vector_index, document, position, text, headings, start, end, page, tokens)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut insert_vector = transaction.prepare("INSERT INTO vectors (chunk, vector) VALUES (?, ?)")?;
    let mut numbers = Vec::with_capacity(chunks.len());
    for (position, chunk) in chunks.iter().enumerate() {
        insert_chunk.execute(params![
            index,
            document,
            number(position as u64),
            chunk.text,
            chunk.headings.join("\n"),
            number(chunk.start as u64),
            number(chunk.end as u64),
            chunk.page,
            number(chunk.tokens as u64),
        ])?;
        let chunk_number = transaction.last_insert_rowid();
        let bytes: Vec<u8> = chunk.vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        insert_vector.execute(params![chunk_number, bytes])?;
        numbers.push(chunk_number);
    }
    Ok(numbers)
}

fn written(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn now() -> i64 {
    number(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()))
}
