//! What is kept over restarts: responses that clients may continue, the parameters of generation, and the models that serve
//! where a request names none.
//!
//! [`Store`] is the trait, one typed method a task; [`SqliteStore`] is the embedded database behind it. A write is durable
//! when it is answered.

mod documents;
mod params;
mod responses;
mod sqlite;

use std::{collections::BTreeMap, future::Future, pin::Pin};

pub use documents::{
    DocumentChanges, DocumentQuery, DocumentStore, DocumentText, IndexProgress, IndexState, NewChunk,
    NewDocument, PutDocument, PutOutcome, StoredChunk, StoredDocument, StoredIndex, StoredVector,
};
pub use params::GenerationParams;
pub use responses::{CHAIN_BYTES, CHAIN_COUNT, RETENTION, Retention, StoreUsage, StoredResponse};
pub use sqlite::{DATABASE, SqliteStore};

use crate::error::Result;

/// The answer of a store, as it comes.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Keeps what outlives a process.
///
/// Every method fails with [`crate::BackendError::ConfigurationError`] where the operator has to mend something (a disk
/// that is full, a folder that cannot be written, a damaged file), with
/// [`crate::BackendError::ResourceLimitExceeded`] where too many calls wait, and with
/// [`crate::BackendError::GenerationTimeout`] where the store does not answer in time. A write that failed changed
/// nothing; one whose caller left, or whose time was over, may have been done.
pub trait Store: DocumentStore + Send + Sync {
    /// Keeps a response, and drops those that are beyond [`RETENTION`].
    fn put_response(&self, response: StoredResponse) -> StoreFuture<'_, ()>;

    /// A response; `None` where there is none of this id.
    fn response(&self, id: &str) -> StoreFuture<'_, Option<StoredResponse>>;

    /// A response and those that it continues, the oldest first; empty where there is none of this id. The first one
    /// still names a previous one where that is gone, or beyond [`CHAIN_COUNT`] or [`CHAIN_BYTES`].
    fn response_chain(&self, id: &str) -> StoreFuture<'_, Vec<StoredResponse>>;

    /// Drops a response; whether there was one.
    fn delete_response(&self, id: &str) -> StoreFuture<'_, bool>;

    /// What is kept of responses; an answer says as well that the store works.
    fn usage(&self) -> StoreFuture<'_, StoreUsage>;

    /// All parameters of generation as they were when the store was opened: those of the server under `None`, those of
    /// models under their ids.
    fn params_at_start(&self) -> &BTreeMap<Option<String>, GenerationParams>;

    /// Keeps the parameters of the server or of a model, in place of those that there were.
    fn put_params(&self, model: Option<&str>, params: GenerationParams) -> StoreFuture<'_, ()>;

    /// The models that were chosen to serve where a request names none, by kind, as they were when the store was opened.
    fn selected_at_start(&self) -> &BTreeMap<String, String>;

    /// Keeps which model serves where a request of a kind names none; nothing is kept of it where there is none.
    fn put_selected(&self, kind: &str, model: Option<&str>) -> StoreFuture<'_, ()>;
}
