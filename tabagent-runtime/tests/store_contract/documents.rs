//! Documents: whole or not at all, in every index, found by words and by what is said of them.

use serde_json::{Value, json};
use tabagent_runtime::{
    documents::{Block, BlockKind, Filter},
    store::{
        DocumentChanges, DocumentQuery, IndexState, NewChunk, NewDocument, PutDocument, PutOutcome, Store,
        StoredChunk, StoredDocument, StoredIndex, StoredVector,
    },
};

on_every_store![
    a_document_is_kept_once_replaced_whole_and_deleted_with_all_that_is_of_it,
    the_text_of_a_query_is_words_and_never_syntax,
    scripts_without_spaces_are_found_by_what_stands_in_them,
    names_are_found_whole_and_by_their_parts,
    filters_hold_by_type_and_within_the_search,
    documents_are_listed_a_page_at_a_time,
    what_is_said_of_a_document_is_changed_beside_its_content,
    a_document_and_its_chunks_are_read_as_they_came,
    an_index_serves_once_every_document_is_in_it_and_the_one_before_goes,
];

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

async fn index(store: &dyn Store) -> i64 {
    store.begin_index("model", "print", 2, false).await.unwrap().number
}

async fn put(store: &dyn Store, id: &str, text: &str, metadata: Value) -> PutDocument {
    let index = index(store).await;
    let metadata = metadata.as_object().unwrap().clone();
    let document = NewDocument { metadata, ..document(id, text) };
    store.put_document(document, index, chunks(text)).await.unwrap().unwrap()
}

/// Documents, chunks of the index that serves, and vectors of an index.
async fn held(store: &dyn Store, index: i64) -> [u64; 3] {
    let usage = store.usage().await.unwrap();
    let vectors = store.vectors(index, 0, 1000).await.unwrap();
    [usage.documents, usage.chunks, vectors.len() as u64]
}

/// Texts of all chunks of a document in the index that serves.
async fn texts(store: &dyn Store, id: &str) -> Vec<String> {
    store.document_chunks(id, 0, 1000).await.unwrap().into_iter().map(|chunk| chunk.text).collect()
}

/// Texts of the chunks that a search for words finds, the best first.
async fn found(store: &dyn Store, words: &str, filter: Value) -> Vec<String> {
    let index = index(store).await;
    let filter = Filter::read("filters", filter.as_object().unwrap()).unwrap();
    let hits = store.keywords(index, words, filter, 10).await.unwrap();
    let mut chunks = store.chunks(hits.iter().map(|(chunk, _)| *chunk).collect()).await.unwrap();
    chunks.sort_by_key(|chunk| hits.iter().position(|(number, _)| *number == chunk.number));
    chunks.into_iter().map(|chunk| chunk.text).collect()
}

async fn a_document_is_kept_once_replaced_whole_and_deleted_with_all_that_is_of_it(store: &dyn Store) {
    let first = put(store, "a", "one\ntwo", json!({ "n": 1 })).await;
    assert_eq!((first.outcome, first.chunks.len(), first.document.chunks), (PutOutcome::Created, 2, 2));
    let again = put(store, "a", "one\ntwo", json!({ "n": 2 })).await;
    assert_eq!((again.outcome, again.document), (PutOutcome::Unchanged, first.document.clone()));
    // The same content under no chosen id is the document that there is.
    let index = index(store).await;
    let other = NewDocument { chosen: false, ..document("b", "one\ntwo") };
    let same = store.put_document(other, index, chunks("one\ntwo")).await.unwrap().unwrap();
    assert_eq!((same.outcome, same.document.id.as_str()), (PutOutcome::Unchanged, "a"));
    let replaced = put(store, "a", "three", json!({})).await;
    assert_eq!((replaced.outcome, replaced.document.chunks), (PutOutcome::Replaced, 1));
    assert!(replaced.document.number > first.document.number, "numbers are never given twice");
    assert_eq!(held(store, index).await, [1, 1, 1]);
    assert_eq!(found(store, "one two", json!({})).await, [""; 0]);
    assert_eq!(found(store, "three", json!({})).await, ["three"]);
    assert_eq!(texts(store, "a").await, ["three"]);
    assert_eq!(store.chunks(first.chunks).await.unwrap(), [], "they are gone");
    let vector = StoredVector {
        chunk: replaced.chunks[0],
        document: replaced.document.number,
        vector: vec![1.0, -2.5],
    };
    assert_eq!(store.vectors(index, 0, 10).await.unwrap(), [vector]);
    assert_eq!(store.delete_document("a").await.unwrap(), Some(replaced.document.number));
    assert_eq!(store.delete_document("a").await.unwrap(), None);
    assert_eq!(held(store, index).await, [0, 0, 0]);
    assert_eq!(found(store, "three", json!({})).await, [""; 0]);
    assert_eq!((texts(store, "a").await, store.document_text("a").await.unwrap()), (vec![], None));
}

async fn the_text_of_a_query_is_words_and_never_syntax(store: &dyn Store) {
    put(store, "a", "the caf\u{e9} opens\nthe NEAR star\nthe rest", json!({})).await;
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
        let mut found = found(store, query, json!({})).await;
        found.sort_by_key(|text| expected.iter().position(|expected| expected == text));
        assert_eq!(found, expected, "{query:?}");
    }
    // Words that most chunks have decide nothing, and find what has no others.
    let ranked = found(store, "heading star", json!({})).await;
    assert_eq!((ranked.len(), ranked[0].as_str()), (3, "the NEAR star"));
    assert_eq!(found(store, "Which was the star?", json!({})).await, ["the NEAR star"]);
    // Words are found in their other forms.
    assert_eq!(found(store, "opening", json!({})).await, ["the caf\u{e9} opens"]);
    assert_eq!(found(store, "stars", json!({})).await, ["the NEAR star"]);
    let long = "star ".repeat(100_000);
    assert_eq!(found(store, &long, json!({})).await, ["the NEAR star"]);
}

async fn scripts_without_spaces_are_found_by_what_stands_in_them(store: &dyn Store) {
    let lines = ["\u{6771}\u{4eac}\u{90fd}\u{306b}\u{4f4f}\u{3080}", "\u{4eac}\u{90fd}\u{306e}\u{732b}"];
    put(store, "a", &lines.join("\n"), json!({})).await;
    for (query, expected) in [
        // A word in the middle, one of one character, at the end, and one that both have.
        ("\u{6771}\u{4eac}", vec![lines[0]]),
        ("\u{4f4f}", vec![lines[0]]),
        ("\u{732b}", vec![lines[1]]),
        ("\u{4eac}\u{90fd}\u{306e}\u{732b}", vec![lines[1], lines[0]]),
        // Characters that stand in both, but not side by side.
        ("\u{6771}\u{732b}", vec![]),
    ] {
        assert_eq!(found(store, query, json!({})).await, expected, "{query}");
    }
    assert!(store.delete_document("a").await.unwrap().is_some());
    for query in ["\u{6771}\u{4eac}", "\u{732b}"] {
        assert_eq!(found(store, query, json!({})).await, [""; 0], "{query}");
    }
}

async fn filters_hold_by_type_and_within_the_search(store: &dyn Store) {
    let metadata = [
        ("a", json!({ "year": 2020, "tags": ["x", "y"], "draft": true, "by": { "name": "Ada" } })),
        ("b", json!({ "year": 2024.5, "tags": "x", "draft": false, "date": "2024-03-01", "source": "mine" })),
        ("c", json!({ "year": "2024", "draft": 1, "nothing": null, "a'c": "%" })),
    ];
    for (id, metadata) in metadata {
        put(store, id, &format!("text of {id}"), metadata).await;
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
        let mut texts = found(store, "text", filter.clone()).await;
        texts.sort();
        assert_eq!(texts, expected, "{filter}");
        let read = Filter::read("filters", filter.as_object().unwrap()).unwrap();
        let query = DocumentQuery { limit: 10, filter: read.clone(), after: None };
        assert_eq!(store.documents(query).await.unwrap().unwrap().len(), expected.len(), "{filter}");
        assert_eq!(store.passing(read).await.unwrap().len(), expected.len(), "{filter}");
    }
}

async fn documents_are_listed_a_page_at_a_time(store: &dyn Store) {
    for id in ["a", "b", "c"] {
        put(store, id, id, json!({})).await;
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

async fn an_index_serves_once_every_document_is_in_it_and_the_one_before_goes(store: &dyn Store) {
    put(store, "a", "one\ntwo", json!({})).await;
    let first = index(store).await;
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
    assert_eq!(held(store, second.number).await, [2, 3, 3]);
    assert_eq!(store.vectors(first, 0, 10).await.unwrap(), []);
    // Built anew, of the same model.
    let third = store.begin_index("other", "print", 2, true).await.unwrap();
    assert!(third.number > second.number && third.state == IndexState::Building);
    store.leave_index(third.number).await.unwrap();
    while store.drop_left().await.unwrap() {}
    assert_eq!(left(store.indexes().await.unwrap()), [(second.number, IndexState::Serving)]);
    assert_eq!(held(store, second.number).await, [2, 3, 3]);
}

async fn names_are_found_whole_and_by_their_parts(store: &dyn Store) {
    let lines = ["a ReentrantLock is held", "HTTPServer2 listens", "the rest"];
    put(store, "a", &lines.join("\n"), json!({})).await;
    for (query, expected) in [
        ("reentrantlock", vec![lines[0]]),
        ("lock", vec![lines[0]]),
        ("reentrant locks", vec![lines[0]]),
        ("http server", vec![lines[1]]),
        ("HTTPServer2", vec![lines[1]]),
        // Names come apart in what is kept, and not in a query.
        ("LockRest", vec![]),
        ("ver", vec![]),
    ] {
        assert_eq!(found(store, query, json!({})).await, expected, "{query}");
    }
}

async fn what_is_said_of_a_document_is_changed_beside_its_content(store: &dyn Store) {
    let before = put(store, "a", "one\ntwo", json!({ "tags": ["x", "y"] })).await.document;
    let metadata = json!({ "tags": "z" }).as_object().cloned();
    let changes = DocumentChanges { source: None, metadata: metadata.clone() };
    let changed = store.change_document("a", changes).await.unwrap().unwrap();
    let expected = StoredDocument { metadata: metadata.unwrap(), updated: changed.updated, ..before.clone() };
    assert_eq!(changed, expected);
    assert_eq!(found(store, "one", json!({ "tags": "x" })).await, [""; 0]);
    assert_eq!(found(store, "one", json!({ "tags": "z" })).await, ["one"]);
    let changes = DocumentChanges { source: Some("elsewhere".to_owned()), metadata: None };
    store.change_document("a", changes.clone()).await.unwrap().unwrap();
    let found = store.document("a").await.unwrap().unwrap();
    assert_eq!((found.source.as_deref(), found.metadata), (Some("elsewhere"), expected.metadata));
    assert_eq!(store.change_document("nobody", changes).await.unwrap(), None);
}

async fn a_document_and_its_chunks_are_read_as_they_came(store: &dyn Store) {
    let index = index(store).await;
    let metadata = json!({ "by": { "name": "Ada" }, "n": [1, 2.5, null] }).as_object().cloned().unwrap();
    let new = NewDocument {
        title: Some("Title".to_owned()),
        pages: Some(2),
        metadata: metadata.clone(),
        ..document("a", "one\ntwo\nthree")
    };
    let page = |chunk: NewChunk| NewChunk { page: Some(2), ..chunk };
    let new_chunks: Vec<NewChunk> = chunks(&new.text).into_iter().map(page).collect();
    let put = store.put_document(new.clone(), index, new_chunks.clone()).await.unwrap().unwrap();
    let kept = store.document("a").await.unwrap().unwrap();
    assert_eq!(kept, put.document);
    assert_eq!((&kept.title, &kept.source, &kept.metadata), (&new.title, &new.source, &new.metadata));
    assert_eq!((&kept.media_type, kept.bytes, kept.pages), (&new.media_type, new.bytes, new.pages));
    assert_eq!(store.document_of(&new.sha256, "text/plain").await.unwrap(), Some(kept));
    assert_eq!(store.document_of(&new.sha256, "text/html").await.unwrap(), None);
    assert_eq!(store.document("nobody").await.unwrap(), None);
    let text = store.document_text("a").await.unwrap().unwrap();
    assert_eq!((text.text, text.blocks, text.title), (new.text, new.blocks, new.title.clone()));
    let expected: Vec<StoredChunk> = (put.chunks.iter().zip(new_chunks).enumerate())
        .map(|(position, (number, chunk))| StoredChunk {
            number: *number,
            document: "a".to_owned(),
            title: new.title.clone(),
            source: new.source.clone(),
            metadata: metadata.clone(),
            position,
            text: chunk.text,
            headings: chunk.headings,
            start: chunk.start,
            end: chunk.end,
            page: chunk.page,
            tokens: chunk.tokens,
        })
        .collect();
    assert_eq!(store.document_chunks("a", 0, 10).await.unwrap(), expected);
    assert_eq!(store.document_chunks("a", 1, 1).await.unwrap(), expected[1..2]);
    let mut by_number = store.chunks(put.chunks.iter().copied().chain([i64::MAX]).collect()).await.unwrap();
    by_number.sort_by_key(|chunk| chunk.position);
    assert_eq!(by_number, expected);
}
