//! Who uses a models folder: a lock of the system on the folder itself, which leaves no file and works where nothing can be
//! written.
//!
//! Elsewhere than on Unix folders cannot be locked. There the system refuses to delete files that are in use.

use std::{
    fs::{self, File, TryLockError},
    time::Duration,
};

use super::{Hub, folder::unusable};
use crate::error::{BackendError, Result};

/// How often, and after which time, a folder is tried in which a command deletes.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Keeps others from deleting models of a folder, or from using it, as long as it is held.
#[derive(Debug)]
pub struct Presence {
    folder: Option<File>,
}

impl Hub {
    /// Says that models of the folder are used, which several processes may do. The folder is made where it is not there.
    pub(crate) fn attend(&self) -> Presence {
        let models_dir = self.models_dir();
        let folder = fs::create_dir_all(models_dir).and_then(|()| open(self)).and_then(|folder| {
            if let Some(folder) = &folder {
                share(folder)?;
            }
            Ok(folder)
        });
        let folder = folder.unwrap_or_else(|error| {
            let path = models_dir.display();
            tracing::warn!(%path, %error, "the models folder cannot be locked: nothing keeps `tabagent rm` from deleting models that are in use");
            None
        });
        Presence { folder }
    }

    /// Keeps everybody from beginning to use the folder.
    ///
    /// # Errors
    /// [`BackendError::ConfigurationError`] of `models-dir` where somebody uses it.
    pub fn alone(&self) -> Result<Presence> {
        let models_dir = self.models_dir();
        let folder = match open(self) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            found => found.map_err(|error| unusable(models_dir, &error))?,
        };
        let Some(folder) = folder else { return Ok(Presence { folder: None }) };
        match folder.try_lock() {
            Ok(()) => Ok(Presence { folder: Some(folder) }),
            Err(TryLockError::WouldBlock) => Err(used(self, "a server")),
            Err(TryLockError::Error(error)) => Err(unusable(models_dir, &error)),
        }
    }
}

impl Presence {
    /// Whether nobody else uses the folder.
    ///
    /// # Errors
    /// [`BackendError::ConfigurationError`] of `models-dir` where somebody does.
    pub(crate) fn is_alone(&self, hub: &Hub) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let alone = folder.try_lock();
        // Whatever came of it, the lock may be lost by the attempt.
        share(folder).map_err(|error| unusable(hub.models_dir(), &error))?;
        match alone {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(used(hub, "another server")),
            Err(TryLockError::Error(error)) => Err(unusable(hub.models_dir(), &error)),
        }
    }
}

fn used(hub: &Hub, by: &str) -> BackendError {
    let reason =
        format!("{} is used by {by}, which may have the model in memory", hub.models_dir().display());
    BackendError::configuration("models-dir", reason)
}

/// Waits for the end of a deletion.
fn share(folder: &File) -> std::io::Result<()> {
    for _ in 0..TRIES {
        match folder.try_lock_shared() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            taken => return taken.map_err(std::io::Error::from),
        }
    }
    folder.try_lock_shared().map_err(std::io::Error::from)
}

/// The models folder as a file that can be locked.
fn open(hub: &Hub) -> std::io::Result<Option<File>> {
    if cfg!(unix) { File::open(hub.models_dir()).map(Some) } else { Ok(None) }
}
