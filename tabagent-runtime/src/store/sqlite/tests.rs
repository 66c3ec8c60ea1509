//! What SQLite does at its bounds: old responses, a full disk, a full queue, files of others. What every store does is in
//! `tests/store_contract.rs`.

use std::{
    sync::mpsc::channel,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::Connection;
use serde_json::json;

use super::*;
use crate::{
    error::BackendError,
    store::{Page, Retention, SessionStore},
};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn response(id: &str, created: u64) -> StoredResponse {
    StoredResponse {
        id: id.to_owned(),
        created,
        previous: None,
        input: json!([{ "text": "Grüße" }]),
        response: json!({ "id": id, "output": [] }),
    }
}

/// The reason of a setting that cannot be used.
fn unusable<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    match outcome {
        Err(BackendError::ConfigurationError { setting, reason }) if setting == "data-dir" => reason,
        other => panic!("not a mistake of the folder: {other:?}"),
    }
}

/// Puts responses under a retention; the ids that are left.
async fn left(retention: Retention, responses: Vec<StoredResponse>) -> Vec<String> {
    let store = SqliteStore::in_memory().unwrap();
    store
        .worker
        .call("test", move |connection| {
            for response in &responses {
                queries::put_response(connection, response, retention)?;
            }
            let mut statement = connection.prepare("SELECT id FROM responses ORDER BY created")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn old_responses_are_dropped_and_the_newest_never() {
    let now = now();
    let three = || vec![response("a", now - 100), response("b", now - 50), response("c", now)];
    assert_eq!(left(RETENTION, three()).await, ["a", "b", "c"]);
    assert_eq!(left(Retention { age: Duration::from_secs(70), ..RETENTION }, three()).await, ["b", "c"]);
    assert_eq!(left(Retention { count: 1, ..RETENTION }, three()).await, ["c"]);
    assert_eq!(left(Retention { bytes: 1, ..RETENTION }, three()).await, ["c"]);
}

#[tokio::test]
async fn nothing_of_a_deleted_response_stays_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let secret = "a secret that was told";
    let told = StoredResponse { input: json!(secret.repeat(1000)), ..response("told", now()) };
    store.put_response(response("other", now())).await.unwrap();
    store.put_response(told).await.unwrap();
    let is_somewhere = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default())
            .any(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    assert!(is_somewhere());
    assert!(store.delete_response("told").await.unwrap());
    assert!(!is_somewhere());
    assert!(store.response("other").await.unwrap().is_some());
}

#[tokio::test]
async fn what_another_program_reads_is_deleted_once_it_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.put_response(response("told", now())).await.unwrap();
    let reader = Connection::open(folder.path().join(DATABASE)).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM responses").unwrap();
    let mut read = reader.prepare("SELECT id FROM responses").unwrap();
    assert!(read.exists([]).unwrap());
    drop(read);
    assert!(store.delete_response("told").await.unwrap());
    assert!(store.worker.fold_due.load(Relaxed), "it could not be folded");
    reader.execute_batch("COMMIT").unwrap();
    // The next writes fold it as well.
    assert!(!store.delete_response("told").await.unwrap());
    assert!(!store.delete_response("told").await.unwrap());
    assert!(!store.worker.fold_due.load(Relaxed));
}

#[tokio::test]
async fn a_call_that_panics_ends_alone() {
    let store = SqliteStore::in_memory().unwrap();
    let outcome: Result<()> = store.worker.call("test", |_| panic!("told to")).await;
    assert!(matches!(outcome, Err(BackendError::InternalError { .. })), "{outcome:?}");
    store.put_response(response("a", now())).await.unwrap();
    assert!(store.response("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_there_was_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.put_response(response("before", now())).await.unwrap();
    // SQLite's own bound of the file ends in the same error as a disk without room.
    let pages = |count: i64| {
        move |connection: &mut Connection| {
            connection.pragma_update_and_check(None, "max_page_count", count, |_| Ok(()))
        }
    };
    store.worker.call("test", pages(1)).await.unwrap();
    let large = StoredResponse { input: json!("x".repeat(1 << 20)), ..response("large", now()) };
    let reason = unusable(store.put_response(large.clone()).await);
    assert!(reason.contains(DATABASE) && reason.contains("the disk is full"), "{reason}");
    assert_eq!(store.response("large").await.unwrap(), None);
    assert!(store.response("before").await.unwrap().is_some());
    store.worker.call("test", pages(1_000_000)).await.unwrap();
    store.put_response(large.clone()).await.unwrap();
    assert_eq!(store.response("large").await.unwrap(), Some(large));
}

#[tokio::test]
async fn a_full_queue_is_told_and_calls_without_a_caller_are_not_done() {
    let store = SqliteStore::in_memory().unwrap();
    let (go, wait) = channel::<()>();
    let (begun, begins) = channel();
    let slow = store.worker.call("test", move |_| {
        begun.send(()).unwrap();
        wait.recv().ok();
        Ok(())
    });
    let mut slow = Box::pin(slow);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(slow.as_mut().poll(&mut context).is_pending());
    begins.recv().unwrap();
    // One that is dropped before its turn, and as many as there is room for.
    let mut left = Box::pin(store.put_response(response("left", now())));
    assert!(left.as_mut().poll(&mut context).is_pending());
    drop(left);
    let mut waiting = Vec::new();
    let refused = loop {
        let mut next = store.response("nobody");
        match next.as_mut().poll(&mut context) {
            std::task::Poll::Pending => waiting.push(next),
            std::task::Poll::Ready(outcome) => break outcome,
        }
    };
    assert!(
        matches!(refused, Err(BackendError::ResourceLimitExceeded { limit, .. }) if limit == waiting.len() as u64 + 1),
        "{refused:?} after {}",
        waiting.len()
    );
    go.send(()).unwrap();
    slow.await.unwrap();
    for call in waiting {
        assert_eq!(call.await.unwrap(), None);
    }
    assert_eq!(store.response("left").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_read_of_a_file_does_not_wait_for_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.put_response(response("told", now())).await.unwrap();
    let (go, wait) = channel::<()>();
    let mut slow = Box::pin(store.worker.call("test", move |_| {
        wait.recv().ok();
        Ok(())
    }));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(slow.as_mut().poll(&mut context).is_pending());
    assert!(store.response("told").await.unwrap().is_some());
    assert_eq!(store.response_chain("told").await.unwrap().len(), 1);
    assert_eq!(store.usage().await.unwrap().responses, 1);
    assert_eq!(store.session_tail("nobody", None).await.unwrap(), None);
    assert_eq!(store.session("nobody").await.unwrap(), None);
    let page = Page { after: None, limit: 1, newest_first: true };
    assert!(store.sessions(page.clone()).await.unwrap().data.is_empty());
    assert!(store.history("nobody", page).await.is_err());
    go.send(()).unwrap();
    slow.await.unwrap();
}

#[test]
fn files_of_others_and_of_newer_versions_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE theirs (id); PRAGMA user_version = 1").unwrap();
    drop(other);
    let written = std::fs::read(&path).unwrap();
    let reason = unusable(SqliteStore::open(folder.path()));
    assert!(reason.contains("of another program"), "{reason}");
    assert!(std::fs::read(&path).unwrap() == written, "not a byte of it is changed");

    std::fs::remove_file(&path).unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let reason = unusable(SqliteStore::open(folder.path()));
    assert!(reason.contains("newer version"), "{reason}");
}
