//! Documents in SQLite: tables that agree, a full disk, a damaged index of words, files of older forms, and what stays in them
//! of deleted ones. What every store does with documents is in `tests/store_contract/documents.rs`.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::{
    documents::{Block, BlockKind},
    error::BackendError,
    store::ResponseStore,
};

fn document(id: &str, text: &str) -> NewDocument {
    NewDocument {
        id: id.to_owned(),
        sha256: format!("sum of {text}"),
        title: None,
        source: Some(format!("{id}.txt")),
        media_type: "text/plain".to_owned(),
        metadata: serde_json::Map::new(),
        bytes: text.len() as u64,
        pages: None,
        text: text.to_owned(),
        blocks: vec![Block { kind: BlockKind::Paragraph, start: 0, end: text.len(), page: None }],
        chosen: true,
    }
}

/// A chunk for each line.
fn chunks(text: &str) -> Vec<NewChunk> {
    let mut start = 0;
    text.lines()
        .map(|line| {
            let chunk = NewChunk {
                text: line.to_owned(),
                headings: vec!["Heading".to_owned()],
                start,
                end: start + line.len(),
                page: None,
                tokens: 3,
                vector: vec![1.0, -2.5],
            };
            start = chunk.end + 1;
            chunk
        })
        .collect()
}

async fn index(store: &SqliteStore) -> i64 {
    store.begin_index("model", "print", 2, false).await.unwrap().number
}

async fn put(store: &SqliteStore, id: &str, text: &str, metadata: Value) -> PutDocument {
    let index = index(store).await;
    let metadata = metadata.as_object().unwrap().clone();
    let document = NewDocument { metadata, ..document(id, text) };
    store.put_document(document, index, chunks(text)).await.unwrap().unwrap()
}

/// Documents, chunks, vectors and words, once the index of words was held against the chunks.
async fn counts(store: &SqliteStore) -> [i64; 4] {
    store
        .worker
        .call("test", |connection| {
            connection
                .execute("INSERT INTO chunks_fts (chunks_fts, rank) VALUES ('integrity-check', 1)", [])?;
            let count = |what: &str| {
                connection.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0))
            };
            Ok([count("documents")?, count("chunks")?, count("vectors")?, count("chunk_words")?])
        })
        .await
        .unwrap()
}

async fn found(store: &SqliteStore, words: &str, filter: Value) -> Vec<String> {
    let index = index(store).await;
    let filter = Filter::read("filters", filter.as_object().unwrap()).unwrap();
    let hits = store.keywords(index, words, filter, 10).await.unwrap();
    let mut chunks = store.chunks(hits.iter().map(|(chunk, _)| *chunk).collect()).await.unwrap();
    chunks.sort_by_key(|chunk| hits.iter().position(|(number, _)| *number == chunk.number));
    chunks.into_iter().map(|chunk| chunk.text).collect()
}

#[tokio::test]
async fn what_goes_leaves_the_tables_and_the_index_of_words() {
    let store = SqliteStore::in_memory().unwrap();
    // Scripts and names that come apart differently for the index than they stand in the text.
    let text = "\u{6771}\u{4eac}\u{90fd}\u{306b}\u{4f4f}\u{3080}\na ReentrantLock";
    put(&store, "a", text, json!({ "tags": ["x"] })).await;
    put(&store, "a", "three", json!({ "tags": ["y"] })).await;
    assert_eq!(counts(&store).await, [1, 1, 1, 2], "replaced: `three`, and its heading");
    put(&store, "b", text, json!({})).await;
    let second = store.begin_index("other", "print", 2, false).await.unwrap();
    for id in ["a", "b"] {
        let DocumentText { document, sha256, text, .. } = store.document_text(id).await.unwrap().unwrap();
        store.put_chunks(document, &sha256, second.number, chunks(&text)).await.unwrap().unwrap();
    }
    assert_eq!(counts(&store).await[..3], [2, 6, 6]);
    assert!(store.serve_index(second.number).await.unwrap());
    while store.drop_left().await.unwrap() {}
    assert_eq!(counts(&store).await[..3], [2, 3, 3]);
    for id in ["a", "b"] {
        store.delete_document(id).await.unwrap().unwrap();
    }
    assert_eq!(counts(&store).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn a_file_of_the_first_form_of_documents_is_brought_to_the_present_one() {
    let folder = tempfile::tempdir().unwrap();
    let before = Connection::open(folder.path().join(super::super::open::DATABASE)).unwrap();
    for step in &super::super::open::STEPS[..4] {
        before.execute_batch(step).unwrap();
    }
    before
        .execute_batch(
            "PRAGMA user_version = 4;
             INSERT INTO documents (id, sha256, media_type, metadata, bytes, created, updated, text, blocks)
             VALUES ('a', '0', 'text/plain', '{\"tags\":[\"x\",\"x\",2],\"by\":{\"name\":\"Ada\"}}', 1, 1, 1, 'opens', '[]');
             INSERT INTO vector_indexes (model, fingerprint, dimensions, state) VALUES ('model', 'print', 2, 'serving');
             INSERT INTO chunks (vector_index, document, position, text, headings, start, end, tokens)
             VALUES (1, 1, 0, 'opens', '', 0, 5, 1);
             INSERT INTO vectors VALUES (1, zeroblob(8));",
        )
        .unwrap();
    before.pragma_update(None, "application_id", super::super::open::APPLICATION).unwrap();
    drop(before);
    let store = SqliteStore::open(folder.path()).unwrap();
    for filter in
        [json!({}), json!({ "tags": ["x", 2] }), json!({ "by.name": "Ada" }), json!({ "none": null })]
    {
        assert_eq!(found(&store, "opening", filter.clone()).await, ["opens"], "{filter}");
    }
    let changes = DocumentChanges { source: None, metadata: json!({ "tags": "y" }).as_object().cloned() };
    store.change_document("a", changes).await.unwrap().unwrap();
    assert_eq!(found(&store, "opening", json!({ "tags": "x" })).await, [""; 0]);
    assert_eq!(found(&store, "opening", json!({ "tags": "y" })).await, ["opens"]);
    store.delete_document("a").await.unwrap().unwrap();
    let sql = "SELECT count(*) FROM document_values";
    let rows =
        store.worker.call("test", |connection| connection.query_row(sql, [], |row| row.get::<_, i64>(0)));
    assert_eq!(rows.await.unwrap(), 0);
}

#[tokio::test]
async fn a_document_for_which_there_is_no_room_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    put(&store, "before", "one", json!({})).await;
    let index = index(&store).await;
    let pages = |count: i64| {
        move |connection: &mut Connection| {
            connection.pragma_update_and_check(None, "max_page_count", count, |_| Ok(()))
        }
    };
    store.worker.call("test", pages(1)).await.unwrap();
    let large = "a long line of words\n".repeat(20_000);
    let refused = store.put_document(document("large", &large), index, chunks(&large)).await;
    assert!(
        matches!(&refused, Err(BackendError::ConfigurationError { reason, .. }) if reason.contains("the disk is full")),
        "{refused:?}"
    );
    assert_eq!(counts(&store).await[..3], [1, 1, 1]);
    store.worker.call("test", pages(1_000_000)).await.unwrap();
    store.put_document(document("large", &large), index, chunks(&large)).await.unwrap().unwrap();
    assert_eq!(counts(&store).await[..3], [2, 20_001, 20_001]);
    // What reads beside the one that writes sees it.
    assert_eq!(store.document("large").await.unwrap().unwrap().chunks, 20_000);
}

#[tokio::test]
async fn a_damaged_index_of_words_is_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for id in ["a", "b"] {
        put(&store, id, &format!("text of {id}"), json!({})).await;
    }
    let damage = async || {
        // All but its head: what FTS5 looks for is not there.
        let sql = "DELETE FROM chunks_fts_data WHERE id > 10";
        assert!(store.worker.call("test", move |connection| connection.execute(sql, [])).await.unwrap() > 0);
    };
    damage().await;
    assert_eq!(found(&store, "text a", json!({})).await, ["text of a", "text of b"]);
    damage().await;
    assert!(store.delete_document("a").await.unwrap().is_some());
    assert_eq!(found(&store, "text", json!({})).await, ["text of b"]);
    assert_eq!(counts(&store).await[..3], [1, 1, 1]);
}

#[tokio::test]
async fn nothing_of_a_deleted_document_stays_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    put(&store, "other", "harmless words", json!({})).await;
    let secret = "xylophonesecret";
    put(&store, "told", &format!("{secret} was told"), json!({ "more": secret })).await;
    let is_somewhere = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default())
            .any(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    assert!(is_somewhere());
    store.delete_document("told").await.unwrap().unwrap();
    // The next call folds the log.
    store.document("told").await.unwrap();
    store.delete_response("nobody").await.unwrap();
    assert!(!is_somewhere());
    assert_eq!(found(&store, "harmless", json!({})).await, ["harmless words"]);
}
