//! Constraints on real decoders with random weights, which write anything that they are not kept from.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "helpers of tests fail as tests do, and say what they counted"
)]

mod schemas;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use serde_json::{Value, json, value::RawValue};
use tabagent_runtime::{
    BackendError, CallConstraint, CallableTool, Constraint, Conversation, FinishReason, GeneratePrompt,
    GenerateRequest, Generation, GenerationEvent, MarkupParser, Piece, Runtime, RuntimeOptions,
    SamplingRequest, TextConstraint, TextForm, device::Device,
};

/// Two kinds of vocabulary, of bytes and of SentencePiece, and a model with more logits than tokens.
const MODELS: [&str; 3] = ["llama-gqa", "phi3-gqa", "qwen3-gqa"];

fn start(options: RuntimeOptions) -> Runtime {
    let models_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders");
    Runtime::start(RuntimeOptions { models_dir, device: Device::Cpu, ..options }).unwrap()
}

fn form(form: TextForm) -> Option<Constraint> {
    let text = TextConstraint { field: "format".to_owned(), form };
    Some(Constraint { text: Some(text), calls: None })
}

fn schema(schema: Value) -> Option<Constraint> {
    form(TextForm::JsonSchema { schema, strict: true })
}

fn request(model: &str, constraint: Option<Constraint>, seed: u64) -> GenerateRequest {
    GenerateRequest {
        sampling: SamplingRequest {
            temperature: Some(1.0),
            top_k: Some(0),
            top_p: Some(1.0),
            seed: Some(seed),
            ..SamplingRequest::default()
        },
        constraint,
        ..GenerateRequest::greedy(
            format!("test {model} {seed}"),
            model,
            GeneratePrompt::Text(format!("answer {seed}")),
            300,
        )
    }
}

/// What one sequence came to.
#[derive(Debug, Default, Clone, PartialEq)]
struct Answer {
    text: String,
    ids: Vec<u32>,
    reason: Option<FinishReason>,
}

/// What each of its sequences came to.
async fn collect(mut generation: Generation) -> Result<Vec<Answer>, BackendError> {
    let mut answers: Vec<Answer> = Vec::new();
    while let Some(event) = generation.next().await {
        let event = event?;
        let (GenerationEvent::Delta { choice, .. } | GenerationEvent::End { choice, .. }) = event;
        answers.resize_with(answers.len().max(choice + 1), Answer::default);
        match event {
            GenerationEvent::Delta { text, tokens, .. } => {
                answers[choice].text.push_str(&text);
                answers[choice].ids.extend(tokens.iter().map(|token| token.id));
            }
            GenerationEvent::End { reason, .. } => answers[choice].reason = Some(reason),
        }
    }
    Ok(answers)
}

async fn answers(runtime: &Runtime, request: GenerateRequest) -> Vec<Answer> {
    collect(runtime.generate(request).await.unwrap()).await.unwrap()
}

/// What each request came to, all of them at once.
async fn together(runtime: &Runtime, requests: Vec<GenerateRequest>) -> Vec<Answer> {
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let runtime = runtime.clone();
            tokio::spawn(async move { answers(&runtime, request).await.swap_remove(0) })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_random_schemas_parse_and_validate() {
    let runtime = start(RuntimeOptions::default());
    let mut ended = 0;
    for (part, model) in MODELS.into_iter().enumerate() {
        let seeds: Vec<u64> = (0..100).map(|seed| 100 * part as u64 + seed).collect();
        let requests =
            seeds.iter().map(|seed| request(model, schema(schemas::schema(*seed)), *seed)).collect();
        for (seed, answer) in seeds.iter().zip(together(&runtime, requests).await) {
            if answer.reason != Some(FinishReason::Stop) {
                continue;
            }
            ended += 1;
            let schema = schemas::schema(*seed);
            let value: Value = serde_json::from_str(&answer.text)
                .unwrap_or_else(|error| panic!("{model} {seed}: {error}: {:?}", answer.text));
            let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
            if let Err(error) = validator.validate(&value) {
                panic!("{model} {seed}: {error}\n{schema}\n{}", answer.text);
            }
        }
    }
    println!("{ended} of 300 ended by themselves");
    assert!(ended >= 200, "{ended}");
    let guided: u64 = runtime.metrics().generation.iter().map(|model| model.guide.count()).sum();
    println!("{guided} tokens were guided");
    assert!(guided > 0);
}

/// Sequences that give their rows to others and come back go on where their grammar was.
#[tokio::test(flavor = "multi_thread")]
async fn alone_equals_together_under_constraints() {
    for model in MODELS {
        let alone = start(RuntimeOptions { parallel: 1, ..RuntimeOptions::default() });
        let tight =
            start(RuntimeOptions { parallel: 6, cache_bytes: Some(400_000), ..RuntimeOptions::default() });
        let requests: Vec<GenerateRequest> = (0..24)
            .map(|seed| match seed % 4 {
                3 => request(model, None, seed),
                _ => request(model, schema(schemas::schema(1000 + seed)), seed),
            })
            .collect();
        let found = together(&tight, requests.clone()).await;
        for (request, found) in requests.into_iter().zip(found) {
            let id = request.id.clone();
            assert_eq!(found, answers(&alone, request).await.swap_remove(0), "{id}");
        }
        println!("{model}: {} preempted", tight.metrics().generation[0].preempted);
    }
}

#[tokio::test]
async fn every_form_is_held() {
    let runtime = start(RuntimeOptions::default());
    for model in MODELS {
        let held = async |wanted: TextForm, fits: &dyn Fn(&str) -> bool| {
            let mut asked = request(model, form(wanted.clone()), 7);
            asked.choices = 4;
            let found = answers(&runtime, asked).await;
            assert_eq!(found.len(), 4);
            for answer in &found {
                let ended = answer.reason == Some(FinishReason::Stop);
                assert!(!ended || fits(&answer.text), "{model} {wanted:?}: {answer:?}");
            }
            assert!(
                found.iter().any(|answer| answer.reason == Some(FinishReason::Stop)),
                "{model} {wanted:?}"
            );
        };
        held(TextForm::Regex("[ab]{3,9}[0-9]".to_owned()), &|text| {
            let (letters, digit) = text.split_at(text.len() - 1);
            (3..=9).contains(&letters.len())
                && letters.chars().all(|c| matches!(c, 'a' | 'b'))
                && digit.parse::<u8>().is_ok()
        })
        .await;
        held(TextForm::Regex(" +x[^ ]?".to_owned()), &|text| {
            text.starts_with(' ') && text.trim().starts_with('x')
        })
        .await;
        held(TextForm::Choice(["yes", "no", "\"perhaps\""].map(str::to_owned).to_vec()), &|text| {
            ["yes", "no", "\"perhaps\""].contains(&text)
        })
        .await;
        held(
            TextForm::Lark("start: sum\nsum: NUMBER (\"+\" NUMBER){1,3}\nNUMBER: /[1-9]{1,2}/".to_owned()),
            &|text| (2..=4).contains(&text.split('+').filter(|part| part.parse::<u32>().is_ok()).count()),
        )
        .await;
        held(TextForm::JsonObject, &|text| {
            // A number may be too large for the types of Rust.
            serde_json::from_str::<HashMap<String, &RawValue>>(text).is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn other_options_hold_beside_a_constraint() {
    let runtime = start(RuntimeOptions::default());
    let digits = |count| form(TextForm::Regex(format!("[0-9]{{{count}}}")));
    for model in MODELS {
        // Where nothing can follow, the answer ends, also where the model's own ends are passed over.
        let mut asked = request(model, digits("5"), 1);
        asked.ignore_end = true;
        let found = answers(&runtime, asked).await.swap_remove(0);
        assert_eq!((found.text.len(), found.reason), (5, Some(FinishReason::Stop)), "{model}");
        // Where the grammar could end, it goes on instead.
        let mut asked = request(model, digits("2,40"), 2);
        asked.ignore_end = true;
        let found = answers(&runtime, asked).await.swap_remove(0);
        assert_eq!((found.text.len(), found.reason), (40, Some(FinishReason::Stop)), "{model}");
        // The model may end it where the grammar can, and nowhere else.
        let mut asked = request(model, digits("2,40"), 3);
        asked.choices = 8;
        for answer in answers(&runtime, asked).await {
            assert!(
                (2..=40).contains(&answer.text.len()) && answer.reason == Some(FinishReason::Stop),
                "{model}"
            );
        }
        // Limits, stop strings and the likeliest token.
        let mut asked =
            request(model, schema(json!({ "type": "array", "items": { "const": "ab" }, "minItems": 9 })), 4);
        asked.max_tokens = Some(5);
        asked.sampling.temperature = Some(0.0);
        let cut = answers(&runtime, asked.clone()).await.swap_remove(0);
        assert_eq!((cut.ids.len(), cut.reason), (5, Some(FinishReason::Length)), "{model}");
        asked.max_tokens = None;
        asked.stop = vec!["b\"".to_owned()];
        asked.sampling.min_p = Some(0.5);
        let stopped = answers(&runtime, asked).await.swap_remove(0);
        assert!(
            stopped.text.ends_with("\"a") && stopped.reason == Some(FinishReason::Stop),
            "{model} {stopped:?}"
        );
    }
}

#[tokio::test]
async fn a_form_that_cannot_be_held_is_refused_with_its_field_and_its_reason() {
    let runtime = start(RuntimeOptions::default());
    let refused = async |wanted: TextForm| {
        let asked = request("qwen3-gqa", form(wanted), 1);
        match runtime.generate(asked).await.unwrap_err() {
            BackendError::InvalidInput { field, reason, .. } => {
                assert_eq!(field, "format");
                reason
            }
            other => panic!("{other}"),
        }
    };
    let strict = |schema| TextForm::JsonSchema { schema, strict: true };
    let reason = refused(strict(json!({ "type": "object", "not": { "required": ["a"] } }))).await;
    assert!(reason.contains("not"), "{reason}");
    let reason = refused(strict(json!({ "type": "string", "minLength": 3, "maxLength": 2 }))).await;
    assert!(reason.contains("minLength"), "{reason}");
    let reason = refused(strict(json!({ "$ref": "https://example.org/schema" }))).await;
    assert!(reason.contains("example.org"), "{reason}");
    let names: Vec<String> = (0..30_000).map(|at| format!("property number {at} of many")).collect();
    let reason = refused(strict(json!({ "type": "object", "required": names }))).await;
    assert!(reason.contains("131072"), "{reason}");
    let reason = refused(strict(json!({ "const": "x".repeat(10_000) }))).await;
    assert!(reason.contains("8192"), "{reason}");
    // Too many ways to go on, from the first step.
    let properties: serde_json::Map<String, Value> =
        (0..600).map(|at| (format!("p{at}"), json!(true))).collect();
    refused(strict(json!({ "type": "object", "properties": properties }))).await;
    let rules: Vec<String> = (0..3000).map(|at| format!("a{at}: a{}", at + 1)).collect();
    refused(TextForm::Lark(format!("start: a0\n{}", rules.join("\n")))).await;
    let chain: Vec<(String, Value)> = (0..3000)
        .map(|at| (format!("d{at}"), json!({ "items": { "$ref": format!("#/$defs/d{}", at + 1) } })))
        .collect();
    let chain: serde_json::Map<String, Value> = chain.into_iter().collect();
    refused(strict(json!({ "$ref": "#/$defs/d0", "$defs": chain }))).await;
    refused(strict(json!([1]))).await;
    let reason = refused(TextForm::Regex("(?=a)b".to_owned())).await;
    assert!(reason.contains("look-ahead"), "{reason}");
    let reason = refused(TextForm::Lark("start: other".to_owned())).await;
    assert!(reason.contains("other"), "{reason}");
    refused(TextForm::Choice(Vec::new())).await;
    // Passed over where the schema need not be held whole.
    let lenient = TextForm::JsonSchema {
        schema: json!({ "type": "string", "maxLength": 3, "format": "color", "not": { "const": "a" } }),
        strict: false,
    };
    let found = answers(&runtime, request("qwen3-gqa", form(lenient), 1)).await.swap_remove(0);
    assert!(serde_json::from_str::<String>(&found.text).is_ok(), "{found:?}");
}

/// What becomes too complex on the way ends with its reason, and nothing else does.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_becomes_too_complex_ends_alone() {
    let runtime = start(RuntimeOptions::default());
    let model = "qwen3-gqa";
    let other = tokio::spawn({
        let runtime = runtime.clone();
        async move { answers(&runtime, request(model, form(TextForm::Regex("[0-9]{200}".to_owned())), 5)).await }
    });
    let ways: Vec<String> = (0..2500).map(|at| format!("\"a{at}\"")).collect();
    let grammar = format!("start: DIGITS way\nDIGITS: /[0-9]{{20}}/\nway: {}", ways.join(" | "));
    let outcome =
        collect(runtime.generate(request(model, form(TextForm::Lark(grammar)), 5)).await.unwrap()).await;
    let Err(BackendError::InvalidInput { field, reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(field == "format" && reason.contains("complex"), "{reason}");
    assert_eq!(other.await.unwrap()[0].text.len(), 200);
}

/// A grammar whose text can be read in more ways the longer it gets.
const AMBIGUOUS: &str = "start: s\ns: s s s | s s | /[a-z ]/";

/// Such a grammar takes more time for each token; it ends, and others do
/// not wait for what all of it would take.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_takes_too_long_ends_alone() {
    let runtime = start(RuntimeOptions::default());
    let model = "qwen3-gqa";
    let other = tokio::spawn({
        let runtime = runtime.clone();
        async move { answers(&runtime, request(model, form(TextForm::Regex("[0-9]{200}".to_owned())), 5)).await }
    });
    let ambiguous = form(TextForm::Lark(AMBIGUOUS.to_owned()));
    let asked = GenerateRequest { ignore_end: true, ..request(model, ambiguous, 5) };
    let outcome = collect(runtime.generate(asked).await.unwrap()).await;
    let Err(BackendError::InvalidInput { field, reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(field == "format" && (reason.contains("too long") || reason.contains("complex")), "{reason}");
    assert_eq!(other.await.unwrap()[0].text.len(), 200);
}

/// What such a grammar takes holds up its own sequence and no other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_takes_long_is_not_waited_for() {
    let runtime = start(RuntimeOptions::default());
    let model = "qwen3-gqa";
    let steps = Arc::new(AtomicUsize::new(0));
    let others = tokio::spawn({
        let (runtime, steps) = (runtime.clone(), Arc::clone(&steps));
        async move {
            loop {
                let free = GenerateRequest { ignore_end: true, ..request(model, None, 7) };
                let mut free = runtime.generate(free).await.unwrap();
                while let Some(event) = free.next().await {
                    event.unwrap();
                    steps.fetch_add(1, Relaxed);
                }
            }
        }
    });
    let ambiguous = form(TextForm::Lark(AMBIGUOUS.to_owned()));
    let asked = GenerateRequest { ignore_end: true, ..request(model, ambiguous, 5) };
    let mut slow = runtime.generate(asked).await.unwrap();
    let (mut tokens, mut begun) = (0, None);
    while let Some(Ok(_)) = slow.next().await {
        tokens += 1;
        begun.get_or_insert_with(|| steps.load(Relaxed));
    }
    let beside = steps.load(Relaxed) - begun.unwrap();
    others.abort();
    assert!(beside > tokens + 20, "{beside} steps of others in {tokens} of its own");
}

/// Calls in the marks of the model, and nothing else: one, several, or a text of a form instead.
#[tokio::test(flavor = "multi_thread")]
async fn calls_keep_the_schema_of_their_arguments() {
    let runtime = start(RuntimeOptions::default());
    let parameters = [
        json!({ "type": "object", "properties": { "n": { "$ref": "#/$defs/n" } }, "required": ["n"],
            "additionalProperties": false, "$defs": { "n": { "type": "integer", "minimum": 0, "maximum": 99 } } }),
        json!({ "type": "object", "properties": { "word": { "type": "string", "maxLength": 3 } }, "additionalProperties": false }),
    ];
    let tools: Vec<CallableTool> = parameters
        .iter()
        .enumerate()
        .map(|(at, parameters)| CallableTool {
            field: format!("tools[{at}]"),
            name: format!("tool_{at}"),
            parameters: Some(parameters.clone()),
            strict: true,
        })
        .collect();
    let form = json!({ "enum": ["yes", "<tool_call>", "<think>"] });
    let mut counts = [0; 3];
    for seed in 0..60 {
        let required = seed % 3 != 2;
        let parallel = seed % 3 == 1;
        let text = TextConstraint {
            field: "text".to_owned(),
            form: TextForm::JsonSchema { schema: form.clone(), strict: true },
        };
        let constraint = Constraint {
            text: (!required).then_some(text),
            calls: Some(CallConstraint { tools: tools.clone(), required, parallel }),
        };
        let mut asked = request("qwen3-gqa", Some(constraint), seed);
        asked.prompt = GeneratePrompt::Chat(Conversation {
            messages: vec![json!({ "role": "user", "content": "Go" })],
            add_generation_prompt: true,
            ..Conversation::default()
        });
        let generation = runtime.generate(asked).await.unwrap();
        let mut parser = MarkupParser::new(generation.markup);
        let answer = collect(generation).await.unwrap().swap_remove(0);
        if answer.reason != Some(FinishReason::Stop) {
            continue;
        }
        let mut pieces: Vec<Piece> =
            answer.text.chars().flat_map(|c| parser.push(&c.to_string(), 1)).collect();
        pieces.extend(parser.finish(false));
        let (mut calls, mut said) = (0, String::new());
        let (mut at, mut arguments) = (0, String::new());
        for piece in pieces {
            match piece {
                Piece::CallBegun { name } => at = name.strip_prefix("tool_").unwrap().parse().unwrap(),
                Piece::Arguments(part) => arguments.push_str(&part),
                Piece::CallEnd { whole } => {
                    let given: Value = serde_json::from_str(&std::mem::take(&mut arguments)).unwrap();
                    jsonschema::validate(&parameters[at], &given).unwrap();
                    assert!(whole);
                    calls += 1;
                }
                Piece::Text(text) => said.push_str(&text),
                Piece::Thought(_) => {}
            }
        }
        if calls > 0 {
            assert!(said.is_empty() && (parallel || calls == 1), "{seed}: {answer:?}");
            counts[calls.min(2) - 1] += 1;
        } else {
            let value: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{seed}: {answer:?}"));
            assert!(!required && jsonschema::is_valid(&form, &value), "{seed}: {answer:?}");
            counts[2] += 1;
        }
    }
    println!("{} with one call, {} with several, {} with text", counts[0], counts[1], counts[2]);
    assert!(counts[0] > 0 && counts[2] > 0, "{counts:?}");
}
