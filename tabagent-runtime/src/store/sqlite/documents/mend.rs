//! The index of words against the chunks. Each change of a chunk changes it in the same transaction; what a disk, or another
//! program, did to it is mended from the chunks.

use rusqlite::Connection;

/// Builds the index of words anew.
pub(super) const REBUILD: &str = "INSERT INTO chunks_fts (chunks_fts) VALUES ('rebuild')";

/// Builds the index of words anew where it has not the chunks that there are, or others; whether it had to. Damage within it is
/// met by whoever reads it, and mended there.
pub(in crate::store::sqlite) fn mend_words(connection: &Connection) -> rusqlite::Result<bool> {
    // FTS5 has a row there for each chunk that it knows. Both sides are looked up by number, and no text is read.
    let differs: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM chunks WHERE number NOT IN (SELECT id FROM chunks_fts_docsize))
             OR EXISTS (SELECT 1 FROM chunks_fts_docsize WHERE id NOT IN (SELECT number FROM chunks))",
        [],
        |row| row.get(0),
    )?;
    if differs {
        connection.execute(REBUILD, [])?;
    }
    Ok(differs)
}
