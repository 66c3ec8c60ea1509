//! Searching for words, and filtering.

use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};

use super::super::queries::number;
use super::{
    filter::selecting,
    words::{term, words},
};
use crate::documents::Filter;

/// How much of a document's words count against those of its headings.
const WEIGHTS: &str = "1.0, 1.0";

pub(super) fn passing(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<i64>> {
    let mut values = Vec::new();
    let mut statement = connection.prepare(&selecting(filter, &mut values))?;
    statement.query_map(params_from_iter(values), |row| row.get(0))?.collect()
}

pub(super) fn keywords(
    connection: &Connection,
    index: i64,
    text: &str,
    filter: &Filter,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, f64)>> {
    let words = words(text);
    let rare = rare(connection, &words)?;
    if rare.len() < words.len() && !rare.is_empty() {
        let found = having(connection, index, &rare, filter, limit)?;
        // Else there are places left for chunks that have none of the rare ones.
        if found.len() >= limit {
            return Ok(found);
        }
    }
    having(connection, index, &words, filter, limit)
}

/// Chunks that have any of these words.
fn having(
    connection: &Connection,
    index: i64,
    words: &[String],
    filter: &Filter,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, f64)>> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let terms: Vec<String> = words.iter().map(|word| term(word)).collect();
    let mut values = vec![Value::Text(terms.join(" OR ")), Value::Integer(index)];
    let passes = if filter.is_empty() {
        String::new()
    } else {
        format!("AND c.document IN ({})", selecting(filter, &mut values))
    };
    values.push(Value::Integer(number(limit as u64)));
    let sql = format!(
        "SELECT c.number, -bm25(chunks_fts, {WEIGHTS}) AS score
         FROM chunks_fts JOIN chunks AS c ON c.number = chunks_fts.rowid
         WHERE chunks_fts MATCH ? AND c.vector_index = ? {passes}
         ORDER BY score DESC, c.number LIMIT ?"
    );
    let mut statement = connection.prepare(&sql)?;
    statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The words that no more than half of the chunks have.
///
/// The others add next to nothing to BM25 as SQLite computes it (their weight is one millionth), and most of the time that a
/// search takes. The index holds stems: a word that is another than its own stem is not found among them, and looked for.
fn rare(connection: &Connection, words: &[String]) -> rusqlite::Result<Vec<String>> {
    let chunks: i64 = connection.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0))?;
    let mut found = connection.prepare("SELECT doc FROM chunk_words WHERE term = ?")?;
    let mut rare = Vec::with_capacity(words.len());
    for word in words {
        let count: Option<i64> = found.query_row([word], |row| row.get(0)).optional()?;
        if count.is_none_or(|count| count <= chunks / 2) {
            rare.push(word.clone());
        }
    }
    Ok(rare)
}
