//! What is at the edge: queries of nothing, texts of nothing, a full queue, an index that is left while it is searched.

use std::time::Duration;

use serde_json::json;
use tabagent_runtime::{BackendError, RetrievalMode, RetrievalRequest};

use super::{OTHER, current, documents_of, fixtures, ingest, search, start, text};

#[tokio::test]
async fn a_query_without_a_token_or_without_a_word_is_searched_by_the_other() {
    let runtime = start(None, &fixtures());
    ingest(&runtime, text("a", "Cats sleep all day.")).await;
    ingest(&runtime, text("b", "Trains leave at noon.")).await;
    // Zero-width spaces, which are no white space and no token either.
    let unknown = "\u{200b}\u{200b}";
    let found = search(&runtime, unknown, RetrievalMode::Hybrid, json!({})).await;
    assert_eq!((documents_of(&found), found.model.as_deref()), (Vec::new(), None));
    assert!(found.without_vectors.is_some_and(|why| why.contains("no token")));
    let request =
        |mode| RetrievalRequest { query: unknown.to_owned(), mode, count: 3, ..RetrievalRequest::default() };
    let Err(BackendError::InvalidInput { field, .. }) =
        runtime.retrieve(request(RetrievalMode::Vector)).await
    else {
        panic!("a vector of nothing");
    };
    assert_eq!(field, "query");
    // What is no word for the search by words has a vector nevertheless.
    runtime.select(Some(OTHER), None).await.unwrap();
    current(&runtime).await;
    let found = search(&runtime, "!!!", RetrievalMode::Hybrid, json!({})).await;
    assert_eq!((found.passages.len(), found.model.as_deref()), (2, Some(OTHER)));
}

/// One step of a future that is not done with it.
async fn begin<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) {
    let once = std::future::poll_fn(|context| {
        let pending = future.as_mut().poll(context).is_pending();
        std::task::Poll::Ready(pending)
    });
    assert!(tokio::task::unconstrained(once).await, "it was done at once");
}

#[tokio::test]
async fn a_search_that_has_begun_finds_what_it_looks_for_while_another_index_takes_over() {
    let runtime = start(None, &fixtures());
    ingest(&runtime, text("a", "Cats sleep all day.")).await;
    let request = RetrievalRequest {
        query: "cats".to_owned(),
        mode: RetrievalMode::Keyword,
        count: 1,
        ..RetrievalRequest::default()
    };
    let mut searching = Box::pin(runtime.retrieve(request));
    begin(&mut searching).await;
    runtime.select(Some(OTHER), None).await.unwrap();
    current(&runtime).await;
    // Longer than the store takes to drop what nobody reads.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(documents_of(&searching.await.unwrap()), ["a"]);
}

#[tokio::test]
async fn one_document_that_is_indexed_anew_has_a_place_in_the_queue() {
    let runtime = start(None, &fixtures());
    ingest(&runtime, text("a", "Cats sleep all day.")).await;
    let mut waiting = Vec::new();
    // As many as are worked on, and as many as may wait.
    for number in 0..4 + 64 {
        let request = text(&format!("b{number}"), "Trains leave at noon.");
        let mut ingesting = Box::pin(runtime.ingest(request, |_| {}));
        begin(&mut ingesting).await;
        waiting.push(ingesting);
    }
    let full = runtime.reindex_document("a").await;
    assert!(matches!(full, Err(BackendError::ResourceLimitExceeded { .. })), "{full:?}");
    drop(waiting);
    assert!(runtime.reindex_document("a").await.unwrap());
}

#[tokio::test]
async fn a_text_of_a_nul_is_none() {
    let runtime = start(None, &fixtures());
    let refused = runtime.ingest(text("nul", "  \0"), |_| {}).await;
    assert!(
        matches!(&refused, Err(BackendError::InvalidInput { field, .. }) if field == "text"),
        "{refused:?}"
    );
}
