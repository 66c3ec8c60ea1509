//! Documents on real models: they come in once, are found by meaning and by words, and go on being found while the model that
//! embeds them is changed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test target, all of it: clippy exempts only the fns that are marked as tests"
)]

#[path = "documents/bounds.rs"]
mod bounds;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tabagent_runtime::{
    BackendError, DocumentContent, DocumentIndexState, IngestProgress, IngestRequest, IngestStage, Ingested,
    Rerank, Retrieval, RetrievalMode, RetrievalRequest, Runtime, RuntimeOptions,
    device::Device,
    documents::Filter,
    store::{DocumentQuery, PutOutcome},
};

const OTHER: &str = "bert-mean";

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn start(data: Option<&Path>, models: &Path) -> Runtime {
    Runtime::start(RuntimeOptions {
        models_dir: models.to_owned(),
        data_dir: data.map(Path::to_owned),
        device: Device::Cpu,
        ..RuntimeOptions::default()
    })
    .unwrap()
}

fn text(id: &str, text: &str) -> IngestRequest {
    IngestRequest {
        id: Some(id.to_owned()),
        content: DocumentContent::Text(text.to_owned()),
        ..IngestRequest::default()
    }
}

async fn ingest(runtime: &Runtime, request: IngestRequest) -> Ingested {
    runtime.ingest(request, |_| {}).await.unwrap()
}

async fn search(runtime: &Runtime, query: &str, mode: RetrievalMode, filter: Value) -> Retrieval {
    let filter = Filter::read("filters", filter.as_object().unwrap()).unwrap();
    let request =
        RetrievalRequest { query: query.to_owned(), count: 3, mode, filter, ..RetrievalRequest::default() };
    runtime.retrieve(request).await.unwrap()
}

fn documents_of(found: &Retrieval) -> Vec<&str> {
    found.passages.iter().map(|passage| passage.chunk.document.as_str()).collect()
}

/// Waits until the index is whole and of the model that is selected, and searches are by it: they go on with the one before
/// until this one is read.
async fn current(runtime: &Runtime) {
    let begun = Instant::now();
    loop {
        let indexes = runtime.document_indexes().await.unwrap();
        let serving = indexes.serving.as_ref().unwrap();
        if indexes.state == DocumentIndexState::Current && serving.model == indexes.model {
            assert_eq!(serving.progress.indexed, serving.progress.documents);
            let by_vector = RetrievalRequest {
                query: "anything".to_owned(),
                count: 1,
                mode: RetrievalMode::Vector,
                ..RetrievalRequest::default()
            };
            // Refused while the model of the one before is gone.
            if runtime
                .retrieve(by_vector)
                .await
                .is_ok_and(|found| found.model.as_ref() == Some(&serving.model))
            {
                return;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{indexes:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_is_kept_once_and_what_is_said_of_it_changes() {
    let runtime = start(None, &fixtures());
    let request = |metadata: Value| IngestRequest {
        content: DocumentContent::Text("Cats sleep. Dogs bark.".to_owned()),
        metadata: metadata.as_object().cloned(),
        ..IngestRequest::default()
    };
    // At the same time, as a client does that tries again too soon.
    let (a, b, c) = tokio::join!(
        ingest(&runtime, request(json!({ "n": 1 }))),
        ingest(&runtime, request(json!({ "n": 1 }))),
        ingest(&runtime, request(json!({ "n": 1 }))),
    );
    let outcomes = [a.outcome, b.outcome, c.outcome];
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == PutOutcome::Created).count(), 1, "{outcomes:?}");
    assert_eq!(a.document.id, c.document.id);
    let changed = ingest(&runtime, request(json!({ "n": 2 }))).await;
    assert_eq!((changed.outcome, &changed.document.metadata["n"]), (PutOutcome::Unchanged, &json!(2)));
    assert_eq!(changed.document.number, a.document.number);
    // Another title is embedded with it, so that it is made anew, under its id.
    let titled = IngestRequest { title: Some("Animals".to_owned()), ..request(json!({ "n": 3 })) };
    let titled = ingest(&runtime, titled).await;
    assert_eq!((titled.outcome, titled.document.id), (PutOutcome::Replaced, a.document.id));
    let all =
        runtime.documents(DocumentQuery { limit: 10, ..DocumentQuery::default() }).await.unwrap().unwrap();
    assert_eq!((all.len(), all[0].title.as_deref()), (1, Some("Animals")));
}

#[tokio::test(flavor = "multi_thread")]
async fn passages_are_found_by_meaning_by_words_and_by_both_until_they_are_deleted() {
    let runtime = start(None, &fixtures());
    assert_eq!(search(&runtime, "anything", RetrievalMode::Hybrid, json!({})).await, Retrieval::default());
    for (id, said) in [
        ("cats", "A kitten rests for most of the day."),
        ("trains", "The express departs from platform seven at noon."),
        ("rates", "The central bank raised its interest rate, code XJ-7."),
    ] {
        ingest(&runtime, text(id, said)).await;
    }
    let by = |query: &'static str, mode| search(&runtime, query, mode, json!({}));
    let found = by("When do cats sleep?", RetrievalMode::Vector).await;
    assert_eq!((documents_of(&found)[0], found.model.as_deref()), ("cats", Some("tabagent-embed")));
    let found = by("xj 7", RetrievalMode::Keyword).await;
    assert_eq!((documents_of(&found), &found.model), (vec!["rates"], &None));
    let found = by("At what time does the train leave platform seven?", RetrievalMode::Hybrid).await;
    assert_eq!(documents_of(&found)[0], "trains");
    let scores = found.passages[0].scores;
    // First by both; the vectors of a static embedding count half.
    assert!((scores.fusion.unwrap() - 1.5 / 11.0).abs() < 1e-9, "{scores:?}");
    assert!(scores.vector.is_some() && scores.keyword.is_some());
    // What replaces a document, and what deletes it, is seen by the next search, in both ways.
    ingest(&runtime, text("trains", "Boats float on the lake.")).await;
    let found = by("the express departs from platform seven at noon", RetrievalMode::Vector).await;
    assert!(found.passages.iter().all(|passage| !passage.chunk.text.contains("express")));
    assert!(by("platform", RetrievalMode::Keyword).await.passages.is_empty());
    assert!(
        runtime.drop_document("trains").await.unwrap() && !runtime.drop_document("trains").await.unwrap()
    );
    for mode in [RetrievalMode::Vector, RetrievalMode::Keyword, RetrievalMode::Hybrid] {
        assert!(!documents_of(&by("boats float on the lake", mode).await).contains(&"trains"), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_a_part_of_the_search() {
    let runtime = start(None, &fixtures());
    for number in 0..100 {
        let near = text(&format!("near-{number}"), &format!("Cats sleep all day, number {number}."));
        ingest(&runtime, near).await;
    }
    let rare = IngestRequest {
        metadata: json!({ "kind": "rare" }).as_object().cloned(),
        ..text("rare", "Interest rates rose, and cats were there too.")
    };
    ingest(&runtime, rare).await;
    for mode in [RetrievalMode::Vector, RetrievalMode::Keyword, RetrievalMode::Hybrid] {
        let all = search(&runtime, "cats sleep all day", mode, json!({})).await;
        assert!(!documents_of(&all).contains(&"rare"), "{mode:?}");
        let filtered = search(&runtime, "cats sleep all day", mode, json!({ "kind": "rare" })).await;
        assert_eq!(documents_of(&filtered), ["rare"], "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passages_are_ordered_anew_and_differ_where_that_is_asked_for() {
    let runtime = start(None, &fixtures());
    for (id, said) in [("a", "Cats sleep."), ("b", "Cats sleep!"), ("c", "A cat is an animal with fur.")] {
        ingest(&runtime, text(id, said)).await;
    }
    let request = |rerank, diversity| RetrievalRequest {
        query: "cats sleep".to_owned(),
        count: 2,
        mode: RetrievalMode::Vector,
        rerank,
        diversity,
        ..RetrievalRequest::default()
    };
    let found = runtime.retrieve(request(None, None)).await.unwrap();
    assert_eq!(documents_of(&found), ["a", "b"]);
    let found = runtime.retrieve(request(None, Some(0.7))).await.unwrap();
    assert_eq!(documents_of(&found), ["a", "c"]);
    // The order is that of the model by itself.
    let found = runtime.retrieve(request(Some(Rerank::By("bert-cross".to_owned())), None)).await.unwrap();
    let texts = ["Cats sleep.", "Cats sleep!", "A cat is an animal with fur."];
    let ranking = runtime
        .rerank(tabagent_runtime::RerankRequest {
            model: Some("bert-cross".to_owned()),
            query: "cats sleep".to_owned(),
            documents: texts.map(str::to_owned).to_vec(),
            ..Default::default()
        })
        .await
        .unwrap();
    let expected: Vec<&str> = ranking.results.iter().map(|result| texts[result.index]).collect();
    let order: Vec<&str> = found.passages.iter().map(|passage| passage.chunk.text.as_str()).collect();
    assert_eq!(order, expected[..2]);
    assert_eq!(found.passages[0].scores.rerank, Some(ranking.results[0].score));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_and_a_document_whose_client_leaves_is_not_kept() {
    let runtime = start(None, &fixtures());
    let long: String =
        (0..3000).map(|number| format!("Sentence number {number} says a little.\n\n")).collect();
    let told = Mutex::new(Vec::new());
    let done = runtime.ingest(text("long", &long), |step| told.lock().unwrap().push(step)).await.unwrap();
    let told: Vec<IngestProgress> = told.into_inner().unwrap();
    let stages: BTreeSet<String> = told.iter().map(|step| format!("{:?}", step.stage)).collect();
    assert_eq!(stages.len(), 4, "{stages:?}");
    assert!(told.windows(2).all(|pair| pair[0].done <= pair[1].done));
    let last = told.last().unwrap();
    assert_eq!((last.stage, last.done as u64), (IngestStage::Storing, done.document.chunks));
    // Every chunk is a range of the text, and no token of it is lost.
    let kept = runtime.document_text("long").await.unwrap().unwrap();
    let chunks = runtime.document_chunks("long", 0, 10_000).await.unwrap();
    assert!(
        chunks.iter().all(|chunk| kept.text[chunk.start..chunk.end] == chunk.text && chunk.tokens <= 256)
    );
    assert!(chunks.windows(2).all(|pair| pair[1].start <= pair[0].end + 2));
    assert_eq!((chunks[0].start, chunks.last().unwrap().end), (0, kept.text.len()));
    // Dropped while it is read.
    let left =
        tokio::time::timeout(Duration::from_millis(5), runtime.ingest(text("left", &(long + "!")), |_| {}));
    assert!(left.await.is_err());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(runtime.document("left").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_takes_over_once_all_is_embedded_and_the_one_before_serves_until_then() {
    let (data, models) = (tempfile::tempdir().unwrap(), fixtures());
    let runtime = start(Some(data.path()), &models);
    for number in 0..40 {
        let said = format!("Document {number} tells of cats. ").repeat(100);
        ingest(&runtime, text(&format!("d{number}"), &said)).await;
    }
    let before = search(&runtime, "cats", RetrievalMode::Hybrid, json!({ "document_id": "d7" })).await;
    assert_eq!(before.model.as_deref(), Some("tabagent-embed"));
    runtime.select(Some(OTHER), None).await.unwrap();
    // The old one answers from the first moment on, and documents come and go meanwhile.
    let during = search(&runtime, "cats", RetrievalMode::Hybrid, json!({ "document_id": "d7" })).await;
    assert_eq!(documents_of(&during), ["d7"; 3]);
    ingest(&runtime, text("new", "A new one about trains.")).await;
    assert!(runtime.drop_document("d3").await.unwrap());
    ingest(&runtime, text("d4", "Replaced, and about boats.")).await;
    current(&runtime).await;
    let after = search(&runtime, "cats", RetrievalMode::Vector, json!({ "document_id": "d7" })).await;
    assert_eq!((documents_of(&after), after.model.as_deref()), (vec!["d7"; 3], Some(OTHER)));
    // This model takes 64 tokens: everything was cut anew, and nothing was cut off.
    let chunks = runtime.document_chunks("d7", 0, 1000).await.unwrap();
    assert!(chunks.len() > 4 && chunks.iter().all(|chunk| chunk.tokens < 64));
    assert_eq!(documents_of(&search(&runtime, "boats", RetrievalMode::Keyword, json!({})).await), ["d4"]);
    assert_eq!(documents_of(&search(&runtime, "trains", RetrievalMode::Keyword, json!({})).await), ["new"]);
    assert!(runtime.document("d3").await.unwrap().is_none());
    // Back again, and stopped in the middle: the next start goes on.
    runtime.select(Some("tabagent-embed"), None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    runtime.shutdown(Duration::ZERO).await;
    drop(runtime);
    let runtime = again(data.path(), &models).await;
    runtime.keep_documents_current();
    current(&runtime).await;
    let found = search(&runtime, "cats", RetrievalMode::Vector, json!({})).await;
    assert_eq!((found.model.as_deref(), found.passages.len()), (Some("tabagent-embed"), 3));
    // Anew, of the same model.
    runtime.reindex_documents().await.unwrap();
    current(&runtime).await;
    assert!(
        runtime.reindex_document("d7").await.unwrap() && !runtime.reindex_document("nobody").await.unwrap()
    );
    assert_eq!(documents_of(&search(&runtime, "boats", RetrievalMode::Hybrid, json!({})).await)[0], "d4");
}

/// Opens a data folder once the runtime before has let go of it.
async fn again(data: &Path, models: &Path) -> Runtime {
    let begun = Instant::now();
    loop {
        let options = RuntimeOptions {
            models_dir: models.to_owned(),
            data_dir: Some(data.to_owned()),
            device: Device::Cpu,
            ..RuntimeOptions::default()
        };
        match Runtime::start(options) {
            Ok(runtime) => return runtime,
            Err(error) if begun.elapsed() > Duration::from_secs(20) => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_gone_leaves_words_and_one_that_is_selected_brings_vectors_again() {
    let (data, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(&fixtures().join(OTHER), &models.path().join("mine"));
    let runtime = start(Some(data.path()), models.path());
    runtime.select(Some("mine"), None).await.unwrap();
    ingest(&runtime, text("a", "Cats sleep all day.")).await;
    runtime.unload(Some("mine"), true).await.unwrap();
    fs::remove_dir_all(models.path().join("mine")).unwrap();
    let found = search(&runtime, "cats", RetrievalMode::Hybrid, json!({})).await;
    assert_eq!((documents_of(&found), &found.model), (vec!["a"], &None));
    assert!(found.without_vectors.unwrap().contains("mine"));
    let by_vector = RetrievalRequest {
        query: "cats".to_owned(),
        count: 1,
        mode: RetrievalMode::Vector,
        ..RetrievalRequest::default()
    };
    let refused = runtime.retrieve(by_vector).await;
    assert!(matches!(refused, Err(BackendError::EmbeddingModelNotAvailable { .. })), "{refused:?}");
    runtime.select(Some("tabagent-embed"), None).await.unwrap();
    // It need not have been embedded anew yet.
    ingest(&runtime, text("b", "Trains leave at noon.")).await;
    assert_eq!(documents_of(&search(&runtime, "noon", RetrievalMode::Keyword, json!({})).await), ["b"]);
    current(&runtime).await;
    let found = search(&runtime, "when does the train leave?", RetrievalMode::Vector, json!({})).await;
    assert_eq!((documents_of(&found)[0], found.model.as_deref()), ("b", Some("tabagent-embed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_for_the_model_of_the_index_and_cut_where_that_is_asked_for() {
    let runtime = start(None, &fixtures());
    runtime.select(Some(OTHER), None).await.unwrap();
    ingest(&runtime, text("a", "Cats sleep all day.")).await;
    let request = |query: &str, model: &str, truncate| RetrievalRequest {
        query: query.to_owned(),
        model: Some(model.to_owned()),
        truncate,
        count: 1,
        mode: RetrievalMode::Vector,
        ..RetrievalRequest::default()
    };
    let field = |outcome: Result<Retrieval, BackendError>| match outcome {
        Err(BackendError::InvalidInput { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(runtime.retrieve(request("cats", "tabagent-embed", false)).await), "model");
    let long = "cats ".repeat(2000);
    assert_eq!(field(runtime.retrieve(request(&long, OTHER, false)).await), "query");
    let found = runtime.retrieve(request("cats", OTHER, false)).await.unwrap();
    assert!(found.prompt_tokens > 0 && !found.truncated, "{found:?}");
    let cut = runtime.retrieve(request(&long, OTHER, true)).await.unwrap();
    assert!(cut.prompt_tokens > found.prompt_tokens && cut.truncated, "{cut:?}");
    assert_eq!((documents_of(&cut), cut.model.as_deref()), (vec!["a"], Some(OTHER)));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
