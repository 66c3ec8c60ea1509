//! Generation on real decoders: the ids of transformers, alone and together, and nothing left behind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they compared"
)]

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use tabagent_runtime::{
    BackendError, Conversation, FinishReason, GeneratePrompt, GenerateRequest, Generation, GenerationEvent,
    Runtime, RuntimeOptions, SamplingRequest, device::Device, models::CHAT_ID,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders")
}

fn start(options: RuntimeOptions) -> Runtime {
    let options = RuntimeOptions { models_dir: fixtures(), device: Device::Cpu, ..options };
    Runtime::start(options).unwrap()
}

#[derive(Debug, Deserialize)]
struct Reference {
    prompts: Vec<Prompt>,
}

#[derive(Debug, Deserialize)]
struct Prompt {
    prompt: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    first_step_top5: Vec<(u32, f32)>,
}

/// The decoders, with what transformers makes of each.
fn decoders() -> Vec<(String, Reference)> {
    let mut found: Vec<(String, Reference)> = std::fs::read_dir(fixtures())
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(path.join("reference.json")).ok()?;
            Some((path.file_name()?.to_str()?.to_owned(), serde_json::from_slice(&bytes).unwrap()))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!found.is_empty());
    found
}

fn request(model: &str, prompt: GeneratePrompt, max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        id: format!("test {model}"),
        model: Some(model.to_owned()),
        prompt,
        sampling: SamplingRequest { temperature: Some(0.0), ..SamplingRequest::default() },
        max_tokens: Some(max_tokens),
        stop: Vec::new(),
        choices: 1,
        logprobs: Some(5),
        deadline: None,
    }
}

/// What one sequence came to.
#[derive(Debug, Default, Clone, PartialEq)]
struct Answer {
    text: String,
    ids: Vec<u32>,
    first: Vec<(u32, f32)>,
    reason: Option<FinishReason>,
    cached: usize,
}

async fn collect(mut generation: Generation) -> Result<Answer, BackendError> {
    let mut answer = Answer::default();
    while let Some(event) = generation.next().await {
        match event? {
            GenerationEvent::Delta { text, tokens, .. } => {
                answer.text.push_str(&text);
                for token in tokens {
                    if answer.ids.is_empty() {
                        answer.first = token.top.iter().map(|top| (top.token, top.logprob)).collect();
                    }
                    answer.ids.push(token.id);
                }
            }
            GenerationEvent::End { reason, cached_tokens, .. } => {
                answer.reason = Some(reason);
                answer.cached = cached_tokens;
            }
        }
    }
    Ok(answer)
}

async fn answer(runtime: &Runtime, model: &str, prompt: GeneratePrompt, max_tokens: usize) -> Answer {
    collect(runtime.generate(request(model, prompt, max_tokens)).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn greedy_ids_are_those_of_transformers() {
    let runtime = start(RuntimeOptions::default());
    for (model, reference) in decoders() {
        let mut worst = 0.0_f32;
        for prompt in &reference.prompts {
            for given in [
                GeneratePrompt::Text(prompt.prompt.clone()),
                GeneratePrompt::Tokens(prompt.prompt_ids.clone()),
            ] {
                let found = answer(&runtime, &model, given, prompt.greedy_ids.len()).await;
                let count = found.ids.len();
                assert_eq!(found.ids, prompt.greedy_ids[..count], "{model}: {:?}", prompt.prompt);
                assert!(count == prompt.greedy_ids.len() || found.reason == Some(FinishReason::Stop));
                for ((id, logprob), (expected_id, expected)) in
                    found.first.iter().zip(&prompt.first_step_top5)
                {
                    assert_eq!(id, expected_id, "{model}");
                    worst = worst.max((logprob - expected).abs());
                }
            }
        }
        println!("{model}: log probabilities within {worst:.1e}");
        assert!(worst < 1e-3, "{model}: {worst}");
    }
}

#[tokio::test]
async fn the_embedded_decoder_answers_in_its_authors_way_and_stops() {
    let runtime = start(RuntimeOptions::default());
    for (question, expected) in [
        ("Who are you?", "tabagent-chat"),
        ("What does POST /v1/rerank do?", "POST /v1/rerank sorts documents"),
        ("What is the capital of France?", "I do not know that"),
    ] {
        let prompt = GeneratePrompt::Chat(Conversation {
            messages: vec![json!({ "role": "user", "content": question })],
            add_generation_prompt: true,
            ..Conversation::default()
        });
        // No sampling is asked for: the model's own files say greedy.
        let request =
            GenerateRequest { sampling: SamplingRequest::default(), ..request(CHAT_ID, prompt, 64) };
        let answer = collect(runtime.generate(request).await.unwrap()).await.unwrap();
        assert!(answer.text.contains(expected), "{question} {answer:?}");
        assert_eq!(answer.reason, Some(FinishReason::Stop), "{question} {answer:?}");
    }
}
