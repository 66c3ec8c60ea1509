//! What went wrong in SQLite, as the failure of the runtime that says the way out.

use std::path::PathBuf;

use rusqlite::{Error, ErrorCode};

use crate::error::BackendError;

const DAMAGED: &str = "is damaged; restore it from a backup, or move it away and the server begins a new one";

/// Where a store lies, for its messages; nowhere where it is in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Place(pub(super) Option<PathBuf>);

impl Place {
    /// A mistake of the place itself.
    pub(super) fn unusable(&self, reason: impl std::fmt::Display) -> BackendError {
        BackendError::configuration("data-dir", format!("{self} {reason}"))
    }

    /// What is found to be no whole database.
    pub(super) fn damaged(&self, found: &str) -> BackendError {
        self.unusable(format!("{DAMAGED} ({found})"))
    }

    /// The failure of an operation.
    pub(super) fn failure(&self, operation: &str, error: &Error) -> BackendError {
        let Some(code) = error.sqlite_error_code() else {
            return BackendError::internal(format!("the store, {operation}: {error}"));
        };
        let way_out = match code {
            ErrorCode::DiskFull => "cannot grow: the disk is full; free some space, then ask again",
            ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                "cannot be written; make it writable for the server, or name another folder with --data-dir"
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => DAMAGED,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                "is held by another program; let that one finish, then ask again"
            }
            ErrorCode::SystemIoFailure => {
                "cannot be read or written; the system log may say more of the disk"
            }
            _ => return BackendError::internal(format!("the store, {operation}: {error}")),
        };
        self.unusable(format!("{way_out} ({operation}: {error})"))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(path) => path.display().fmt(f),
            None => f.write_str("the store in memory"),
        }
    }
}
