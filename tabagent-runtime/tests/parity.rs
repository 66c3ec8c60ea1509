//! The same vectors and scores as sentence-transformers, on models whose reference outputs a committed script made.
//!
//! The fixtures lie in `tests/fixtures` (`tools/make_fixtures.py`). all-MiniLM-L6-v2 is compared where
//! `TABAGENT_MINILM_DIR` names its folder, which `tools/` has a script to make.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they compared"
)]

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tabagent_runtime::{
    BackendError, EmbedInput, EmbedRequest, ModelKind, Prompt, RankMethod, RerankRequest, Runtime,
    RuntimeOptions, device::Device,
};

/// What a reference file holds of an embedding model.
#[derive(Deserialize)]
struct Reference {
    max_tokens: usize,
    dimensions: usize,
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    prompt_name: Option<String>,
    dimensions: usize,
    token_ids: Vec<Vec<u32>>,
    vectors: Vec<Vec<f32>>,
}

/// What a reference file holds of a cross-encoder.
#[derive(Deserialize)]
struct CrossReference {
    cases: Vec<CrossCase>,
}

#[derive(Deserialize)]
struct CrossCase {
    pairs: Vec<(String, String)>,
    token_ids: Vec<Vec<u32>>,
    logits: Vec<f64>,
    scores: Vec<f64>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn runtime(models: &Path) -> Runtime {
    let options =
        RuntimeOptions { models_dir: models.to_owned(), device: Device::Cpu, ..RuntimeOptions::default() };
    Runtime::start(options).unwrap()
}

fn reference<T: for<'a> Deserialize<'a>>(folder: &Path) -> T {
    let path = folder.join("reference.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn request(model: &str, texts: &[String]) -> EmbedRequest {
    EmbedRequest {
        model: Some(model.to_owned()),
        input: EmbedInput::Texts(texts.to_vec()),
        truncate: true,
        ..EmbedRequest::default()
    }
}

/// Compares a model with its reference: together, alone, among others, and by token ids.
async fn agrees(runtime: &Runtime, model: &str, folder: &Path) {
    let reference: Reference = reference(folder);
    let mut worst: f32 = 0.0;
    for case in &reference.cases {
        let asked = EmbedRequest {
            dimensions: (case.dimensions != reference.dimensions).then_some(case.dimensions),
            prompt: Some(case.prompt_name.clone().map_or(Prompt::None, Prompt::Named)),
            ..request(model, &reference.texts)
        };
        let found = runtime.embed(asked.clone()).await.unwrap();
        let true_count: usize = case.token_ids.iter().map(Vec::len).sum();
        assert_eq!(found.prompt_tokens, true_count as u64, "{model}: tokens of {:?}", case.prompt_name);
        assert_eq!(found.vectors.len(), case.vectors.len());
        for ((text, found), expected) in reference.texts.iter().zip(&found.vectors).zip(&case.vectors) {
            let off = distance(found, expected);
            worst = worst.max(off);
            assert!(off <= 1e-4, "{model} {:?} {text:?}: off by {off}", case.prompt_name);
        }
        // The same ids, tokenised by the client.
        let ids = EmbedRequest { input: EmbedInput::TokenLists(case.token_ids.clone()), ..asked };
        for (by_ids, by_text) in runtime.embed(ids).await.unwrap().vectors.iter().zip(&found.vectors) {
            assert!(distance(by_ids, by_text) <= 1e-5);
        }
    }
    println!("{model}: {} texts, at most {worst:e} off", reference.texts.len());

    // One text alone and the same text among 64 others.
    let text = reference.texts[1].clone();
    let alone = runtime.embed(request(model, std::slice::from_ref(&text))).await.unwrap().vectors;
    for place in [0, 31, 64] {
        let mut many: Vec<String> = reference.texts.iter().cycle().take(64).cloned().collect();
        many.insert(place, text.clone());
        let among = runtime.embed(request(model, &many)).await.unwrap().vectors;
        let off = distance(&alone[0], &among[place]);
        assert!(off <= 1e-5, "{model}: alone and among 64 others differ by {off}");
    }

    let info = runtime.embedding_models().into_iter().find(|info| info.id == model).unwrap();
    assert_eq!(info.max_length, Some(reference.max_tokens));
    assert_eq!(info.dimensions, Some(reference.dimensions));
    assert!(info.loaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn embedding_fixtures_agree_with_sentence_transformers() {
    let runtime = runtime(&fixtures());
    for model in ["bert-cls", "bert-classic", "bert-mean", "e5-prompts", "xlmr-mean"] {
        agrees(&runtime, model, &fixtures().join(model)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_encoder_agrees_with_sentence_transformers() {
    let runtime = runtime(&fixtures());
    let reference: CrossReference = reference(&fixtures().join("bert-cross"));
    for case in &reference.cases {
        for (index, (query, document)) in case.pairs.iter().enumerate() {
            let ask = async |raw_scores| {
                let request = RerankRequest {
                    model: Some("bert-cross".to_owned()),
                    query: query.clone(),
                    documents: vec![document.clone()],
                    truncate: true,
                    raw_scores,
                    ..RerankRequest::default()
                };
                runtime.rerank(request).await.unwrap()
            };
            let (raw, score) = (ask(true).await, ask(false).await);
            assert_eq!(raw.method, RankMethod::CrossEncoder);
            assert_eq!(raw.tokens, case.token_ids[index].len() as u64, "{query:?} {document:?}");
            let off = (raw.results[0].score - case.logits[index]).abs();
            assert!(off <= 1e-4, "{query:?} {document:?}: logit off by {off}");
            let off = (score.results[0].score - case.scores[index]).abs();
            assert!(off <= 1e-4, "{query:?} {document:?}: score off by {off}");
        }
    }
    assert_eq!(runtime.model("bert-cross").unwrap().info.kind, ModelKind::Rerank);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_encoder_ranks_as_its_scores_do() {
    let runtime = runtime(&fixtures());
    let reference: CrossReference = reference(&fixtures().join("bert-cross"));
    let query = &reference.cases[0].pairs[0].0;
    let documents: Vec<String> =
        reference.cases[0].pairs.iter().map(|(_, document)| document.clone()).collect();
    let request = RerankRequest {
        model: Some("bert-cross".to_owned()),
        query: query.clone(),
        documents: documents.clone(),
        truncate: true,
        ..RerankRequest::default()
    };
    let all = runtime.rerank(request.clone()).await.unwrap();
    assert_eq!(all.results.len(), documents.len());
    assert!(all.results.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert!(all.results.iter().all(|result| (0.0..=1.0).contains(&result.score)));
    let top = runtime.rerank(RerankRequest { top_n: Some(3), ..request.clone() }).await.unwrap();
    assert_eq!(top.results, all.results[..3]);
    let clamped = runtime.rerank(RerankRequest { top_n: Some(1000), ..request.clone() }).await.unwrap();
    assert_eq!(clamped.results.len(), documents.len());

    let error = runtime.rerank(RerankRequest { truncate: false, ..request.clone() }).await.unwrap_err();
    assert!(
        matches!(&error, BackendError::InvalidInput { field, .. } if field.starts_with("documents[")),
        "{error}"
    );
    // One that no document fits beside, short and long enough to be tokenised on another thread.
    for words in [200, 100_000] {
        let long = RerankRequest { query: "river ".repeat(words), ..request.clone() };
        let cut = runtime.rerank(long.clone()).await.unwrap();
        assert_eq!((cut.results.len(), cut.truncated), (documents.len(), documents.len()));
        let error = runtime.rerank(RerankRequest { truncate: false, ..long }).await.unwrap_err();
        assert!(matches!(&error, BackendError::InvalidInput { field, .. } if field == "query"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_is_cut_short_is_refused_as_damaged() {
    let runtime = runtime(&fixtures());
    let error = runtime.embed(request("bert-broken", &["a".to_owned()])).await.unwrap_err();
    assert!(
        matches!(&error, BackendError::ModelCorrupted { model, .. } if model == "bert-broken"),
        "{error}"
    );
    // A failed load leaves nothing behind that would answer for it.
    assert!(!runtime.model("bert-broken").unwrap().info.loaded);
    let again = runtime.embed(request("bert-broken", &["a".to_owned()])).await.unwrap_err();
    assert!(matches!(again, BackendError::ModelCorrupted { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_the_model_was_not_trained_for_is_refused() {
    let runtime = runtime(&fixtures());
    let asked =
        |dimensions| EmbedRequest { dimensions: Some(dimensions), ..request("bert-mean", &["a".to_owned()]) };
    assert_eq!(runtime.embed(asked(16)).await.unwrap().vectors[0].len(), 16);
    let error = runtime.embed(asked(17)).await.unwrap_err();
    assert!(matches!(&error, BackendError::InvalidInput { field, .. } if field == "dimensions"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_minilm_agrees_with_sentence_transformers() {
    let Some(folder) = std::env::var_os("TABAGENT_MINILM_DIR").map(PathBuf::from) else {
        println!("not compared: set TABAGENT_MINILM_DIR to the folder that tools/export_minilm.py made");
        return;
    };
    let folder = folder.canonicalize().unwrap();
    let runtime = runtime(folder.parent().unwrap());
    agrees(&runtime, folder.file_name().unwrap().to_str().unwrap(), &folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_quantises_its_activations_gives_vectors_that_do_not_depend_on_neighbours() {
    let runtime = runtime(&fixtures());
    let reference: Reference = reference(&fixtures().join("bert-mean"));
    let together = runtime.embed(request("bert-int8", &reference.texts)).await.unwrap().vectors;
    assert!(runtime.health().models.iter().any(|model| model.id == "bert-int8" && model.alone));
    for (text, among) in reference.texts.iter().zip(&together) {
        let alone = runtime.embed(request("bert-int8", std::slice::from_ref(text))).await.unwrap().vectors;
        assert_eq!(&alone[0], among, "{text:?}");
    }
    // Close to full precision, as far as eight bits a tensor of random weights are.
    let full = &reference.cases[0].vectors;
    let mean = together.iter().zip(full).map(|(a, b)| cosine(a, b)).sum::<f32>() / full.len() as f32;
    assert!(mean > 0.95, "mean cosine to full precision {mean}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_of_16_bits_gives_nearly_the_same_vectors() {
    let runtime = runtime(&fixtures());
    let reference: Reference = reference(&fixtures().join("bert-mean"));
    let found = runtime.embed(request("bert-fp16", &reference.texts)).await.unwrap().vectors;
    for ((text, found), expected) in reference.texts.iter().zip(&found).zip(&reference.cases[0].vectors) {
        let cosine = cosine(found, expected);
        assert!(cosine > 0.999, "{text:?}: cosine {cosine}");
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
