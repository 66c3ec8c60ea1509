//! A stored response, and how long it is kept.

use std::time::Duration;

use serde_json::Value;

use super::StoreFuture;

/// How long responses are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Longest time.
    pub age: Duration,
    /// Most responses; the oldest ones go first.
    pub count: u64,
    /// Most bytes, inputs included; the oldest ones go first.
    pub bytes: u64,
}

/// How long responses are kept here: 30 days, as at OpenAI, and at most 10,000 of 1 GiB together.
pub const RETENTION: Retention =
    Retention { age: Duration::from_secs(30 * 24 * 60 * 60), count: 10_000, bytes: 1 << 30 };

/// Most responses of one conversation that are read; what is longer is beyond every context.
pub const CHAIN_COUNT: u64 = 1_000;
/// Bytes of a conversation after which nothing older is read.
pub const CHAIN_BYTES: u64 = 64 << 20;

/// A response, as it is kept. The store does not look into its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResponse {
    /// Its id.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// The response that it continues.
    pub previous: Option<String>,
    /// What it answers, without what the previous ones had.
    pub input: Value,
    /// What was answered to the client.
    pub response: Value,
}

/// Keeps responses. Failures are those of [`super::Store`].
pub trait ResponseStore: Send + Sync {
    /// Keeps a response, and drops those that are beyond [`RETENTION`].
    fn put_response(&self, response: StoredResponse) -> StoreFuture<'_, ()>;

    /// A response; `None` where there is none of this id.
    fn response(&self, id: &str) -> StoreFuture<'_, Option<StoredResponse>>;

    /// A response and those that it continues, the oldest first; empty where there is none of this id. The first one
    /// still names a previous one where that is gone, or beyond [`CHAIN_COUNT`] or [`CHAIN_BYTES`].
    fn response_chain(&self, id: &str) -> StoreFuture<'_, Vec<StoredResponse>>;

    /// Drops a response; whether there was one.
    fn delete_response(&self, id: &str) -> StoreFuture<'_, bool>;
}
