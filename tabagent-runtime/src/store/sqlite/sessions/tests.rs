//! Sessions in files of SQLite: a full disk, what stays of deleted ones, a file of an older form. What every store does with
//! sessions is in `tests/store_contract/sessions.rs`.

use serde_json::json;

use super::super::open::{APPLICATION, STEPS};
use super::*;
use crate::store::{DATABASE, ParamsStore};

fn message(id: &str, role: &str, text: &str) -> NewMessage {
    let content = json!({ "role": role, "content": text });
    NewMessage {
        id: id.to_owned(),
        body: MessageBody { role: role.to_owned(), content, metadata: json!({}) },
    }
}

fn append(session: &str, messages: Vec<NewMessage>) -> Append {
    Append::of(session, messages)
}

/// Messages of these roles, numbered as their ids are.
async fn filled(store: &SqliteStore, session: &str, roles: &[&str]) {
    let messages =
        roles.iter().enumerate().map(|(at, role)| message(&at.to_string(), role, &format!("text {at}")));
    store.append_messages(append(session, messages.collect())).await.unwrap();
}

/// The ids of all messages of a session.
async fn ids(store: &SqliteStore, session: &str) -> Vec<String> {
    let page = Page { after: None, limit: 9, newest_first: false };
    store.history(session, page).await.unwrap().data.into_iter().map(|message| message.id).collect()
}

#[tokio::test]
async fn nothing_of_a_deleted_session_stays_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let secret = "a secret that was told";
    filled(&store, "other", &["user"]).await;
    store.append_messages(append("s", vec![message("a", "user", &secret.repeat(1000))])).await.unwrap();
    let is_somewhere = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default())
            .any(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    assert!(is_somewhere());
    assert!(store.delete_session("s").await.unwrap());
    assert!(!is_somewhere());
    assert!(store.session("other").await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_keeps_no_half_of_a_turn() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    filled(&store, "s", &["user", "assistant"]).await;
    // SQLite's own bound of the file ends in the same error as a disk without room.
    let pages = |count: i64| {
        move |connection: &mut Connection| {
            connection.pragma_update_and_check(None, "max_page_count", count, |_| Ok(()))
        }
    };
    store.worker.call("test", pages(1)).await.unwrap();
    let turn =
        || append("s", vec![message("q", "user", "short"), message("a", "assistant", &"x".repeat(1 << 20))]);
    match store.append_messages(turn()).await {
        Err(BackendError::ConfigurationError { setting, reason }) => {
            assert_eq!(setting, "data-dir");
            assert!(reason.contains(DATABASE) && reason.contains("the disk is full"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ids(&store, "s").await, ["0", "1"]);
    assert_eq!(store.session("s").await.unwrap().unwrap().messages, 2);
    store.worker.call("test", pages(1_000_000)).await.unwrap();
    store.append_messages(turn()).await.unwrap();
    assert_eq!(ids(&store, "s").await, ["0", "1", "q", "a"]);
}

#[tokio::test]
async fn a_file_without_sessions_gets_them() {
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(folder.path().join(DATABASE)).unwrap();
    for step in &STEPS[..2] {
        old.execute_batch(step).unwrap();
    }
    old.execute_batch("INSERT INTO params (model, value) VALUES ('m', '{\"max_tokens\": 7}')").unwrap();
    old.pragma_update(None, "application_id", APPLICATION).unwrap();
    old.pragma_update(None, "user_version", 2).unwrap();
    drop(old);
    assert!(SqliteStore::examine(folder.path()).unwrap().is_some());
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(store.params_at_start()[&Some("m".to_owned())].max_tokens, Some(7));
    filled(&store, "s", &["user"]).await;
    assert_eq!(store.session("s").await.unwrap().unwrap().messages, 1);
}
