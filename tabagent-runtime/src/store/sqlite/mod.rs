//! The store in one SQLite file below the data folder.
//!
//! A thread of its own holds the connection that writes; calls wait for it in a bounded queue (`thread`). A second one reads
//! documents, a third one responses and sessions. `open` finds or makes the file and brings it to the present form, `examine`
//! looks at one without using it, `failure` says what went wrong, `queries` has the statements, `sessions` those of sessions,
//! and `room` how much these take together.

mod documents;
mod examine;
mod failure;
mod open;
mod queries;
mod room;
mod sessions;
mod thread;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    GenerationParams, ParamsStore, RETENTION, ResponseStore, SelectionStore, StoreFuture, StoreUsage,
    StoredResponse, UsageStore,
};
use crate::error::Result;
use open::Opened;
use room::Room;
use thread::Worker;

pub use documents::indexed_text;
pub use open::DATABASE;

/// The store in an SQLite file, or in memory.
///
/// Dropping it ends its threads and gives the file free.
#[derive(Debug)]
pub struct SqliteStore {
    /// Reads documents beside the one that writes; none where the store is in memory, which has one connection.
    reader: Option<Worker>,
    /// Reads responses and sessions, which do not wait for a long search.
    conversation_reader: Option<Worker>,
    worker: Worker,
    /// How often the index of words was found damaged, and built anew.
    words_mended: Arc<AtomicU64>,
    room: Arc<Room>,
    params: BTreeMap<Option<String>, GenerationParams>,
    selected: BTreeMap<String, String>,
}

impl SqliteStore {
    /// Opens the store below a folder, both of which are made where they are not there. Blocks.
    ///
    /// # Errors
    /// [`crate::BackendError::ConfigurationError`] of `data-dir`: the folder cannot be written, another server uses it, or
    /// the file in it is damaged, no store, or one of a newer version.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::start(open::below(folder)?)
    }

    /// Looks at a folder and the store below it as [`SqliteStore::open`] would find them, without using either: a server
    /// that runs there is not disturbed. The bytes of the store; `None` where there is none yet. Blocks.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`], and damage that it would see later.
    pub fn examine(folder: &Path) -> Result<Option<u64>> {
        examine::below(folder)
    }

    /// A store that is gone with the process.
    ///
    /// # Errors
    /// [`crate::BackendError::InternalError`] where SQLite or the operating system gives none.
    pub fn in_memory() -> Result<Self> {
        Self::start(open::in_memory()?)
    }

    /// The store, with another bound of the bytes of all its sessions than [`super::SESSIONS_BYTES`].
    #[must_use]
    pub fn with_sessions_limit(mut self, bytes: u64) -> Self {
        self.room = Arc::new(self.room.bounded(bytes));
        self
    }

    fn start(mut opened: Opened) -> Result<Self> {
        let place = &opened.place;
        let params = queries::params(&mut opened.connection)
            .map_err(|error| place.failure("reading the parameters", &error))?;
        let selected = queries::selected(&mut opened.connection)
            .map_err(|error| place.failure("reading the chosen models", &error))?;
        let room =
            Room::of(&opened.connection).map_err(|error| place.failure("adding up the sessions", &error))?;
        match documents::mend_words(&opened.connection) {
            Ok(false) => {}
            Ok(true) => {
                tracing::warn!(%place, "the index of the words of documents was not that of their chunks; it was built anew");
            }
            // Whoever meets what is damaged is told; the rest is served.
            Err(error) => {
                let failure = place.failure("looking at the index of words", &error);
                tracing::error!(%failure, "the index of the words of documents cannot be looked at");
            }
        }
        let reader = |cache| open::reader(&opened, cache)?.map(Worker::start).transpose();
        let (reader, conversation_reader) = (reader(open::SEARCHED)?, reader(open::READ_ONCE)?);
        Ok(Self {
            reader,
            conversation_reader,
            worker: Worker::start(opened)?,
            words_mended: Arc::default(),
            room: Arc::new(room),
            params,
            selected,
        })
    }

    /// The thread for what only reads, and may take long: it does not hold up writes.
    fn reads(&self) -> &Worker {
        self.reader.as_ref().unwrap_or(&self.worker)
    }

    /// The thread for what reads responses and sessions: a long history does not hold up writes.
    fn reads_conversations(&self) -> &Worker {
        self.conversation_reader.as_ref().unwrap_or(&self.worker)
    }
}

impl ResponseStore for SqliteStore {
    fn put_response(&self, response: StoredResponse) -> StoreFuture<'_, ()> {
        let fold_due = Arc::clone(&self.worker.fold_due);
        Box::pin(self.worker.call("keeping a response", move |connection| {
            if queries::put_response(connection, &response, RETENTION)? {
                fold_due.store(true, Relaxed);
            }
            Ok(())
        }))
    }

    fn response(&self, id: &str) -> StoreFuture<'_, Option<StoredResponse>> {
        let id = id.to_owned();
        Box::pin(
            self.reads_conversations()
                .call("reading a response", move |connection| queries::response(connection, &id)),
        )
    }

    fn response_chain(&self, id: &str) -> StoreFuture<'_, Vec<StoredResponse>> {
        let id = id.to_owned();
        Box::pin(
            self.reads_conversations()
                .call("reading a conversation", move |connection| queries::response_chain(connection, &id)),
        )
    }

    fn delete_response(&self, id: &str) -> StoreFuture<'_, bool> {
        let (id, fold_due) = (id.to_owned(), Arc::clone(&self.worker.fold_due));
        Box::pin(self.worker.call("deleting a response", move |connection| {
            let found = queries::delete_response(connection, &id)?;
            if found {
                queries::fold_now(connection, &fold_due);
            }
            Ok(found)
        }))
    }
}

impl UsageStore for SqliteStore {
    fn usage(&self) -> StoreFuture<'_, StoreUsage> {
        Box::pin(self.reads_conversations().call("counting what is kept", queries::usage))
    }
}

impl ParamsStore for SqliteStore {
    fn params_at_start(&self) -> &BTreeMap<Option<String>, GenerationParams> {
        &self.params
    }

    fn put_params(&self, model: Option<&str>, params: GenerationParams) -> StoreFuture<'_, ()> {
        let model = model.map(str::to_owned);
        Box::pin(self.worker.call("keeping the parameters", move |connection| {
            queries::put_params(connection, model.as_deref(), &params)
        }))
    }
}

impl SelectionStore for SqliteStore {
    fn selected_at_start(&self) -> &BTreeMap<String, String> {
        &self.selected
    }

    fn put_selected(&self, kind: &str, model: Option<&str>) -> StoreFuture<'_, ()> {
        let (kind, model) = (kind.to_owned(), model.map(str::to_owned));
        Box::pin(self.worker.call("keeping a chosen model", move |connection| {
            queries::put_selected(connection, &kind, model.as_deref())
        }))
    }
}

#[cfg(test)]
mod tests;
