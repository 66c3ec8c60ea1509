//! A stored response, and how long it is kept.

use std::time::Duration;

use serde_json::Value;

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

/// What is kept of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreUsage {
    /// How many there are.
    pub responses: u64,
    /// Bytes of them, inputs included.
    pub bytes: u64,
}

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
