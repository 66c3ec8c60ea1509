//! The engine's promises, on real models: bounded, cancellable, drained on shutdown, one load for many.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they compared"
)]

use std::{
    future::poll_fn,
    path::{Path, PathBuf},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tabagent_runtime::{
    BackendError, EmbedInput, EmbedRequest, Metric, ModelKind, Prompt, RankMethod, RerankRequest, Runtime,
    RuntimeOptions, SimilarityRequest,
    device::{Device, ProviderState},
    error::InvalidCause,
};

const MODEL: &str = "bert-mean";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn start(options: RuntimeOptions) -> Runtime {
    Runtime::start(RuntimeOptions { device: Device::Cpu, ..options }).unwrap()
}

fn runtime() -> Runtime {
    start(RuntimeOptions { models_dir: fixtures(), ..RuntimeOptions::default() })
}

fn texts(count: usize, words: usize) -> Vec<String> {
    (0..count).map(|index| format!("text {index} {}", "river ".repeat(words))).collect()
}

fn request(texts: Vec<String>) -> EmbedRequest {
    EmbedRequest {
        model: Some(MODEL.to_owned()),
        input: EmbedInput::Texts(texts),
        truncate: true,
        ..EmbedRequest::default()
    }
}

/// Polls a future once: the request is admitted, and not answered yet.
async fn admit<F: Future>(mut future: Pin<&mut F>) {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Pending => Poll::Ready(()),
        Poll::Ready(_) => panic!("answered at once"),
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_recovers() {
    let runtime = start(RuntimeOptions { models_dir: fixtures(), queue: 4, ..RuntimeOptions::default() });
    runtime.embed(request(texts(1, 1))).await.unwrap();
    // Long enough to be tokenised on another thread, so that its places are taken while the second one asks.
    let mut first = pin!(runtime.embed(request(texts(3, 1_000))));
    admit(first.as_mut()).await;
    let error = runtime.embed(request(texts(2, 1))).await.unwrap_err();
    assert!(
        matches!(&error, BackendError::ResourceLimitExceeded { limit: 4, current: 3, retry_after, .. }
            if *retry_after >= Duration::from_secs(1)),
        "{error:?}"
    );
    assert_eq!(first.await.unwrap().vectors.len(), 3);
    assert_eq!(runtime.embed(request(texts(2, 1))).await.unwrap().vectors.len(), 2);
    assert_eq!(runtime.metrics().models[0].rejected, 1);
    let never = runtime.embed(request(texts(5, 1))).await.unwrap_err();
    assert!(matches!(never, BackendError::InvalidInput { .. }), "{never}");
}

#[tokio::test]
async fn what_can_never_fit_is_refused_for_good_and_what_fits_is_served() {
    let with_queue =
        |queue| start(RuntimeOptions { models_dir: fixtures(), queue, ..RuntimeOptions::default() });
    let field = |error: BackendError| match error {
        BackendError::InvalidInput { field, .. } => field,
        other => panic!("{other:?}"),
    };
    let rerank = |model: &str, documents| RerankRequest {
        model: Some(model.to_owned()),
        query: "a".to_owned(),
        documents: texts(documents, 1),
        ..RerankRequest::default()
    };
    let similarity = |left, right| SimilarityRequest {
        model: Some(MODEL.to_owned()),
        left: texts(left, 1),
        right: texts(right, 1),
        ..SimilarityRequest::default()
    };
    let one = with_queue(1);
    assert_eq!(field(one.rerank(rerank(MODEL, 1)).await.unwrap_err()), "documents");
    assert_eq!(one.rerank(rerank("bert-cross", 1)).await.unwrap().results.len(), 1);
    assert_eq!(field(one.rerank(rerank("bert-cross", 2)).await.unwrap_err()), "documents");
    assert_eq!(field(one.embed(request(texts(2, 1))).await.unwrap_err()), "input");

    let three = with_queue(3);
    for _ in 0..20 {
        assert_eq!(three.rerank(rerank(MODEL, 2)).await.unwrap().results.len(), 2);
        assert_eq!(three.similarity(similarity(1, 2)).await.unwrap().scores.len(), 1);
    }
    assert_eq!(field(three.similarity(similarity(3, 1)).await.unwrap_err()), "text1");
    assert_eq!(field(three.similarity(similarity(1, 3)).await.unwrap_err()), "text2");
    let metrics = three.metrics();
    assert_eq!((metrics.models[0].requests, metrics.models[0].rejected), (40, 0));
    assert_eq!(three.health().waiting, 0);
}

#[tokio::test]
async fn many_vectors_compare_as_each_pair_does() {
    let runtime = runtime();
    // Enough pairs to leave the async thread.
    let (left, right) = (texts(200, 1), texts(200, 2));
    let asked = |left: &[String], right: &[String]| SimilarityRequest {
        model: Some(MODEL.to_owned()),
        left: left.to_vec(),
        right: right.to_vec(),
        dimensions: Some(16),
        ..SimilarityRequest::default()
    };
    let all = runtime.similarity(asked(&left, &right)).await.unwrap().scores;
    assert_eq!((all.len(), all[199].len()), (200, 200));
    let one = runtime.similarity(asked(&left[150..151], &right[20..21])).await.unwrap().scores[0][0];
    assert!((all[150][20] - one).abs() < 1e-5, "{} {one}", all[150][20]);
}

#[tokio::test]
async fn a_device_that_is_asked_for_by_name_works_or_nothing_starts() {
    let options =
        RuntimeOptions { device: Device::Cuda(0), models_dir: fixtures(), ..RuntimeOptions::default() };
    let started = Runtime::start(options);
    let reports = tabagent_runtime::device::providers();
    let cuda = reports.unwrap().into_iter().find(|report| report.name == "cuda").unwrap();
    match (cuda.state, started) {
        (ProviderState::Usable, Ok(_)) => {}
        (
            ProviderState::NotOffered | ProviderState::Failed,
            Err(BackendError::ConfigurationError { setting, reason }),
        ) => {
            assert_eq!(setting, "device");
            for part in ["cuda:0", "NVIDIA GPU", "tabagent runtime install cuda", "--device auto"] {
                assert!(reason.contains(part), "`{part}` is missing in: {reason}");
            }
        }
        (state, started) => panic!("{state:?} does not go with {started:?}"),
    }
}

#[tokio::test]
async fn a_text_far_over_the_limit_is_refused_or_cut() {
    let runtime = runtime();
    let asked = |truncate| EmbedRequest {
        input: EmbedInput::Text("river bank ".repeat(100_000)),
        truncate,
        ..EmbedRequest::default()
    };
    let error = runtime.embed(asked(false)).await.unwrap_err();
    assert!(
        matches!(&error, BackendError::InvalidInput { field, cause: InvalidCause::ContextLength, .. }
            if field == "input"),
        "{error:?}"
    );
    let answer = runtime.embed(asked(true)).await.unwrap();
    assert_eq!((answer.truncated, answer.prompt_tokens), (1, 8192));
}

#[tokio::test]
async fn dropping_a_request_gives_its_places_back() {
    let runtime = runtime();
    runtime.embed(request(texts(1, 1))).await.unwrap();
    {
        let mut gone = pin!(runtime.embed(request(texts(100, 50))));
        admit(gone.as_mut()).await;
        assert_eq!(runtime.health().waiting, 100);
    }
    assert_eq!(runtime.health().waiting, 0);
    assert!(runtime.health().usable);
}

#[tokio::test]
async fn a_deadline_ends_the_wait() {
    let runtime = runtime();
    runtime.embed(request(texts(1, 1))).await.unwrap();
    let late = EmbedRequest { deadline: Some(Duration::ZERO), ..request(texts(100, 50)) };
    let error = runtime.embed(late).await.unwrap_err();
    assert!(matches!(error, BackendError::GenerationTimeout { seconds: 0.0 }), "{error}");
    assert_eq!(runtime.health().waiting, 0);
    assert_eq!(runtime.metrics().models[0].timeouts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_requests_load_a_model_once_and_share_batches() {
    let runtime = runtime();
    let mut requests = tokio::task::JoinSet::new();
    for index in 0..64 {
        let runtime = runtime.clone();
        requests.spawn(async move { (index, runtime.embed(request(vec![format!("text {index}")])).await) });
    }
    let mut vectors = vec![Vec::new(); 64];
    for (index, answer) in requests.join_all().await {
        vectors[index] = answer.unwrap().vectors.remove(0);
    }
    let metrics = runtime.metrics();
    assert_eq!(metrics.models.len(), 1);
    // A second load would have had counters of its own.
    let model = &metrics.models[0];
    assert_eq!((model.requests, model.texts, model.waiting), (64, 64, 0));
    assert!(model.batches < 64, "requests that wait together run together");
    assert_eq!(model.queue_wait.count(), 64);
    assert_eq!(model.batch_rows.count(), model.batches);
    for (index, vector) in vectors.iter().enumerate() {
        let alone = runtime.embed(request(vec![format!("text {index}")])).await.unwrap().vectors.remove(0);
        let off = alone.iter().zip(vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= 1e-5, "text {index} got the vector of another: off by {off}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_lets_what_was_admitted_finish() {
    let runtime = runtime();
    runtime.embed(request(texts(1, 1))).await.unwrap();
    let mut running = Box::pin(runtime.embed(request(texts(300, 20))));
    admit(running.as_mut()).await;
    let (answer, ()) = tokio::join!(running, runtime.shutdown(Duration::from_secs(60)));
    assert_eq!(answer.unwrap().vectors.len(), 300);
    let error = runtime.embed(request(texts(1, 1))).await.unwrap_err();
    assert!(matches!(&error, BackendError::ModelNotLoaded { model, .. } if model == MODEL), "{error}");
    assert!(!runtime.health().usable);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_without_patience_answers_everyone() {
    let runtime = runtime();
    runtime.embed(request(texts(1, 1))).await.unwrap();
    let mut running = Box::pin(runtime.embed(request(texts(2000, 60))));
    admit(running.as_mut()).await;
    let (answer, ()) = tokio::join!(running, runtime.shutdown(Duration::ZERO));
    let error = answer.unwrap_err();
    assert!(
        matches!(&error, BackendError::ModelNotLoaded { reason, .. } if reason == "the server is stopping"),
        "{error}"
    );
}

#[tokio::test]
async fn a_model_that_is_dropped_into_the_folder_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = start(RuntimeOptions { models_dir: folder.path().to_owned(), ..RuntimeOptions::default() });
    let asked = || EmbedRequest { model: Some("owner/name".to_owned()), ..request(vec!["a".to_owned()]) };
    let error = runtime.embed(asked()).await.unwrap_err();
    assert!(matches!(&error, BackendError::ModelNotFound { model } if model == "owner/name"), "{error}");

    let target = folder.path().join("owner/name");
    for (name, below) in [
        ("config.json", ""),
        ("modules.json", ""),
        ("tokenizer.json", ""),
        ("tokenizer_config.json", ""),
        ("config.json", "1_Pooling"),
        ("model.onnx", "onnx"),
    ] {
        let source = fixtures().join(MODEL).join(below).join(name);
        std::fs::create_dir_all(target.join(below)).unwrap();
        std::fs::copy(&source, target.join(below).join(name))
            .unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    }
    assert_eq!(runtime.embed(asked()).await.unwrap().vectors[0].len(), 32);
    assert!(runtime.models().iter().any(|model| model.id == "owner/name" && model.loaded));

    // In memory it is served without a look at its files.
    std::fs::remove_dir_all(&target).unwrap();
    assert_eq!(runtime.embed(asked()).await.unwrap().vectors[0].len(), 32);
}

#[tokio::test]
async fn the_embedded_model_serves_requests_that_name_none() {
    let runtime = start(RuntimeOptions { models_dir: "/nonexistent".into(), ..RuntimeOptions::default() });
    assert!(runtime.health().usable);
    let answer = runtime
        .embed(EmbedRequest { input: EmbedInput::Texts(vec!["hello".to_owned()]), ..EmbedRequest::default() })
        .await
        .unwrap();
    assert_eq!(answer.model, "tabagent-embed");
    let length: f32 = answer.vectors[0].iter().map(|value| value * value).sum::<f32>().sqrt();
    assert!((length - 1.0).abs() < 1e-4, "{length}");

    let ranking = runtime
        .rerank(RerankRequest {
            query: "what is a server".to_owned(),
            documents: vec!["b c".to_owned(), "what is a server".to_owned()],
            ..RerankRequest::default()
        })
        .await
        .unwrap();
    assert_eq!((ranking.method, ranking.results[0].index), (RankMethod::Cosine, 1));
    assert!((ranking.results[0].score - 1.0).abs() < 1e-5);

    let alike = runtime
        .similarity(SimilarityRequest {
            left: vec!["hello".to_owned(), "world".to_owned()],
            right: vec!["hello".to_owned(), "world".to_owned(), "server".to_owned()],
            metric: Metric::Euclidean,
            ..SimilarityRequest::default()
        })
        .await
        .unwrap();
    assert_eq!((alike.scores.len(), alike.scores[0].len()), (2, 3));
    assert!(alike.scores[0][0] < 1e-3 && alike.scores[0][1] > 1e-3);
    assert_eq!(alike.range, (Some(0.0), Some(2.0)));
}

#[tokio::test]
async fn mistakes_are_named_by_their_field() {
    let runtime = runtime();
    let field = |error: BackendError| match error {
        BackendError::InvalidInput { field, .. } => field,
        other => panic!("{other:?}"),
    };
    let embed = async |request| field(runtime.embed(request).await.unwrap_err());
    assert_eq!(embed(request(Vec::new())).await, "input");
    let long = EmbedRequest { truncate: false, ..request(vec!["a".to_owned(), "river ".repeat(500)]) };
    assert_eq!(embed(long).await, "input[1]");
    let many = EmbedRequest { truncate: false, ..request([texts(40, 1), texts(1, 1_000)].concat()) };
    assert_eq!(embed(many).await, "input[40]", "tokenised in several jobs");
    let long = EmbedInput::Text("river ".repeat(500));
    assert_eq!(embed(EmbedRequest { input: long, truncate: false, ..request(Vec::new()) }).await, "input");
    let ids = |input| EmbedRequest { input, ..request(Vec::new()) };
    assert_eq!(embed(ids(EmbedInput::TokenLists(vec![vec![1], vec![1, 99_999]]))).await, "input[1][1]");
    assert_eq!(embed(ids(EmbedInput::Tokens(vec![1, 99_999]))).await, "input[1]");
    let prompt = EmbedRequest { prompt: Some(Prompt::Named("nobody".to_owned())), ..request(texts(1, 1)) };
    assert_eq!(embed(prompt).await, "prompt_name");
    let dimensions = EmbedRequest { dimensions: Some(33), ..request(texts(1, 1)) };
    assert_eq!(embed(dimensions).await, "dimensions");
    let kind = EmbedRequest { model: Some("bert-cross".to_owned()), ..request(texts(1, 1)) };
    assert_eq!(embed(kind).await, "model");
    let rerank = RerankRequest { query: "a".to_owned(), ..RerankRequest::default() };
    assert_eq!(field(runtime.rerank(rerank).await.unwrap_err()), "documents");
    let similarity = SimilarityRequest { left: vec!["a".to_owned()], ..SimilarityRequest::default() };
    assert_eq!(field(runtime.similarity(similarity).await.unwrap_err()), "text2");
    assert_eq!(runtime.health().waiting, 0, "nothing that was refused is left in the queue");
}

#[tokio::test]
async fn what_was_cut_is_counted() {
    let runtime = runtime();
    let answer = runtime.embed(request(vec!["a".to_owned(), "river ".repeat(500)])).await.unwrap();
    assert_eq!(answer.truncated, 1);
    assert_eq!(runtime.metrics().models[0].truncated, 1);
}

#[tokio::test]
async fn the_list_of_models_tells_what_each_is() {
    let runtime = runtime();
    let models = runtime.models();
    let kind = |id: &str| models.iter().find(|model| model.id == id).unwrap().kind;
    assert_eq!(kind(MODEL), ModelKind::Embedding);
    assert_eq!(kind("bert-cross"), ModelKind::Rerank);
    assert_eq!(kind("tabagent-embed"), ModelKind::Embedding);
    assert!(models.is_sorted_by(|a, b| a.id < b.id));
    assert!(models.iter().all(|model| model.size > 0 && model.created > 1_600_000_000 && !model.loaded));

    let details = runtime.model(MODEL).unwrap();
    assert_eq!(details.variants[0].file, "onnx/model.onnx");
    assert!(details.files.iter().any(|file| file.path == "1_Pooling/config.json"));
    assert_eq!(details.embedding.unwrap().pooling, ["mean"]);
    assert_eq!(details.config.unwrap()["hidden_size"], 32);

    let prompts =
        runtime.embedding_models().into_iter().find(|model| model.id == "e5-prompts").unwrap().prompts;
    assert_eq!(prompts["query"], "query: ");
    for id in ["nobody/nothing", "../fixtures/bert-mean", "/etc", "a\0b"] {
        assert!(matches!(runtime.model(id), Err(BackendError::ModelNotFound { .. })), "{id:?}");
    }
}

#[tokio::test]
async fn a_tokenizer_on_which_its_library_panics_is_a_damaged_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("damaged");
    copy(&fixtures().join("xlmr-mean"), &model);
    let path = model.join("tokenizer.json");
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // A table of characters that ends in its first number.
    tokenizer["normalizer"] =
        serde_json::json!({ "type": "Precompiled", "precompiled_charsmap": "/////w==" });
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let runtime = start(RuntimeOptions { models_dir: folder.path().to_owned(), ..RuntimeOptions::default() });
    let asked = || EmbedRequest { model: Some("damaged".to_owned()), ..request(texts(1, 1)) };
    for _ in 0..2 {
        let error = runtime.embed(asked()).await.unwrap_err();
        assert!(
            matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains("tokenizer.json")),
            "{error:?}"
        );
    }
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
