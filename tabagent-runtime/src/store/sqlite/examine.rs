//! Looking at a data folder without using it: would a server be able to open its store.

use std::{
    fs::{self, OpenOptions, TryLockError},
    io::ErrorKind,
    path::Path,
};

use rusqlite::{Connection, OpenFlags};

use super::{
    failure::Place,
    open::{DATABASE, LOCK, cannot_write, form, used_by_another},
};
use crate::error::Result;

/// Looks at the store below a folder; its bytes, or `None` where there is none yet.
pub(super) fn below(folder: &Path) -> Result<Option<u64>> {
    let in_folder = Place(Some(folder.to_owned()));
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(in_folder.unusable("is not a folder; name one with --data-dir")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // It would be made in the nearest one that there is.
            let existing = folder.ancestors().skip(1).find(|above| above.exists());
            let above = existing.unwrap_or_else(|| Path::new("."));
            can_be_written(above, &Place(Some(above.to_owned())))?;
            return Ok(None);
        }
        Err(error) => return Err(in_folder.unusable(format!("cannot be read: {error}"))),
    }
    can_be_written(folder, &in_folder)?;
    // Held while the file is looked at, so that no server begins to use it meanwhile.
    let lock = match OpenOptions::new().read(true).write(true).open(folder.join(LOCK)) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(in_folder.unusable(cannot_write(&error))),
    };
    match lock.as_ref().map(fs::File::try_lock) {
        None | Some(Ok(())) => {}
        // A file that is in use is left alone.
        Some(Err(TryLockError::WouldBlock)) => return Err(used_by_another(&in_folder)),
        Some(Err(TryLockError::Error(error))) => return Err(in_folder.unusable(cannot_write(&error))),
    }
    let path = folder.join(DATABASE);
    let place = Place(Some(path.clone()));
    let bytes = match OpenOptions::new().read(true).write(true).open(&path).and_then(|file| file.metadata()) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(place.unusable(cannot_write(&error))),
    };
    whole(&path, &place)?;
    Ok(Some(bytes))
}

/// Makes a file and takes it away again: rights, a file system that is mounted for reading and a full disk all show.
fn can_be_written(folder: &Path, place: &Place) -> Result<()> {
    let probe = folder.join(format!(".tabagent-{}.probe", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| place.unusable(cannot_write(&error)))
}

/// Whether a file is a store of a form that is known, and undamaged. It is opened for writing, since what a killed server
/// left beside it can only be read so; no statement writes.
fn whole(path: &Path, place: &Place) -> Result<()> {
    let failed = |error: rusqlite::Error| place.failure("looking at it", &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    form(&connection, place, "looking at it")?;
    let found: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if found == "ok" { Ok(()) } else { Err(place.damaged(&format!("looking at it: {found}"))) }
}
