//! The pool, on real models: who waits, who leaves, what is promised before a load and kept after it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::path::Path;

use tabagent_runtime::{
    BackendError, FinishReason, GeneratePrompt, GenerateRequest, Generation, GenerationEvent, KeepAlive,
    LoadRequest, ModelState, Runtime, RuntimeOptions, device::Device,
};

const FIRST: &str = "decoders/llama-gqa";
const SECOND: &str = "decoders/qwen3-gqa";

fn start(options: RuntimeOptions) -> Runtime {
    let models_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    Runtime::start(RuntimeOptions { models_dir, device: Device::Cpu, ..options }).unwrap()
}

/// An answer of so many tokens, that does not end before.
fn request(model: &str, tokens: usize) -> GenerateRequest {
    GenerateRequest {
        ignore_end: true,
        ..GenerateRequest::greedy("answer", model, GeneratePrompt::Tokens(vec![5, 6, 7]), tokens)
    }
}

/// Reads an answer to its end.
async fn finish(mut generation: Generation) -> (usize, FinishReason) {
    while let Some(event) = generation.next().await {
        if let GenerationEvent::End { completion_tokens, reason, .. } = event.unwrap() {
            return (completion_tokens, reason);
        }
    }
    panic!("no end");
}

fn ids(runtime: &Runtime) -> Vec<String> {
    runtime.loaded().into_iter().map(|model| model.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_writes_an_answer_stays_until_it_is_written() {
    let runtime = start(RuntimeOptions { max_loaded: Some(1), ..RuntimeOptions::default() });
    let mut first = runtime.generate(request(FIRST, 200)).await.unwrap();
    first.next().await.unwrap().unwrap();
    let other = {
        let runtime = runtime.clone();
        tokio::spawn(async move { finish(runtime.generate(request(SECOND, 2)).await.unwrap()).await })
    };
    // The other one waits; in time this one admits nobody new, and it still stays.
    while runtime.loaded()[0].state != ModelState::Leaving {
        assert_eq!(ids(&runtime), [FIRST]);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!other.is_finished());
    assert_eq!((ids(&runtime), runtime.loaded()[0].busy), (vec![FIRST.to_owned()], 1));
    assert_eq!(finish(first).await, (200, FinishReason::Length));
    assert_eq!(other.await.unwrap(), (2, FinishReason::Length));
    assert_eq!((ids(&runtime), runtime.metrics().pool.evicted), (vec![SECOND.to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_room_that_is_given_up_leaves_everything_as_it_was() {
    let runtime = start(RuntimeOptions { max_loaded: Some(1), ..RuntimeOptions::default() });
    let first = runtime.generate(request(FIRST, 200)).await.unwrap();
    let waits = runtime.clone();
    let other = tokio::spawn(async move { waits.generate(request(SECOND, 2)).await.map(drop) });
    while runtime.loaded()[0].state != ModelState::Leaving {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    other.abort();
    assert!(other.await.unwrap_err().is_cancelled());
    assert_eq!(runtime.loaded()[0].state, ModelState::Ready);
    assert_eq!(finish(runtime.generate(request(FIRST, 2)).await.unwrap()).await.0, 2);
    assert_eq!(finish(first).await.0, 200);
    assert_eq!((ids(&runtime), runtime.metrics().pool.evicted), (vec![FIRST.to_owned()], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_with_other_options_takes_the_place_of_the_model() {
    let runtime = start(RuntimeOptions::default());
    let load =
        |context, pinned| LoadRequest { model: FIRST.to_owned(), context, pinned, ..LoadRequest::default() };
    let first = runtime.load(load(Some(64), Some(true))).await.unwrap();
    assert_eq!((first.model.context, first.was_loaded, first.model.pinned), (Some(64), false, true));
    let same = runtime.load(load(Some(64), None)).await.unwrap();
    assert!(same.was_loaded && same.model.pinned);
    let other = runtime.load(load(Some(32), None)).await.unwrap();
    assert_eq!((other.model.context, other.was_loaded, other.model.pinned), (Some(32), false, true));
    let any =
        runtime.load(LoadRequest { keep_alive: Some(KeepAlive::Forever), ..load(None, Some(false)) }).await;
    let any = any.unwrap();
    assert_eq!((any.model.context, any.was_loaded, any.model.pinned), (Some(32), true, false));
    assert_eq!(any.model.keep_alive, KeepAlive::Forever);
    // Its answers are bounded by it.
    let error = runtime
        .generate(GenerateRequest { prompt: GeneratePrompt::Tokens(vec![5; 40]), ..request(FIRST, 2) })
        .await;
    assert!(matches!(error, Err(BackendError::InvalidInput { .. })));
    let unknown =
        runtime.load(LoadRequest { variant: Some("q2".to_owned()), ..load(None, None) }).await.unwrap_err();
    assert!(
        matches!(&unknown, BackendError::InvalidInput { field, reason, .. } if field == "variant" && reason.contains("model"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_with_other_options_that_is_given_up_leaves_what_serves() {
    let runtime = start(RuntimeOptions::default());
    let pin = LoadRequest { model: FIRST.to_owned(), pinned: Some(true), ..LoadRequest::default() };
    runtime.load(pin).await.unwrap();
    let first = runtime.generate(request(FIRST, 50)).await.unwrap();
    let other = LoadRequest { model: FIRST.to_owned(), context: Some(64), ..LoadRequest::default() };
    let waits = {
        let (runtime, other) = (runtime.clone(), other.clone());
        tokio::spawn(async move { runtime.load(other).await.map(drop) })
    };
    while runtime.loaded()[0].state != ModelState::Leaving {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    assert_eq!(runtime.loaded()[0].state, ModelState::Ready);
    assert_eq!(finish(runtime.generate(request(FIRST, 2)).await.unwrap()).await.0, 2);

    // One that waits on has its turn, and the pin stays.
    let waits = {
        let runtime = runtime.clone();
        tokio::spawn(async move { runtime.load(other).await })
    };
    while runtime.loaded()[0].state != ModelState::Leaving {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(finish(first).await.0, 50);
    let loaded = waits.await.unwrap().unwrap().model;
    assert_eq!((loaded.context, loaded.pinned, runtime.metrics().pool.evicted), (Some(64), true, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_load_does_not_name_stays_as_it_is() {
    let runtime = start(RuntimeOptions::default());
    let load = |variant: Option<&str>, context| LoadRequest {
        model: "decoders/qwen3-fp16".to_owned(),
        variant: variant.map(str::to_owned),
        context,
        ..LoadRequest::default()
    };
    for (variant, context, expected) in [
        (Some("model_fp16"), Some(64), ("model_fp16", Some(64))),
        (None, Some(32), ("model_fp16", Some(32))),
        (Some("model"), None, ("model", Some(32))),
    ] {
        let outcome = runtime.load(load(variant, context)).await.unwrap();
        assert!(!outcome.was_loaded);
        assert_eq!((outcome.model.variant.as_str(), outcome.model.context), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_values_take_what_was_estimated() {
    let runtime = start(RuntimeOptions::default());
    for model in [FIRST, SECOND, "decoders/llama-int4", "decoders/qwen3-fp16", "decoders/llama-plain"] {
        let estimate = runtime.estimate(model, None, Some(100), 1).await.unwrap().estimate;
        assert_eq!(estimate.cache, 100 * estimate.token_bytes, "{model}");
        finish(runtime.generate(request(model, 20)).await.unwrap()).await;
        let found = runtime.loaded().into_iter().find(|found| found.id == model).unwrap();
        // Rows of so many tokens, or the tokens themselves.
        assert!(
            found.cache > 0 && found.cache % estimate.token_bytes == 0,
            "{model}: {} {estimate:?}",
            found.cache
        );
        assert!(found.bytes >= found.weights + found.cache, "{found:?}");
    }
    let all = runtime.unload(None, false).await.unwrap();
    assert_eq!((all.unloaded.len(), runtime.loaded().len()), (5, 0));
    assert!(matches!(
        runtime.unload(Some("nobody/nothing"), false).await,
        Err(BackendError::ModelNotFound { .. })
    ));
}

/// A model of the fixtures in a folder of its own, with another variant that is cut off.
fn with_a_damaged_variant() -> (tempfile::TempDir, RuntimeOptions) {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(FIRST);
    std::fs::create_dir(folder.path().join("m")).unwrap();
    for entry in std::fs::read_dir(fixture).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), folder.path().join("m").join(entry.file_name())).unwrap();
    }
    let graph = std::fs::read(folder.path().join("m/model.onnx")).unwrap();
    std::fs::write(folder.path().join("m/model_q4.onnx"), &graph[..graph.len() / 2]).unwrap();
    let options = RuntimeOptions {
        models_dir: folder.path().to_owned(),
        device: Device::Cpu,
        ..RuntimeOptions::default()
    };
    (folder, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_fails_leaves_how_the_model_is_kept() {
    let (_folder, options) = with_a_damaged_variant();
    let runtime = Runtime::start(options).unwrap();
    let load = |variant: Option<&str>, pinned| LoadRequest {
        model: "m".to_owned(),
        variant: variant.map(str::to_owned),
        pinned,
        ..LoadRequest::default()
    };
    runtime.load(load(None, Some(true))).await.unwrap();
    let error = runtime.load(load(Some("model_q4"), None)).await.unwrap_err();
    assert!(matches!(error, BackendError::ModelCorrupted { .. }), "{error}");
    assert!(runtime.loaded().is_empty());
    // The next request brings back what served before.
    finish(runtime.generate(request("m", 2)).await.unwrap()).await;
    let back = &runtime.loaded()[0];
    assert!(back.pinned && back.variant == "model", "{back:?}");
    // While the damaged one cools down, what serves stays.
    let error = runtime.load(load(Some("model_q4"), None)).await.unwrap_err();
    assert!(error.to_string().contains("is again in"), "{error}");
    assert_eq!(ids(&runtime), ["m"]);
    // Who unloads it by name ends that.
    runtime.unload(Some("m"), false).await.unwrap();
    finish(runtime.generate(request("m", 2)).await.unwrap()).await;
    assert!(!runtime.loaded()[0].pinned);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_load_leaves_how_the_other_one_keeps_it() {
    let runtime = start(RuntimeOptions::default());
    for _ in 0..10 {
        let load = |pinned| {
            let runtime = runtime.clone();
            let request = LoadRequest { model: SECOND.to_owned(), pinned, ..LoadRequest::default() };
            tokio::spawn(async move { runtime.load(request).await.unwrap() })
        };
        let loads: Vec<_> = [Some(true), None, None, None].into_iter().map(load).collect();
        for load in loads {
            load.await.unwrap();
        }
        assert!(runtime.loaded()[0].pinned);
        runtime.unload(None, false).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_with_other_options_that_will_never_have_room_is_refused_at_once() {
    let estimate = async |runtime: &Runtime, context| {
        runtime.estimate(FIRST, None, Some(context), 1).await.unwrap().estimate.total()
    };
    let room = estimate(&start(RuntimeOptions::default()), 128).await;
    let runtime = start(RuntimeOptions { memory_limit: Some(room), ..RuntimeOptions::default() });
    let load = |context| {
        let deadline = Some(std::time::Duration::from_secs(20));
        LoadRequest { model: FIRST.to_owned(), context: Some(context), deadline, ..LoadRequest::default() }
    };
    runtime.load(load(64)).await.unwrap();
    let error = runtime.load(load(256)).await.unwrap_err();
    let required = estimate(&runtime, 256).await;
    assert!(
        matches!(error, BackendError::OutOfMemory { required: told, available } if told == required && available == room),
        "{error}"
    );
    assert_eq!(runtime.loaded()[0].context, Some(64));
}
