//! Documents in SQLite: their tables, and [`DocumentStore`] over them.

mod filter;
mod index;
mod mend;
mod read;
mod search;
mod values;
mod words;
mod write;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use rusqlite::Connection;

use super::{SqliteStore, thread::Worker};
use crate::{
    documents::Filter,
    error::Result,
    store::{
        DocumentChanges, DocumentQuery, DocumentStore, DocumentText, IndexProgress, NewChunk, NewDocument,
        PutDocument, StoreFuture, StoredChunk, StoredDocument, StoredIndex, StoredVector,
    },
};

/// The tables of documents, as they were first.
pub(super) const SCHEMA: &str = "
    CREATE TABLE documents (
        -- Never given twice, so that nothing that was read before means another document.
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        -- Of the content as it came, in hexadecimal.
        sha256 TEXT NOT NULL,
        title TEXT,
        source TEXT,
        media_type TEXT NOT NULL,
        -- A JSON object.
        metadata TEXT NOT NULL,
        -- Of the content as it came.
        bytes INTEGER NOT NULL,
        pages INTEGER,
        -- Seconds since 1970.
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        -- What was read, and how it is made up, in JSON.
        text TEXT NOT NULL,
        blocks TEXT NOT NULL
    ) STRICT;
    CREATE INDEX documents_by_content ON documents (sha256, media_type);
    CREATE TABLE vector_indexes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        model TEXT NOT NULL,
        -- Tells this model from another one of the same id.
        fingerprint TEXT NOT NULL,
        dimensions INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('building', 'serving', 'left'))
    ) STRICT;
    CREATE UNIQUE INDEX one_index_of_a_state ON vector_indexes (state) WHERE state <> 'left';
    CREATE TABLE chunks (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        vector_index INTEGER NOT NULL REFERENCES vector_indexes,
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        position INTEGER NOT NULL,
        text TEXT NOT NULL,
        -- A line each, the outermost first.
        headings TEXT NOT NULL,
        -- In bytes of the document's text.
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        page INTEGER,
        tokens INTEGER NOT NULL,
        UNIQUE (document, vector_index, position)
    ) STRICT;
    CREATE INDEX chunks_by_index ON chunks (vector_index, document);
    CREATE TABLE vectors (
        chunk INTEGER PRIMARY KEY REFERENCES chunks ON DELETE CASCADE,
        -- 32-bit floats, the low byte first.
        vector BLOB NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE chunks_fts USING fts5 (
        text, headings, content = 'chunks', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2'
    );
    -- What is deleted is taken out of the index, not only marked.
    INSERT INTO chunks_fts (chunks_fts, rank) VALUES ('secure-delete', 1);
    CREATE VIRTUAL TABLE chunk_words USING fts5vocab (chunks_fts, row);
    CREATE TRIGGER chunk_comes AFTER INSERT ON chunks BEGIN
        INSERT INTO chunks_fts (rowid, text, headings) VALUES (new.number, new.text, new.headings);
    END;
    CREATE TRIGGER chunk_goes AFTER DELETE ON chunks BEGIN
        INSERT INTO chunks_fts (chunks_fts, rowid, text, headings)
        VALUES ('delete', old.number, old.text, old.headings);
    END;
";

pub(super) use mend::mend_words;
pub(super) use values::STEP as VALUES_STEP;
pub(super) use words::STEP as WORDS_STEP;
pub use words::indexed_text;

/// Gives a connection the functions that the tables of documents call.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    words::add_function(connection)?;
    values::add_function(connection)
}

impl SqliteStore {
    /// Does `work` on a thread, and once more where it found the index of words damaged, after that was built anew from the
    /// chunks.
    async fn mending<T: Send + 'static>(
        &self,
        thread: &Worker,
        operation: &'static str,
        work: impl Fn(&mut Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let (work, mended) = (Arc::new(work), Arc::clone(&self.words_mended));
        let times = mended.load(Relaxed);
        let again = Arc::clone(&work);
        let found = thread.call(operation, move |connection| match work(connection) {
            Err(error) if is_damaged_index(&error) => Ok(None),
            found => found.map(Some),
        });
        if let Some(found) = found.await? {
            return Ok(found);
        }
        // Many find it damaged at the same time, and the first one has it built for all.
        let rebuild = move |connection: &mut Connection| {
            if mended.load(Relaxed) == times {
                tracing::warn!("the index of the words of documents is damaged; it is built anew");
                connection.execute(mend::REBUILD, [])?;
                mended.fetch_add(1, Relaxed);
            }
            Ok(())
        };
        self.worker.call("building the index of words", rebuild).await?;
        thread.call(operation, move |connection| again(connection)).await
    }
}

/// Whether a virtual table is damaged, rather than the file.
fn is_damaged_index(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_CORRUPT_VTAB)
}

impl DocumentStore for SqliteStore {
    fn document(&self, id: &str) -> StoreFuture<'_, Option<StoredDocument>> {
        let id = id.to_owned();
        Box::pin(self.reads().call("reading a document", move |connection| read::document(connection, &id)))
    }

    fn document_of(&self, sha256: &str, media_type: &str) -> StoreFuture<'_, Option<StoredDocument>> {
        let (sha256, media_type) = (sha256.to_owned(), media_type.to_owned());
        Box::pin(self.reads().call("looking for a document", move |connection| {
            read::document_of(connection, &sha256, &media_type)
        }))
    }

    fn document_text(&self, id: &str) -> StoreFuture<'_, Option<DocumentText>> {
        let id = id.to_owned();
        Box::pin(self.reads().call("reading a document", move |connection| read::text(connection, &id)))
    }

    fn document_chunks(&self, id: &str, from: usize, limit: usize) -> StoreFuture<'_, Vec<StoredChunk>> {
        let id = id.to_owned();
        Box::pin(
            self.reads()
                .call("reading chunks", move |connection| read::chunks_of(connection, &id, from, limit)),
        )
    }

    fn documents(&self, query: DocumentQuery) -> StoreFuture<'_, Option<Vec<StoredDocument>>> {
        Box::pin(
            self.reads().call("listing documents", move |connection| read::documents(connection, &query)),
        )
    }

    fn put_document(
        &self,
        document: NewDocument,
        index: i64,
        chunks: Vec<NewChunk>,
    ) -> StoreFuture<'_, Option<PutDocument>> {
        Box::pin(self.mending(&self.worker, "keeping a document", move |connection| {
            write::put_document(connection, &document, index, &chunks)
        }))
    }

    fn change_document(&self, id: &str, changes: DocumentChanges) -> StoreFuture<'_, Option<StoredDocument>> {
        let id = id.to_owned();
        Box::pin(
            self.worker.call("changing a document", move |connection| {
                write::change_document(connection, &id, &changes)
            }),
        )
    }

    fn delete_document(&self, id: &str) -> StoreFuture<'_, Option<i64>> {
        let (id, fold_due) = (id.to_owned(), Arc::clone(&self.worker.fold_due));
        Box::pin(self.mending(&self.worker, "deleting a document", move |connection| {
            let found = write::delete_document(connection, &id)?;
            if found.is_some() {
                fold_due.store(true, Relaxed);
            }
            Ok(found)
        }))
    }

    fn indexes(&self) -> StoreFuture<'_, Vec<StoredIndex>> {
        Box::pin(self.reads().call("reading the indexes", |connection| index::all(connection)))
    }

    fn begin_index(
        &self,
        model: &str,
        fingerprint: &str,
        dimensions: usize,
        anew: bool,
    ) -> StoreFuture<'_, StoredIndex> {
        let (model, fingerprint) = (model.to_owned(), fingerprint.to_owned());
        Box::pin(self.worker.call("beginning an index", move |connection| {
            index::begin(connection, &model, &fingerprint, dimensions, anew)
        }))
    }

    fn leave_index(&self, number: i64) -> StoreFuture<'_, ()> {
        Box::pin(self.worker.call("leaving an index", move |connection| index::leave(connection, number)))
    }

    fn drop_left(&self) -> StoreFuture<'_, bool> {
        Box::pin(self.mending(&self.worker, "dropping an index", index::drop_left))
    }

    fn serve_index(&self, number: i64) -> StoreFuture<'_, bool> {
        Box::pin(self.worker.call("changing the index", move |connection| index::serve(connection, number)))
    }

    fn index_progress(&self, number: i64) -> StoreFuture<'_, IndexProgress> {
        Box::pin(
            self.reads().call("counting documents", move |connection| index::progress(connection, number)),
        )
    }

    fn not_indexed(&self, number: i64, limit: usize) -> StoreFuture<'_, Vec<String>> {
        Box::pin(
            self.reads()
                .call("looking for documents", move |connection| index::missing(connection, number, limit)),
        )
    }

    fn put_chunks(
        &self,
        document: i64,
        sha256: &str,
        index: i64,
        chunks: Vec<NewChunk>,
    ) -> StoreFuture<'_, Option<Vec<i64>>> {
        let sha256 = sha256.to_owned();
        Box::pin(self.mending(&self.worker, "keeping chunks", move |connection| {
            write::put_chunks(connection, document, &sha256, index, &chunks)
        }))
    }

    fn vectors(&self, number: i64, after: i64, limit: usize) -> StoreFuture<'_, Vec<StoredVector>> {
        Box::pin(
            self.reads()
                .call("reading vectors", move |connection| index::vectors(connection, number, after, limit)),
        )
    }

    fn passing(&self, filter: Filter) -> StoreFuture<'_, Vec<i64>> {
        Box::pin(
            self.reads().call("filtering documents", move |connection| search::passing(connection, &filter)),
        )
    }

    fn keywords(
        &self,
        index: i64,
        text: &str,
        filter: Filter,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(i64, f64)>> {
        let text = text.to_owned();
        Box::pin(self.mending(self.reads(), "searching for words", move |connection| {
            search::keywords(connection, index, &text, &filter, limit)
        }))
    }

    fn chunks(&self, numbers: Vec<i64>) -> StoreFuture<'_, Vec<StoredChunk>> {
        Box::pin(self.reads().call("reading chunks", move |connection| read::chunks(connection, &numbers)))
    }
}

#[cfg(test)]
mod tests;
