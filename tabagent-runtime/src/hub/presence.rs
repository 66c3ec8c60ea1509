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
    _folder: Option<File>,
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
            tracing::debug!(%path, %error, "nobody is told that the models folder is used");
            None
        });
        Presence { _folder: folder }
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
        let Some(folder) = folder else { return Ok(Presence { _folder: None }) };
        match folder.try_lock() {
            Ok(()) => Ok(Presence { _folder: Some(folder) }),
            Err(TryLockError::WouldBlock) => {
                let reason = format!(
                    "{} is used by a server, which may have the model in memory",
                    models_dir.display()
                );
                Err(BackendError::configuration("models-dir", reason))
            }
            Err(TryLockError::Error(error)) => Err(unusable(models_dir, &error)),
        }
    }
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
