//! What is kept over restarts: responses that clients may continue, sessions, the parameters of generation, and the models that serve
//! where a request names none.
//!
//! [`Store`] is the sum of small traits, a file each: one typed method a task. [`SqliteStore`] is the embedded database behind
//! it. A write is durable when it is answered.

mod documents;
mod params;
mod responses;
mod selection;
mod sessions;
mod sqlite;
mod usage;

use std::{future::Future, pin::Pin};

pub use documents::{
    DocumentChanges, DocumentQuery, DocumentStore, DocumentText, IndexProgress, IndexState, NewChunk,
    NewDocument, PutDocument, PutOutcome, StoredChunk, StoredDocument, StoredIndex, StoredVector,
};
pub use params::{GenerationParams, ParamsStore};
pub use responses::{CHAIN_BYTES, CHAIN_COUNT, RETENTION, ResponseStore, Retention, StoredResponse};
pub use selection::SelectionStore;
pub use sessions::{
    Append, MESSAGE_COST, MessageBody, NewMessage, PAGE_BYTES, Page, Paged, Place, SESSION_BYTES,
    SESSION_MESSAGES, SESSIONS_BYTES, Session, SessionStore, SessionTail, StoredMessage,
};
pub use sqlite::{DATABASE, SqliteStore, indexed_text};
pub use usage::{StoreUsage, UsageStore};

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
pub trait Store:
    ResponseStore + ParamsStore + SelectionStore + SessionStore + DocumentStore + UsageStore
{
}

impl<T: ResponseStore + ParamsStore + SelectionStore + SessionStore + DocumentStore + UsageStore> Store
    for T
{
}
