//! Documents in SQLite: whole or not at all, in every index, found by words and by what is said of them.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::{
    documents::{Block, BlockKind},
    error::BackendError,
    store::{IndexState, PutOutcome, ResponseStore},
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
async fn a_document_is_kept_once_replaced_whole_and_deleted_with_all_that_is_of_it() {
    let store = SqliteStore::in_memory().unwrap();
    let first = put(&store, "a", "one\ntwo", json!({ "n": 1 })).await;
    assert_eq!((first.outcome, first.chunks.len(), first.document.chunks), (PutOutcome::Created, 2, 2));
    let again = put(&store, "a", "one\ntwo", json!({ "n": 2 })).await;
    assert_eq!((again.outcome, again.document), (PutOutcome::Unchanged, first.document.clone()));
    // The same content under no chosen id is the document that there is.
    let index = index(&store).await;
    let other = NewDocument { chosen: false, ..document("b", "one\ntwo") };
    let same = store.put_document(other, index, chunks("one\ntwo")).await.unwrap().unwrap();
    assert_eq!((same.outcome, same.document.id.as_str()), (PutOutcome::Unchanged, "a"));
    let replaced = put(&store, "a", "three", json!({})).await;
    assert_eq!((replaced.outcome, replaced.document.chunks), (PutOutcome::Replaced, 1));
    assert!(replaced.document.number > first.document.number, "numbers are never given twice");
    assert_eq!(counts(&store).await, [1, 1, 1, 2]);
    assert_eq!(found(&store, "one two", json!({})).await, Vec::<String>::new());
    assert_eq!(store.vectors(index, 0, 10).await.unwrap()[0].vector, [1.0, -2.5]);
    assert_eq!(store.delete_document("a").await.unwrap(), Some(replaced.document.number));
    assert_eq!(store.delete_document("a").await.unwrap(), None);
    assert_eq!(counts(&store).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn the_text_of_a_query_is_words_and_never_syntax() {
    let store = SqliteStore::in_memory().unwrap();
    put(&store, "a", "the caf\u{e9} opens\nthe NEAR star\nthe rest", json!({})).await;
    for (query, expected) in [
        ("CAFE", vec!["the caf\u{e9} opens"]),
        ("cafe\u{301}", vec!["the caf\u{e9} opens"]),
        ("o\u{301}pe\u{301}ns", vec!["the caf\u{e9} opens"]),
        ("\"near\" AND (", vec!["the NEAR star"]),
        ("NEAR(a star, 2) - text:x *", vec!["the NEAR star"]),
        ("';-- \u{0} \"\"", vec![]),
        ("", vec![]),
        ("heading", vec!["the caf\u{e9} opens", "the NEAR star", "the rest"]),
        ("the", vec!["the caf\u{e9} opens", "the NEAR star", "the rest"]),
    ] {
        let mut found = found(&store, query, json!({})).await;
        found.sort_by_key(|text| expected.iter().position(|expected| expected == text));
        assert_eq!(found, expected, "{query:?}");
    }
    // Words that most chunks have decide nothing, and find what has no others.
    let ranked = found(&store, "heading star", json!({})).await;
    assert_eq!((ranked.len(), ranked[0].as_str()), (3, "the NEAR star"));
    assert_eq!(found(&store, "Which was the star?", json!({})).await, ["the NEAR star"]);
    // Words are found in their other forms.
    assert_eq!(found(&store, "opening", json!({})).await, ["the caf\u{e9} opens"]);
    assert_eq!(found(&store, "stars", json!({})).await, ["the NEAR star"]);
    let long = "star ".repeat(100_000);
    assert_eq!(found(&store, &long, json!({})).await, ["the NEAR star"]);
}

#[tokio::test]
async fn scripts_without_spaces_are_found_by_what_stands_in_them() {
    let store = SqliteStore::in_memory().unwrap();
    let lines = ["\u{6771}\u{4eac}\u{90fd}\u{306b}\u{4f4f}\u{3080}", "\u{4eac}\u{90fd}\u{306e}\u{732b}"];
    put(&store, "a", &lines.join("\n"), json!({})).await;
    for (query, expected) in [
        // A word in the middle, one of one character, at the end, and one that both have.
        ("\u{6771}\u{4eac}", vec![lines[0]]),
        ("\u{4f4f}", vec![lines[0]]),
        ("\u{732b}", vec![lines[1]]),
        ("\u{4eac}\u{90fd}\u{306e}\u{732b}", vec![lines[1], lines[0]]),
        // Characters that stand in both, but not side by side.
        ("\u{6771}\u{732b}", vec![]),
    ] {
        assert_eq!(found(&store, query, json!({})).await, expected, "{query}");
    }
    assert_eq!(store.delete_document("a").await.unwrap(), Some(1));
    assert_eq!(counts(&store).await, [0, 0, 0, 0], "all of it left the index");
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
async fn filters_hold_by_type_and_within_the_search() {
    let store = SqliteStore::in_memory().unwrap();
    let metadata = [
        ("a", json!({ "year": 2020, "tags": ["x", "y"], "draft": true, "by": { "name": "Ada" } })),
        ("b", json!({ "year": 2024.5, "tags": "x", "draft": false, "date": "2024-03-01", "source": "mine" })),
        ("c", json!({ "year": "2024", "draft": 1, "nothing": null, "a'c": "%" })),
    ];
    for (id, metadata) in metadata {
        put(&store, id, &format!("text of {id}"), metadata).await;
    }
    for (filter, expected) in [
        (json!({}), "abc"),
        (json!({ "year": 2020 }), "a"),
        (json!({ "year": { "gt": 2020 } }), "b"),
        (json!({ "year": { "gte": 2020, "lt": 2024.5 } }), "a"),
        (json!({ "year": "2024" }), "c"),
        (json!({ "year": [2020, "2024"] }), "ac"),
        (json!({ "tags": "x" }), "ab"),
        (json!({ "tags": { "ne": "y" } }), "bc"),
        (json!({ "draft": true }), "a"),
        (json!({ "draft": 1 }), "c"),
        (json!({ "draft": { "in": [false, 1] } }), "bc"),
        (json!({ "by.name": "Ada" }), "a"),
        (json!({ "by": "Ada" }), ""),
        (json!({ "date": { "$gte": "2024-01-01" } }), "b"),
        (json!({ "date": null }), "ac"),
        (json!({ "nothing": { "ne": null } }), ""),
        (json!({ "source": "b.txt" }), "b"),
        (json!({ "metadata.source": "mine" }), "b"),
        (json!({ "document_id": ["a", "c", "x"] }), "ac"),
        (json!({ "media_type": "text/plain", "title": null }), "abc"),
        (json!({ "created": { "gt": 1_700_000_000 } }), "abc"),
        (json!({ "a'c": "%" }), "c"),
        (json!({ "') OR 1 --": 1 }), ""),
        (json!({ "a\"b\\": { "ne": 1 } }), "abc"),
        (json!({ "by": { "ne": null } }), "a"),
        (json!({ "by.name": { "ne": "Ada" }, "draft": [true, false, 1, null] }), "bc"),
        (json!({ "tags": { "gte": "x" } }), "ab"),
        (json!({ "year": (0..1000).map(|year| year + 1900).collect::<Vec<_>>() }), "a"),
        (json!({ "title": ["x", null], "date": [null, "2024-03-01"], "draft": { "ne": 1 } }), "ab"),
    ] {
        let expected: Vec<String> = expected.chars().map(|id| format!("text of {id}")).collect();
        let mut texts = found(&store, "text", filter.clone()).await;
        texts.sort();
        assert_eq!(texts, expected, "{filter}");
        let read = Filter::read("filters", filter.as_object().unwrap()).unwrap();
        let query = DocumentQuery { limit: 10, filter: read.clone(), after: None };
        assert_eq!(store.documents(query).await.unwrap().unwrap().len(), expected.len(), "{filter}");
        assert_eq!(store.passing(read).await.unwrap().len(), expected.len(), "{filter}");
    }
}

#[tokio::test]
async fn documents_are_listed_a_page_at_a_time() {
    let store = SqliteStore::in_memory().unwrap();
    for id in ["a", "b", "c"] {
        put(&store, id, id, json!({})).await;
    }
    let page = |after: Option<&str>| DocumentQuery {
        after: after.map(str::to_owned),
        limit: 2,
        filter: Filter::default(),
    };
    let ids = |list: Option<Vec<StoredDocument>>| {
        list.map(|list| list.into_iter().map(|document| document.id).collect::<Vec<_>>())
    };
    assert_eq!(ids(store.documents(page(None)).await.unwrap()).unwrap(), ["c", "b"]);
    assert_eq!(ids(store.documents(page(Some("b"))).await.unwrap()).unwrap(), ["a"]);
    assert_eq!(ids(store.documents(page(Some("x"))).await.unwrap()), None);
}

#[tokio::test]
async fn an_index_serves_once_every_document_is_in_it_and_the_one_before_goes() {
    let store = SqliteStore::in_memory().unwrap();
    put(&store, "a", "one\ntwo", json!({})).await;
    let first = index(&store).await;
    let second = store.begin_index("other", "print", 2, false).await.unwrap();
    assert_eq!(second.state, IndexState::Building);
    assert_eq!(store.begin_index("other", "print", 2, false).await.unwrap(), second, "it goes on");
    assert!(!store.serve_index(second.number).await.unwrap());
    assert_eq!(store.not_indexed(second.number, 10).await.unwrap(), ["a"]);
    let text = store.document_text("a").await.unwrap().unwrap();
    // Of a content that is there no more.
    assert_eq!(store.put_chunks(text.document, "another", second.number, chunks("x")).await.unwrap(), None);
    let sum = text.sha256.as_str();
    let put_again = store.put_chunks(text.document, sum, second.number, chunks("one\ntwo")).await.unwrap();
    assert_eq!(put_again.unwrap().len(), 2);
    let progress = store.index_progress(second.number).await.unwrap();
    assert_eq!((progress.indexed, progress.documents), (1, 1));
    // A document that comes meanwhile comes into the index that serves, and is missing in the other one.
    let b = store.put_document(document("b", "three"), first, chunks("three")).await.unwrap().unwrap();
    assert!(!store.serve_index(second.number).await.unwrap());
    let sum = b.document.sha256.as_str();
    store.put_chunks(b.document.number, sum, second.number, chunks("three")).await.unwrap().unwrap();
    assert!(store.serve_index(second.number).await.unwrap());
    let left = |indexes: Vec<StoredIndex>| {
        indexes.into_iter().map(|index| (index.number, index.state)).collect::<Vec<_>>()
    };
    let states = left(store.indexes().await.unwrap());
    assert_eq!(states, [(first, IndexState::Left), (second.number, IndexState::Serving)]);
    // Nothing comes into an index that was left.
    assert_eq!(store.put_document(document("c", "four"), first, chunks("four")).await.unwrap(), None);
    while store.drop_left().await.unwrap() {}
    assert_eq!(left(store.indexes().await.unwrap()), [(second.number, IndexState::Serving)]);
    assert_eq!(counts(&store).await[..3], [2, 3, 3]);
    // Built anew, of the same model.
    let third = store.begin_index("other", "print", 2, true).await.unwrap();
    assert!(third.number > second.number && third.state == IndexState::Building);
    store.leave_index(third.number).await.unwrap();
    while store.drop_left().await.unwrap() {}
    assert_eq!(counts(&store).await[..3], [2, 3, 3]);
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
