//! The right to change one model, which one process and one pull has at a time: a lock of the system on a file.

#[cfg(unix)]
use std::{fs, path::PathBuf};
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};

use super::folder::unusable;
use crate::error::{BackendError, Result};

/// How often a lock is tried whose file is removed meanwhile.
const TRIES: usize = 8;

/// The right to change a model's folder and what is pulled for it; the system takes it back when the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    #[cfg(unix)]
    path: PathBuf,
}

/// The file goes with the lock. Elsewhere than on Unix it stays: there, nothing tells whether the file that was locked is still
/// the one of this name, and two who hold locks of two files would both change the model.
#[cfg(unix)]
impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the file of a lock stays");
        }
    }
}

impl Lock {
    /// Takes the lock of a file for the model `id`.
    ///
    /// # Errors
    /// [`BackendError::ResourceLimitExceeded`] where another process or pull has it.
    pub(super) fn take(path: &Path, id: &str) -> Result<Self> {
        for _ in 0..TRIES {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
            let file = file.map_err(|error| unusable(path, &error))?;
            match file.try_lock() {
                // Who held it before may have removed the file after it was opened here: then this lock keeps nobody away.
                Ok(()) if !is_at(&file, path) => {}
                #[cfg(unix)]
                Ok(()) => return Ok(Lock { _file: file, path: path.to_owned() }),
                #[cfg(not(unix))]
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) => return Err(busy(id)),
                Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
            }
        }
        Err(busy(id))
    }
}

/// That somebody else changes a model now.
pub(crate) fn busy(id: &str) -> BackendError {
    BackendError::ResourceLimitExceeded {
        resource: format!("the number of pulls of `{id}` at a time"),
        limit: 1,
        current: 1,
        retry_after: Duration::from_secs(5),
    }
}

/// Whether an open file is the one of this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same =
        |open: fs::Metadata, named: fs::Metadata| (open.dev(), open.ino()) == (named.dev(), named.ino());
    file.metadata().is_ok_and(|open| fs::symlink_metadata(path).is_ok_and(|named| same(open, named)))
}

/// The files of locks are not removed here.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}
