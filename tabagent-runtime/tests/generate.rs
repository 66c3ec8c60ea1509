//! Generation on real decoders: the ids of transformers, alone and together, and nothing left behind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they compared"
)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tabagent_runtime::{
    BackendError, Conversation, FinishReason, GeneratePrompt, GenerateRequest, Generation, GenerationEvent,
    Runtime, RuntimeOptions, SamplingRequest, device::Device,
};

/// The fixtures, each with the one file that its reference is for.
fn fixtures() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders"), folder.path());
        std::fs::remove_file(folder.path().join("qwen3-fp16/onnx/model.onnx")).unwrap();
        folder
    });
    folder.path().to_owned()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn start(options: RuntimeOptions) -> Runtime {
    let options = RuntimeOptions { models_dir: fixtures(), device: Device::Cpu, ..options };
    Runtime::start(options).unwrap()
}

#[derive(Debug, Deserialize)]
struct Reference {
    /// When the conversations were rendered.
    now: String,
    prompts: Vec<Prompt>,
    conversations: Vec<Rendered>,
}

#[derive(Debug, Deserialize)]
struct Rendered {
    name: String,
    messages: Vec<Value>,
    tools: Option<Vec<Value>>,
    add_generation_prompt: bool,
    #[serde(default)]
    variables: serde_json::Map<String, Value>,
    rendered: Option<String>,
    /// Why the template refuses it, where it does.
    error: Option<String>,
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
        logprobs: Some(5),
        ..GenerateRequest::greedy(format!("test {model}"), model, prompt, max_tokens)
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

/// What each of its sequences came to.
async fn collect(mut generation: Generation) -> Result<Vec<Answer>, BackendError> {
    let mut answers: Vec<Answer> = Vec::new();
    while let Some(event) = generation.next().await {
        let event = event?;
        let (GenerationEvent::Delta { choice, .. } | GenerationEvent::End { choice, .. }) = event;
        answers.resize_with(answers.len().max(choice + 1), Answer::default);
        let answer = &mut answers[choice];
        match event {
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
    Ok(answers)
}

async fn answer(runtime: &Runtime, request: GenerateRequest) -> Answer {
    collect(runtime.generate(request).await.unwrap()).await.unwrap().swap_remove(0)
}

#[tokio::test]
async fn greedy_ids_are_those_of_transformers() {
    let runtime = start(RuntimeOptions::default());
    for (model, reference) in decoders() {
        let mut worst = 0.0_f32;
        for prompt in &reference.prompts {
            let text = GeneratePrompt::Text(prompt.prompt.clone());
            let whole = GenerateRequest {
                ignore_end: true,
                ..request(&model, GeneratePrompt::Tokens(prompt.prompt_ids.clone()), prompt.greedy_ids.len())
            };
            let found = answer(&runtime, whole).await;
            assert_eq!(found.ids, prompt.greedy_ids, "{model}: {:?}", prompt.prompt);
            assert_eq!(found.reason, Some(FinishReason::Length));
            assert_eq!(found.first.len(), prompt.first_step_top5.len());
            for ((id, logprob), (expected_id, expected)) in found.first.iter().zip(&prompt.first_step_top5) {
                assert_eq!(id, expected_id, "{model}");
                worst = worst.max((logprob - expected).abs());
            }
            // Tokenised here, and ended where the model ends it.
            let found = answer(&runtime, request(&model, text, prompt.greedy_ids.len())).await;
            assert_eq!(found.ids, prompt.greedy_ids[..found.ids.len()], "{model}: {:?}", prompt.prompt);
            assert!(found.ids.len() == prompt.greedy_ids.len() || found.reason == Some(FinishReason::Stop));
        }
        println!("{model}: log probabilities within {worst:.1e}");
        assert!(worst < 1e-3, "{model}: {worst}");
    }
}

#[tokio::test]
async fn conversations_are_rendered_as_by_transformers() {
    let runtime = start(RuntimeOptions::default());
    for (model, reference) in decoders() {
        let now: jiff::Timestamp = format!("{}Z", reference.now).parse().unwrap();
        for expected in reference.conversations {
            let conversation = Conversation {
                messages: expected.messages,
                tools: expected.tools.unwrap_or_default(),
                add_generation_prompt: expected.add_generation_prompt,
                variables: expected.variables,
                now: Some(now.as_second()),
            };
            let found = runtime.render(&model, &conversation).await;
            match (expected.rendered, expected.error) {
                (Some(rendered), _) => assert_eq!(found.unwrap(), rendered, "{model}: {}", expected.name),
                (None, Some(error)) => {
                    let BackendError::InvalidInput { field, reason, .. } = found.unwrap_err() else {
                        panic!("{model}")
                    };
                    assert_eq!(field, "messages");
                    assert!(reason.contains(&error), "{model}: {reason}");
                }
                (None, None) => panic!("{model}: {} says neither", expected.name),
            }
        }
    }
}

/// Requests of random length join, leave early, are stopped, share beginnings, are read in parts and outgrow the cache; each
/// gets what it gets alone.
#[tokio::test(flavor = "multi_thread")]
async fn alone_equals_together() {
    for (model, reference) in decoders() {
        let mut random = ChaCha8Rng::seed_from_u64(16);
        let alone = start(RuntimeOptions { parallel: 1, ..RuntimeOptions::default() });
        // So little memory that sequences give their rows to others and come back.
        let together = start(RuntimeOptions {
            parallel: 6,
            prompt_part: 32,
            cache_bytes: Some(400_000),
            ..RuntimeOptions::default()
        });
        let mut below = |most: usize| random.next_u32() as usize % most;
        let prompts: Vec<GenerateRequest> = (0..16)
            .map(|index| {
                let prompt = &reference.prompts[index % reference.prompts.len()];
                let mut ids = prompt.prompt_ids.clone();
                // Some begin like others and go on differently; some are several parts long.
                ids.extend(prompt.greedy_ids.iter().take(below(64) * usize::from(index >= 6)));
                if index % 5 == 4 {
                    ids = ids.repeat(4);
                }
                ids.truncate(200 + below(50));
                let leaves = index % 4 == 3;
                let tokens = if leaves { 150 } else { 3 + below(70) };
                let mut request = request(&model, GeneratePrompt::Tokens(ids), tokens);
                request.id = format!("request {index}");
                request.ignore_end = leaves || index % 2 == 0;
                request.choices = 1 + index % 2;
                request
            })
            .collect();
        let mut expected = Vec::new();
        for request in &prompts {
            expected.push(collect(alone.generate(request.clone()).await.unwrap()).await.unwrap());
        }
        let longest = prompts.iter().zip(&expected).map(|(request, answers)| match &request.prompt {
            GeneratePrompt::Tokens(ids) => ids.len() + answers[0].ids.len(),
            _ => 0,
        });
        assert!(longest.max() > Some(256), "{model}: no row outgrows the first cache");
        let tasks: Vec<_> = prompts
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, request)| {
                let (runtime, pause) = (together.clone(), below(20) as u64);
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
                    let mut generation = runtime.generate(request.clone()).await.unwrap();
                    if index % 4 == 3 {
                        // Its client leaves after the first event, or somebody stops it then.
                        generation.next().await.unwrap().unwrap();
                        if index % 8 == 3 {
                            drop(generation);
                        } else {
                            runtime.stop(Some(&request.id));
                            collect(generation).await.unwrap();
                        }
                        return None;
                    }
                    Some(collect(generation).await.unwrap())
                })
            })
            .collect();
        for (index, (task, expected)) in tasks.into_iter().zip(expected).enumerate() {
            let Some(found) = task.await.unwrap() else { continue };
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.ids, expected.ids, "{model}: request {index}");
                assert_eq!((&found.text, found.reason), (&expected.text, expected.reason));
            }
        }
        let idle = async {
            while together.metrics().generation.iter().any(|model| model.waiting + model.running > 0) {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), idle).await.unwrap();
        assert!(together.generating().is_empty());
        let metrics = together.metrics().generation.swap_remove(0);
        println!(
            "{model}: {} cached tokens, {} parts of {} prompts, {} preempted, {} cancelled, {} bytes of cache",
            metrics.cached_tokens,
            metrics.prefill.count(),
            metrics.queue_wait.count(),
            metrics.preempted,
            metrics.cancelled,
            metrics.cache_bytes
        );
        assert!(metrics.cached_tokens > 0, "{model}: no prompt began like another");
        assert!(metrics.prefill.count() > metrics.queue_wait.count(), "{model}: no prompt was read in parts");
        assert!(metrics.cancelled > 0, "{model}: nobody left");
        assert!(metrics.cache_bytes <= 400_000, "{model}: {}", metrics.cache_bytes);
    }
}

#[tokio::test]
async fn a_second_turn_reads_only_what_is_new() {
    let runtime = start(RuntimeOptions::default());
    for (model, reference) in decoders() {
        let prompt = reference.prompts.iter().max_by_key(|prompt| prompt.prompt_ids.len()).unwrap();
        let first =
            answer(&runtime, request(&model, GeneratePrompt::Tokens(prompt.prompt_ids.clone()), 8)).await;
        assert_eq!(first.cached, 0);
        let mut ids = prompt.prompt_ids.clone();
        ids.extend(&first.ids);
        let known = ids.len() - 1;
        ids.extend([10, 11, 12]);
        let second = answer(&runtime, request(&model, GeneratePrompt::Tokens(ids.clone()), 8)).await;
        assert_eq!(second.cached, known, "{model}: the last token of an answer was never read");
        let fresh = start(RuntimeOptions::default());
        let expected = answer(&fresh, request(&model, GeneratePrompt::Tokens(ids), 8)).await;
        assert_eq!(second.ids, expected.ids);
    }
}

#[tokio::test]
async fn stopping_keeps_the_text_and_says_why() {
    let runtime = start(RuntimeOptions::default());
    let (model, reference) = decoders().swap_remove(0);
    let prompt = GeneratePrompt::Tokens(reference.prompts[0].prompt_ids.clone());
    let request = GenerateRequest { ignore_end: true, ..request(&model, prompt, 400) };
    let mut generation = runtime.generate(request.clone()).await.unwrap();
    generation.next().await.unwrap().unwrap();
    assert_eq!(runtime.generating()[0].request_id, request.id);
    assert!(runtime.stop(Some("another")).is_empty());
    assert_eq!(runtime.stop(Some(&request.id)), std::slice::from_ref(&request.id));
    let rest = collect(generation).await.unwrap().swap_remove(0);
    assert_eq!(rest.reason, Some(FinishReason::Stop));
    assert!(rest.ids.len() < 400);
    assert!(runtime.generating().is_empty() && runtime.stop(None).is_empty());
}

#[tokio::test]
async fn an_answer_is_stopped_by_its_own_id_among_those_of_one_request_id() {
    let runtime = start(RuntimeOptions::default());
    let (model, reference) = decoders().swap_remove(0);
    let prompt = GeneratePrompt::Tokens(reference.prompts[0].prompt_ids.clone());
    let request = GenerateRequest { ignore_end: true, ..request(&model, prompt, 400) };
    let mut generations = Vec::new();
    for answer in ["resp_1", "resp_2"] {
        let generation = runtime.generate(request.clone()).await.unwrap();
        generation.answers_as(answer.to_owned());
        generations.push(generation);
    }
    assert!(runtime.stop(Some("resp_3")).is_empty());
    assert_eq!(runtime.stop(Some("resp_2")), std::slice::from_ref(&request.id));
    let second = collect(generations.pop().unwrap()).await.unwrap().swap_remove(0);
    assert_eq!(second.reason, Some(FinishReason::Stop));
    assert!(second.ids.len() < 400);
    let first = collect(generations.pop().unwrap()).await.unwrap().swap_remove(0);
    assert_eq!((first.reason, first.ids.len()), (Some(FinishReason::Length), 400));
    assert!(runtime.stop(Some("resp_2")).is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_work_within_one_step() {
    let runtime = start(RuntimeOptions::default());
    for (model, reference) in decoders() {
        let prompt = GeneratePrompt::Tokens(reference.prompts[0].prompt_ids.clone());
        let asked = GenerateRequest { ignore_end: true, choices: 4, ..request(&model, prompt, 400) };
        let mut generation = runtime.generate(asked).await.unwrap();
        let mut begun = [false; 4];
        while !begun.iter().all(|begun| *begun) {
            match generation.next().await.unwrap().unwrap() {
                GenerationEvent::Delta { choice, .. } => begun[choice] = true,
                GenerationEvent::End { .. } => panic!("{model}: it ended before all had begun"),
            }
        }
        let metrics = || {
            let all = runtime.metrics().generation;
            all.into_iter().find(|found| found.model == model).unwrap()
        };
        drop(generation);
        // The turn that was under way then may read the last prompt and give each sequence one more.
        let told = metrics().output_tokens;
        let idle = async {
            while metrics().running > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), idle).await.unwrap();
        let found = metrics();
        assert!(found.output_tokens <= told + 5, "{model}: {} tokens after {told}", found.output_tokens);
        assert_eq!((found.cancelled, found.ended, found.waiting), (4, 0, 0), "{model}");
    }
}

#[tokio::test]
async fn what_cannot_be_generated_is_refused_with_its_field() {
    let runtime = start(RuntimeOptions { generation_queue: 2, ..RuntimeOptions::default() });
    let (model, _) = decoders().swap_remove(0);
    let refused = async |change: &dyn Fn(&mut GenerateRequest)| {
        let mut request = request(&model, GeneratePrompt::Text("hello".to_owned()), 4);
        change(&mut request);
        match runtime.generate(request).await.unwrap_err() {
            BackendError::InvalidInput { field, .. } => field,
            other => panic!("{other}"),
        }
    };
    assert_eq!(refused(&|request| request.model = Some("tabagent-embed".to_owned())).await, "model");
    assert_eq!(refused(&|request| request.choices = 0).await, "n");
    // More than may ever wait: to come back would be in vain.
    assert_eq!(refused(&|request| request.choices = 3).await, "n");
    assert_eq!(refused(&|request| request.max_tokens = Some(0)).await, "max_tokens");
    assert_eq!(refused(&|request| request.sampling.temperature = Some(3.0)).await, "temperature");
    assert_eq!(refused(&|request| request.sampling.logit_bias = vec![(1 << 30, 1.0)]).await, "logit_bias");
    assert_eq!(refused(&|request| request.prompt = GeneratePrompt::Tokens(vec![1 << 30])).await, "prompt[0]");
    assert_eq!(
        refused(&|request| request.prompt = GeneratePrompt::Text("word ".repeat(5000))).await,
        "prompt"
    );
}

#[tokio::test]
async fn settings_that_leave_no_room_for_a_token_are_named() {
    for context in [0, 1] {
        let options = RuntimeOptions { context: Some(context), ..RuntimeOptions::default() };
        match Runtime::start(options).unwrap_err() {
            BackendError::ConfigurationError { setting, reason } => {
                assert!(setting == "context" && reason.contains("--context"), "{setting}: {reason}");
            }
            other => panic!("{other}"),
        }
    }
    let runtime = start(RuntimeOptions { cache_bytes: Some(1), ..RuntimeOptions::default() });
    for (model, _) in decoders() {
        let asked = request(&model, GeneratePrompt::Text("hello".to_owned()), 4);
        match runtime.generate(asked).await.unwrap_err() {
            BackendError::ConfigurationError { setting, reason } => {
                assert!(setting == "cache" && reason.contains("--cache"), "{setting}: {reason}");
                assert!(reason.contains(&format!("model `{model}`")), "{reason}");
            }
            other => panic!("{other}"),
        }
    }
    // The shortest context there is: one token of a prompt and one of its answer.
    let runtime = start(RuntimeOptions { context: Some(2), ..RuntimeOptions::default() });
    let (model, reference) = decoders().swap_remove(0);
    let prompt = GeneratePrompt::Tokens(reference.prompts[0].prompt_ids[..1].to_vec());
    assert_eq!(answer(&runtime, request(&model, prompt, 4)).await.ids.len(), 1);
}

#[tokio::test]
async fn several_prompts_are_admitted_together_or_not_at_all() {
    let runtime = start(RuntimeOptions { generation_queue: 4, parallel: 1, ..RuntimeOptions::default() });
    let (model, reference) = decoders().swap_remove(0);
    let ids = |index: usize| GeneratePrompt::Tokens(reference.prompts[index].prompt_ids.clone());
    let asked = |choices| GenerateRequest { choices, ignore_end: true, ..request(&model, ids(0), 4) };
    let begun = runtime.generate_all(asked(2), vec![ids(1)]).await.unwrap();
    for (generation, prompt) in begun.into_iter().zip(&reference.prompts) {
        assert_eq!(generation.prompt_tokens, prompt.prompt_ids.len());
        for answer in collect(generation).await.unwrap() {
            assert_eq!(answer.ids, prompt.greedy_ids[..4], "{:?}", prompt.prompt);
        }
    }
    // Each prompt alone has room, all together never have, however idle the server is.
    for (choices, prompts, fault, way_out) in [
        (2, 3, "n", "ask for at most 1,"),
        (4, 2, "n", "ask for at most 2,"),
        (5, 1, "n", "ask for at most 4"),
        (1, 5, "prompt", "send at most 4"),
    ] {
        match runtime.generate_all(asked(choices), vec![ids(1); prompts - 1]).await.unwrap_err() {
            BackendError::InvalidInput { field, reason, .. } => {
                assert!(field == fault && reason.contains(way_out), "{field}: {reason}");
            }
            other => panic!("{other}"),
        }
    }
    // One runs and three wait: there is room for one more and not for two.
    let mut running = runtime.generate(GenerateRequest { max_tokens: Some(400), ..asked(1) }).await.unwrap();
    running.next().await.unwrap().unwrap();
    let waiting = runtime.generate(asked(3)).await.unwrap();
    let refused = runtime.generate_all(asked(1), vec![ids(1)]).await.unwrap_err();
    assert!(matches!(refused, BackendError::ResourceLimitExceeded { limit: 4, current: 3, .. }), "{refused}");
    assert_eq!(runtime.metrics().generation[0].waiting, 3, "none of the two was admitted");
    let last = runtime.generate(asked(1)).await.unwrap();
    drop(running);
    assert_eq!(collect(waiting).await.unwrap().len() + collect(last).await.unwrap().len(), 4);
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
        let asked = GenerateRequest {
            sampling: SamplingRequest::default(),
            model: None,
            ..request("unused", prompt, 64)
        };
        let answer = answer(&runtime, asked).await;
        assert!(answer.text.contains(expected), "{question} {answer:?}");
        assert_eq!(answer.reason, Some(FinishReason::Stop), "{question} {answer:?}");
    }
}
