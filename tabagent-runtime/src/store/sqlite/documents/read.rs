//! Reading documents and chunks.

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};

use super::super::queries::{json, number};
use super::filter::selecting;
use crate::store::{DocumentQuery, DocumentText, StoredChunk, StoredDocument};

/// The columns of [`stored_document`].
const DOCUMENT: &str = "d.number, d.id, d.sha256, d.title, d.source, d.media_type, d.metadata, d.bytes, d.pages, d.created, \
     d.updated, (SELECT count(*) FROM chunks AS c JOIN vector_indexes AS i ON i.number = c.vector_index \
     WHERE c.document = d.number AND i.state = 'serving')";

/// The columns of [`stored_chunk`].
const CHUNK: &str = "c.number, d.id, d.title, d.source, d.metadata, c.position, c.text, c.headings, c.start, c.end, c.page, \
     c.tokens";

/// Chunks that one statement names.
const BATCH: usize = 500;

pub(super) fn document(connection: &Connection, id: &str) -> rusqlite::Result<Option<StoredDocument>> {
    let sql = format!("SELECT {DOCUMENT} FROM documents AS d WHERE d.id = ?");
    connection.prepare(&sql)?.query_row([id], stored_document).optional()
}

pub(super) fn document_of(
    connection: &Connection,
    sha256: &str,
    media_type: &str,
) -> rusqlite::Result<Option<StoredDocument>> {
    let sql = format!(
        "SELECT {DOCUMENT} FROM documents AS d WHERE d.sha256 = ? AND d.media_type = ? ORDER BY d.number LIMIT 1"
    );
    connection.prepare(&sql)?.query_row([sha256, media_type], stored_document).optional()
}

pub(super) fn text(connection: &Connection, id: &str) -> rusqlite::Result<Option<DocumentText>> {
    connection
        .prepare("SELECT number, sha256, title, text, blocks FROM documents WHERE id = ?")?
        .query_row([id], |row| {
            Ok(DocumentText {
                document: row.get(0)?,
                sha256: row.get(1)?,
                title: row.get(2)?,
                text: row.get(3)?,
                blocks: json(row, 4)?,
            })
        })
        .optional()
}

pub(super) fn documents(
    connection: &Connection,
    query: &DocumentQuery,
) -> rusqlite::Result<Option<Vec<StoredDocument>>> {
    let before = match &query.after {
        None => i64::MAX,
        Some(id) => {
            let found = connection
                .query_row("SELECT number FROM documents WHERE id = ?", [id], |row| row.get(0))
                .optional()?;
            let Some(found) = found else { return Ok(None) };
            found
        }
    };
    let mut values = vec![Value::Integer(before)];
    let passes = if query.filter.is_empty() {
        String::new()
    } else {
        format!("AND d.number IN ({})", selecting(&query.filter, &mut values))
    };
    values.push(Value::Integer(number(query.limit as u64)));
    let sql = format!(
        "SELECT {DOCUMENT} FROM documents AS d WHERE d.number < ? {passes} ORDER BY d.number DESC LIMIT ?"
    );
    let mut statement = connection.prepare(&sql)?;
    statement.query_map(params_from_iter(values), stored_document)?.collect::<rusqlite::Result<_>>().map(Some)
}

pub(super) fn chunks_of(
    connection: &Connection,
    id: &str,
    from: usize,
    limit: usize,
) -> rusqlite::Result<Vec<StoredChunk>> {
    let sql = format!(
        "SELECT {CHUNK} FROM documents AS d JOIN chunks AS c ON c.document = d.number
             JOIN vector_indexes AS i ON i.number = c.vector_index
         WHERE d.id = ? AND i.state = 'serving' AND c.position >= ? ORDER BY c.position LIMIT ?"
    );
    let mut statement = connection.prepare(&sql)?;
    statement.query_map(params![id, number(from as u64), number(limit as u64)], stored_chunk)?.collect()
}

pub(super) fn chunks(connection: &Connection, numbers: &[i64]) -> rusqlite::Result<Vec<StoredChunk>> {
    let mut found = Vec::with_capacity(numbers.len());
    for batch in numbers.chunks(BATCH) {
        let places = vec!["?"; batch.len()].join(", ");
        let sql = format!(
            "SELECT {CHUNK} FROM chunks AS c JOIN documents AS d ON d.number = c.document WHERE c.number IN ({places})"
        );
        let mut statement = connection.prepare(&sql)?;
        for chunk in statement.query_map(params_from_iter(batch), stored_chunk)? {
            found.push(chunk?);
        }
    }
    Ok(found)
}

fn stored_document(row: &Row<'_>) -> rusqlite::Result<StoredDocument> {
    Ok(StoredDocument {
        number: row.get(0)?,
        id: row.get(1)?,
        sha256: row.get(2)?,
        title: row.get(3)?,
        source: row.get(4)?,
        media_type: row.get(5)?,
        metadata: json(row, 6)?,
        bytes: row.get::<_, i64>(7)?.unsigned_abs(),
        pages: row.get(8)?,
        created: row.get::<_, i64>(9)?.unsigned_abs(),
        updated: row.get::<_, i64>(10)?.unsigned_abs(),
        chunks: row.get::<_, i64>(11)?.unsigned_abs(),
    })
}

fn stored_chunk(row: &Row<'_>) -> rusqlite::Result<StoredChunk> {
    let headings = row.get_ref(7)?.as_str()?;
    Ok(StoredChunk {
        number: row.get(0)?,
        document: row.get(1)?,
        title: row.get(2)?,
        source: row.get(3)?,
        metadata: json(row, 4)?,
        position: length(row, 5)?,
        text: row.get(6)?,
        headings: headings.lines().map(str::to_owned).collect(),
        start: length(row, 8)?,
        end: length(row, 9)?,
        page: row.get(10)?,
        tokens: length(row, 11)?,
    })
}

/// A length or a place.
pub(super) fn length(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    let value = row.get::<_, i64>(column)?;
    usize::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}
