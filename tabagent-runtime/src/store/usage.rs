//! What a store holds, for those who watch it.

use super::StoreFuture;

/// How much is kept of what grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreUsage {
    /// Responses.
    pub responses: u64,
    /// Bytes of them, inputs included.
    pub bytes: u64,
    /// Sessions.
    pub sessions: u64,
    /// Messages of all sessions.
    pub messages: u64,
    /// Bytes of these messages.
    pub message_bytes: u64,
    /// Documents.
    pub documents: u64,
    /// Chunks of the index that serves.
    pub chunks: u64,
}

/// Tells what is kept. Failures are those of [`super::Store`].
pub trait UsageStore: Send + Sync {
    /// What is kept; an answer says as well that the store can be read. It does not wait for a write, which may be long.
    fn usage(&self) -> StoreFuture<'_, StoreUsage>;
}
