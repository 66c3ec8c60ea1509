//! How many bytes all sessions take together, and may take.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rusqlite::Connection;

use super::super::{MESSAGE_COST, SESSIONS_BYTES};
use crate::error::{BackendError, Result};

/// What all sessions take together, and may take. It is changed after each commit, by the thread that writes alone, so that
/// no write has to add them up.
#[derive(Debug)]
pub(super) struct Room {
    used: AtomicU64,
    most: u64,
}

impl Room {
    /// The room of a store as it is.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let (messages, bytes) = connection.query_row(
            "SELECT coalesce(sum(messages), 0), coalesce(sum(bytes), 0) FROM sessions",
            [],
            |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())),
        )?;
        Ok(Self { used: AtomicU64::new(cost(messages, bytes)), most: SESSIONS_BYTES })
    }

    /// The same with another bound.
    pub(super) fn bounded(&self, most: u64) -> Self {
        Self { used: AtomicU64::new(self.used.load(Relaxed)), most }
    }

    /// Whether there is room for so many more bytes.
    ///
    /// # Errors
    /// [`BackendError::ConfigurationError`] of `sessions-limit` where there is none.
    pub(super) fn has(&self, more: u64) -> Result<()> {
        let Self { used, most } = self;
        let used = used.load(Relaxed);
        if used.saturating_add(more) <= *most {
            return Ok(());
        }
        Err(BackendError::configuration(
            "sessions-limit",
            format!(
                "all sessions together may take {most} bytes and take {used}, which leaves no room for {more} more; \
                 delete some of them, or raise --sessions-limit"
            ),
        ))
    }

    /// Counts what was added.
    pub(super) fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Relaxed);
    }

    /// Counts what was deleted.
    pub(super) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }
}

/// What messages of so many bytes count for.
pub(super) fn cost(messages: u64, bytes: u64) -> u64 {
    bytes + MESSAGE_COST * messages
}
