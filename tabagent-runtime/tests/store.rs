//! The store of SQLite over the life of processes: what was answered is there after a kill, and what cannot be is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test target, all of it: clippy exempts only the fns that are marked as tests"
)]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;
use tabagent_runtime::{
    BackendError, GenerationParams, StoredResponse,
    store::{DATABASE, ParamsStore, ResponseStore, SqliteStore},
};

/// Names the folder to the child process, and what it does there.
const FOLDER: &str = "TABAGENT_TEST_STORE_FOLDER";
const WRITES: &str = "TABAGENT_TEST_STORE_WRITES";

fn tokio() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn response(id: &str) -> StoredResponse {
    let created = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    StoredResponse {
        id: id.to_owned(),
        created,
        previous: None,
        input: json!([{ "text": "x".repeat(2000) }]),
        response: json!({ "id": id }),
    }
}

/// The reason why a folder cannot be used.
fn unusable<T>(outcome: Result<T, BackendError>) -> String {
    match outcome {
        Err(BackendError::ConfigurationError { setting, reason }) if setting == "data-dir" => reason,
        Err(other) => panic!("not a mistake of the folder: {other:?}"),
        Ok(_) => panic!("it is used"),
    }
}

/// Not a test of its own: what the process does that the tests below start, and kill.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = SqliteStore::open(Path::new(&folder)).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "\nopen").unwrap();
    let writes = std::env::var(WRITES).unwrap_or_default();
    tokio().block_on(async {
        for number in 0_u16.. {
            match writes.as_str() {
                "responses" => store.put_response(response(&format!("resp_{number}"))).await.unwrap(),
                "params" => {
                    let params =
                        GenerationParams { max_tokens: Some(number.into()), ..GenerationParams::default() };
                    store.put_params(Some("m"), params).await.unwrap();
                }
                _ => std::thread::park(),
            }
            // Said once it was answered.
            writeln!(out, "done {number}").unwrap();
            out.flush().unwrap();
        }
    });
}

/// A process that has the store of a folder open.
fn spawn(folder: &Path, writes: &str) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder)
        .env(WRITES, writes)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "open"), "the child does not open the store");
    (child, lines)
}

/// Kills a writing process after so many writes; the numbers of those that were answered.
fn killed(folder: &Path, writes: &str, after: usize) -> Vec<usize> {
    let (mut child, mut lines) = spawn(folder, writes);
    let number = |line: String| line.strip_prefix("done ").and_then(|number| number.parse().ok());
    let mut answered: Vec<usize> = lines.by_ref().filter_map(number).take(after).collect();
    assert_eq!(answered.len(), after);
    child.kill().unwrap();
    child.wait().unwrap();
    // Those that were answered before the kill came through.
    answered.extend(lines.filter_map(number));
    answered
}

#[test]
fn a_response_that_was_answered_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    for after in [1, 7, 40] {
        fs::remove_file(folder.path().join(DATABASE)).ok();
        let answered = killed(folder.path(), "responses", after);
        let store = SqliteStore::open(folder.path()).unwrap();
        let missing: BTreeSet<usize> = answered
            .into_iter()
            .filter(|number| {
                let id = format!("resp_{number}");
                let found = tokio().block_on(store.response(&id)).unwrap();
                found.is_none_or(|found| found.response != json!({ "id": id }))
            })
            .collect();
        assert!(missing.is_empty(), "{missing:?} of the responses that were answered are gone");
        drop(store);
        for beside in ["-wal", "-shm"] {
            fs::remove_file(folder.path().join(format!("{DATABASE}{beside}"))).ok();
        }
    }
}

#[test]
fn parameters_are_whole_after_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    for after in [1, 2, 5, 20, 60] {
        let answered = killed(folder.path(), "params", after);
        let store = SqliteStore::open(folder.path()).unwrap();
        let params = store.params_at_start()[&Some("m".to_owned())];
        let last = *answered.last().unwrap();
        // The one behind it may have been written, and not have been answered.
        assert!([Some(last), Some(last + 1)].contains(&params.max_tokens), "{params:?} after {last}");
    }
}

#[test]
fn one_process_uses_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, _lines) = spawn(folder.path(), "");
    for reason in [unusable(SqliteStore::open(folder.path())), unusable(SqliteStore::examine(folder.path()))]
    {
        assert!(reason.contains("used by another server") && reason.contains("--data-dir"), "{reason}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // In one process as well.
    let store = SqliteStore::open(folder.path()).unwrap();
    assert!(unusable(SqliteStore::open(folder.path())).contains("used by another server"));
    drop(store);
    drop(SqliteStore::open(folder.path()).unwrap());
}

#[test]
fn a_damaged_file_is_told_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE);
    let store = SqliteStore::open(folder.path()).unwrap();
    tokio().block_on(async {
        for number in 0..50 {
            store.put_response(response(&format!("resp_{number}"))).await.unwrap();
        }
    });
    drop(store);
    let whole = fs::read(&path).unwrap();

    // Its head.
    let mut damaged = whole.clone();
    damaged[..64].fill(b'x');
    fs::write(&path, &damaged).unwrap();
    let reason = unusable(SqliteStore::open(folder.path()));
    assert!(reason.contains("is damaged; restore it from a backup"), "{reason}");
    let examined = unusable(SqliteStore::examine(folder.path()));
    assert!(examined.contains("is damaged; restore it from a backup"), "{examined}");
    assert_eq!(fs::read(&path).unwrap(), damaged);

    // Everything behind its first page: seen at the first use.
    let mut damaged = whole.clone();
    damaged[4096..].fill(b'x');
    fs::write(&path, &damaged).unwrap();
    let examined = unusable(SqliteStore::examine(folder.path()));
    assert!(examined.contains("is damaged"), "{examined}");
    let outcome = SqliteStore::open(folder.path())
        .and_then(|store| tokio().block_on(store.response("resp_7")).map(|_| ()));
    let reason = unusable(outcome);
    assert!(reason.contains("is damaged"), "{reason}");

    // The copy is as good as it was.
    fs::write(&path, &whole).unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    assert!(tokio().block_on(store.response("resp_7")).unwrap().is_some());
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_told() {
    // Nobody makes files there, not even root.
    for folder in ["/proc/self", "/proc/tabagent-test"] {
        let reason = unusable(SqliteStore::open(Path::new(folder)));
        assert!(reason.contains(folder) && reason.contains("--data-dir"), "{reason}");
        let reason = unusable(SqliteStore::examine(Path::new(folder)));
        assert!(reason.contains("/proc") && reason.contains("--data-dir"), "{reason}");
    }
}

#[test]
fn looking_at_a_folder_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(SqliteStore::examine(folder.path()).unwrap(), None);
    assert_eq!(SqliteStore::examine(&folder.path().join("not/yet/there")).unwrap(), None);
    assert!(names(folder.path()).is_empty());

    drop(SqliteStore::open(folder.path()).unwrap());
    let before = (names(folder.path()), fs::read(folder.path().join(DATABASE)).unwrap());
    assert_eq!(SqliteStore::examine(folder.path()).unwrap(), Some(before.1.len() as u64));
    assert_eq!((names(folder.path()), fs::read(folder.path().join(DATABASE)).unwrap()), before);

    // What a killed server left is whole, and still there for the next one.
    let answered = killed(folder.path(), "responses", 5);
    assert!(SqliteStore::examine(folder.path()).unwrap().is_some());
    let store = SqliteStore::open(folder.path()).unwrap();
    for number in answered {
        assert!(tokio().block_on(store.response(&format!("resp_{number}"))).unwrap().is_some(), "{number}");
    }
    drop(store);

    // A folder where the file should be, and a file where the folder should be.
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join(DATABASE)).unwrap();
    let reason = unusable(SqliteStore::examine(other.path()));
    assert!(reason.contains(DATABASE) && reason.contains("--data-dir"), "{reason}");
    assert!(unusable(SqliteStore::examine(&folder.path().join(DATABASE))).contains("is not a folder"));
}

#[cfg(unix)]
#[test]
fn conversations_are_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    tokio().block_on(store.put_response(response("resp_1"))).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}
