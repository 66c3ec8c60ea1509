//! Opening: the folder, the lock that keeps a second server out, the file, and the steps to its present form.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::failure::Place;
use crate::error::{BackendError, Result};

/// Name of the file below the data folder.
pub const DATABASE: &str = "tabagent.sqlite";
/// Name of the empty file whose lock says that a server uses the folder.
pub(super) const LOCK: &str = "tabagent.lock";
/// Marks the file as ours: "TabA", where the header of an SQLite file has the id of its application.
pub(super) const APPLICATION: i32 = 0x5461_6241;
/// How long a statement waits for a program that reads or copies the file.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Most memory in KiB that the connection that reads documents keeps of the file: what a search for words goes through is read
/// once.
pub(super) const SEARCHED: i64 = 32 << 10;
/// The same of one that reads what nobody reads twice.
pub(super) const READ_ONCE: i64 = 2 << 10;

/// The steps from an empty file to the present form. A step that was released is never changed: the number of steps that
/// a file has is its `user_version`.
pub(super) const STEPS: &[&str] = &[
    "
    CREATE TABLE responses (
        id TEXT PRIMARY KEY,
        -- Seconds since 1970.
        created INTEGER NOT NULL,
        -- No reference: a response may outlive the one that it continues.
        previous TEXT,
        -- Both JSON.
        input TEXT NOT NULL,
        response TEXT NOT NULL,
        -- Of both.
        bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX responses_by_age ON responses (created, bytes);
    CREATE TABLE params (
        -- Id of a model; empty for the server.
        model TEXT PRIMARY KEY,
        -- JSON.
        value TEXT NOT NULL
    ) STRICT;
    ",
    "
    CREATE TABLE selected (
        -- What it does: chat, embedding or rerank.
        kind TEXT PRIMARY KEY,
        -- Id of the model that serves where a request names none.
        model TEXT NOT NULL
    ) STRICT;
    ",
    "
    CREATE TABLE sessions (
        -- Never used again: a session that is made anew under the id of a deleted one is another one.
        incarnation INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        title TEXT,
        -- Both seconds since 1970.
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        -- Both of its messages.
        messages INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        -- JSON.
        params TEXT NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        session INTEGER NOT NULL REFERENCES sessions (incarnation) ON DELETE CASCADE,
        -- From 0 on, without gaps.
        position INTEGER NOT NULL,
        id TEXT NOT NULL,
        created INTEGER NOT NULL,
        role TEXT NOT NULL,
        -- Both JSON.
        content TEXT NOT NULL,
        metadata TEXT NOT NULL,
        PRIMARY KEY (session, position),
        UNIQUE (session, id)
    ) STRICT;
    ",
    super::documents::SCHEMA,
    super::documents::WORDS_STEP,
    super::documents::VALUES_STEP,
];

/// A connection, where its file lies, and the lock that is held while it is open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) place: Place,
    /// Fields are dropped in this order: the file is closed before it is given free.
    pub(super) lock: Option<File>,
}

/// Opens the file below a folder.
pub(super) fn below(folder: &Path) -> Result<Opened> {
    let in_folder = Place(Some(folder.to_owned()));
    fs::create_dir_all(folder).map_err(|error| {
        in_folder
            .unusable(format!("cannot be made: {error}; name a folder that can be written with --data-dir"))
    })?;
    let lock = lock(folder, &in_folder)?;
    let path = folder.join(DATABASE);
    let place = Place(Some(path.clone()));
    // Made here, so that nobody else can read the conversations; SQLite gives the files beside it the same rights.
    private(&path).map_err(|error| place.unusable(cannot_write(&error)))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error: rusqlite::Error| place.failure("opening it", &error);
    let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
    // Before anything is written, be it no more than the journal's mode: a file that is not ours stays as it is.
    form(&connection, &place, "opening it")?;
    prepare(&connection, true).map_err(failed)?;
    let mut opened = Opened { connection, place, lock: Some(lock) };
    migrate(&mut opened)?;
    Ok(opened)
}

/// Another connection to the same file, which reads and keeps at most `cache` KiB of it; none to a store in memory.
///
/// # Errors
/// Those of [`below`].
pub(super) fn reader(opened: &Opened, cache: i64) -> Result<Option<Opened>> {
    let Some(path) = &opened.place.0 else { return Ok(None) };
    let place = opened.place.clone();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            prepare(&connection, true)?;
            connection.pragma_update(None, "query_only", true)?;
            connection.pragma_update(None, "cache_size", -cache)?;
            Ok(connection)
        })
        .map_err(|error| place.failure("opening it", &error))?;
    Ok(Some(Opened { connection, place, lock: None }))
}

/// A store in memory.
pub(super) fn in_memory() -> Result<Opened> {
    let place = Place(None);
    let connection = Connection::open_in_memory()
        .and_then(|connection| prepare(&connection, false).map(|()| connection))
        .map_err(|error| place.failure("opening it", &error))?;
    let mut opened = Opened { connection, place, lock: None };
    migrate(&mut opened)?;
    Ok(opened)
}

pub(super) fn cannot_write(error: &std::io::Error) -> String {
    format!(
        "cannot be written: {error}; make it writable for the server, or name another folder with --data-dir"
    )
}

pub(super) fn used_by_another(folder: &Place) -> BackendError {
    folder.unusable("is used by another server; stop that one, or name another folder with --data-dir")
}

/// Locks a folder for this process; the operating system gives it free when the process ends, however it ends.
fn lock(folder: &Path, place: &Place) -> Result<File> {
    let path = folder.join(LOCK);
    let file = private(&path).map_err(|error| place.unusable(cannot_write(&error)))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(used_by_another(place)),
        Err(TryLockError::Error(error)) => Err(place
            .unusable(format!("cannot be locked: {error}; name a folder on a local disk with --data-dir"))),
    }
}

/// Opens a file for reading and writing, which is made where it is not there, for this user alone.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What holds for the connection alone.
fn prepare(connection: &Connection, durable: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    super::documents::add_functions(connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A view or trigger of a file that somebody else wrote is not run.
    connection.pragma_update(None, "trusted_schema", false)?;
    // What is deleted is overwritten, not only unlinked.
    connection.pragma_update(None, "secure_delete", true)?;
    if durable {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        // A commit is on the disk when it returns.
        connection.pragma_update(None, "synchronous", "full")?;
    }
    Ok(())
}

/// Takes the steps that the file lacks, all of them or none.
fn migrate(opened: &mut Opened) -> Result<()> {
    let Opened { connection, place, .. } = opened;
    let operation = "bringing it to the present form";
    let failed = |error: rusqlite::Error| place.failure(operation, &error);
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let missing = form(&transaction, place, operation)?;
    for step in missing {
        transaction.execute_batch(step).map_err(failed)?;
    }
    if !missing.is_empty() {
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
        let version = i64::try_from(STEPS.len())
            .map_err(|_| BackendError::internal("more steps than SQLite counts"))?;
        transaction.pragma_update(None, "user_version", version).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// The steps that a file lacks.
///
/// # Errors
/// It is of another program, or of a newer version of this one.
pub(super) fn form(
    connection: &Connection,
    place: &Place,
    operation: &str,
) -> Result<&'static [&'static str]> {
    let failed = |error: rusqlite::Error| place.failure(operation, &error);
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (version, application) =
        (number("user_version").map_err(failed)?, number("application_id").map_err(failed)?);
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if (done > 0 && application != APPLICATION) || (done == 0 && !is_empty(connection).map_err(failed)?) {
        return Err(place.unusable(
            "is the database of another program; move it away, or name another folder with --data-dir",
        ));
    }
    STEPS.get(done..).ok_or_else(|| {
        place.unusable(format!(
            "was written by a newer version of the server (form {version}, this one knows {}); start that one, or \
             name another folder with --data-dir",
            STEPS.len()
        ))
    })
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}
