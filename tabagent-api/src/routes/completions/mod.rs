//! POST /v1/completions: OpenAI's completions of plain text.

mod request;
mod response;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::pin::Pin;

use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use tabagent_runtime::{Constraint, GeneratePrompt, GenerateRequest, Generation, GenerationEvent, Runtime};

use super::generation::{EndReason, GenerationUsage, StopTexts, StreamOptions, now, sampling};
use super::inference::InferenceError;
use crate::stream::JsonOrEvents;
use crate::{ApiError, Component, EventStream, Json, JsonOrStream, RequestId, route};
pub use request::{CompletionPrompt, CompletionRequest};
pub use response::{Completion, CompletionChoice, CompletionLogprobs};

/// Continue texts.
///
/// The text is given to the model as it is, with the tokenizer's special tokens and no chat template. With `stream` the
/// answers come as they are generated, and end with `data: [DONE]`. A client that leaves stops the work.
#[route(
    POST, "/v1/completions",
    tag = "inference",
    alias = ["/completions"],
    stream,
    timeout = "1h",
    tests = [
        case("one text", json = { "model": "tabagent-chat", "prompt": "The server listens on", "temperature": 0, "max_tokens": 4, "echo": true }, status = 200,
            check = begins_with_its_prompt),
        case("several texts", json = { "model": "tabagent-chat", "prompt": ["one", "two"], "n": 2, "seed": 1, "max_tokens": 2, "logprobs": 1, "ignore_eos": true }, status = 200,
            check = has_four_answers),
        case("token ids as a stream", json = { "model": "tabagent-chat", "prompt": [72, 73, 74], "max_tokens": 3, "stream": true, "ignore_eos": true }, status = 200,
            check = |body: &Body| matches!(body, JsonOrEvents::Events(chunks) if chunks.iter().flat_map(|chunk| &chunk.choices).filter(|choice| choice.finish_reason.is_some()).count() == 1)),
        case("one of these texts", json = { "model": "tabagent-chat", "prompt": "Yes or no?", "n": 3, "seed": 3, "structured_outputs": { "choice": ["yes", "no"] } }, status = 200,
            check = |body: &Body| matches!(body, JsonOrEvents::Json(completion) if completion.choices.iter().all(|choice| matches!(choice.text.as_str(), "yes" | "no") && choice.finish_reason == Some(EndReason::Stop)))),
        case("fields that are null", json = { "model": "tabagent-chat", "prompt": ["one", "two"], "n": 2, "seed": 1, "max_tokens": 2, "logprobs": 1, "ignore_eos": true, "echo": null, "stream": null, "stream_options": null, "suffix": null, "best_of": 2 }, status = 200,
            check = has_four_answers),
        case("the best of several", json = { "model": "tabagent-chat", "prompt": "Hi", "best_of": 3 }, problem = InferenceError::Invalid),
        case("a text in front of another", json = { "model": "tabagent-chat", "prompt": "Hi", "suffix": "!" }, problem = InferenceError::Invalid),
        case("a regular expression that is none", json = { "model": "tabagent-chat", "prompt": "Hi", "structured_outputs": { "regex": "(" } }, problem = InferenceError::Invalid),
        case("two forms", json = { "model": "tabagent-chat", "prompt": "Hi", "structured_outputs": { "regex": "a", "choice": ["b"] } }, problem = InferenceError::Invalid),
        case("a form of another server", json = { "model": "tabagent-chat", "prompt": "Hi", "grammar": "root ::= \"a\"" }, problem = ApiError::RequestInvalid),
        case("no prompt", json = { "model": "tabagent-chat" }, problem = ApiError::RequestInvalid),
        case("a token that the model lacks", json = { "model": "tabagent-chat", "prompt": [4000000000] }, problem = InferenceError::Invalid),
        case("more answers than may ever wait", json = { "model": "tabagent-chat", "prompt": ["a", "b", "c"], "n": 128, "max_tokens": 1 }, problem = InferenceError::Invalid),
        case("unknown model", json = { "model": "nobody/nothing", "prompt": "Hi" }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a long prompt; the journeys in tests/ have them"),
    ],
)]
pub async fn completions(
    runtime: Component<Runtime>,
    RequestId(id): RequestId,
    Json(request): Json<CompletionRequest>,
) -> Result<JsonOrStream<Completion, Completion>, InferenceError> {
    let stream = request.stream == Some(true);
    let mut work = Work::begin(&runtime, &id, request).await?;
    if stream {
        return Ok(JsonOrStream::Stream(EventStream::new(chunks(work)).with_done()));
    }
    let mut choices: BTreeMap<usize, CompletionChoice> = BTreeMap::new();
    while let Some(part) = work.parts.next().await {
        let part = part?;
        work.count(&part);
        match choices.entry(part.choice.index) {
            Entry::Vacant(place) => {
                place.insert(part.choice);
            }
            Entry::Occupied(mut place) => place.get_mut().append(part.choice),
        }
    }
    let usage = Some(Some(work.usage));
    Ok(JsonOrStream::Json(work.completion(choices.into_values().collect(), usage)))
}

/// A part of one answer, and the counts that come with its end.
struct Part {
    choice: CompletionChoice,
    /// Tokens of the answer, and those of its prompt that were cached.
    counts: Option<(usize, usize)>,
}

type Parts = Pin<Box<dyn Stream<Item = Result<Part, InferenceError>> + Send>>;

/// The answers of a request.
struct Work {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    /// Parts of all answers, as they come.
    parts: SelectAll<Parts>,
    usage: GenerationUsage,
    /// How many there are to each prompt.
    answers: usize,
}

impl Work {
    async fn begin(runtime: &Runtime, id: &str, request: CompletionRequest) -> Result<Self, InferenceError> {
        let include_usage = StreamOptions::usage(request.stream_options, request.stream)?;
        request.refuse()?;
        let echoed = request.echo == Some(true);
        let sampling = sampling!(&request)?;
        if echoed && request.logprobs.is_some() {
            return Err(InferenceError::invalid(
                "echo",
                "cannot be had together with `logprobs`; send one of them",
            ));
        }
        let text = request.structured_outputs.as_ref().map(|outputs| outputs.text("structured_outputs"));
        let constraint = text.transpose()?.map(|text| Constraint { text: Some(text), calls: None });
        let answers = request.n.unwrap_or(1) as usize;
        let logprobs = request.logprobs.map(|count| count as usize);
        let prompts: Vec<GeneratePrompt> = match request.prompt {
            CompletionPrompt::Text(text) => vec![GeneratePrompt::Text(text)],
            CompletionPrompt::Texts(texts) => texts.into_iter().map(GeneratePrompt::Text).collect(),
            CompletionPrompt::Tokens(ids) => vec![GeneratePrompt::Tokens(ids)],
            CompletionPrompt::TokenLists(lists) => lists.into_iter().map(GeneratePrompt::Tokens).collect(),
        };
        let echoes = prompts.iter().map(|prompt| echo(prompt, echoed)).collect::<Result<Vec<_>, _>>()?;
        let mut prompts = prompts.into_iter();
        let Some(prompt) = prompts.next() else {
            return Err(InferenceError::invalid("prompt", "is empty; give at least one text"));
        };
        let asked = GenerateRequest {
            id: id.to_owned(),
            model: request.model,
            prompt,
            sampling,
            max_tokens: Some(request.max_tokens.map_or(16, |count| count as usize)),
            constraint,
            stop: StopTexts::list(request.stop),
            ignore_end: request.ignore_eos == Some(true),
            choices: answers,
            logprobs,
            deadline: None,
        };
        let begun = runtime.generate_all(asked, prompts.collect()).await?;
        let mut work = Self {
            id: id.to_owned(),
            created: now(),
            model: String::new(),
            include_usage,
            parts: SelectAll::new(),
            usage: GenerationUsage::default(),
            answers,
        };
        for (at, (generation, echo)) in begun.into_iter().zip(echoes).enumerate() {
            work.model.clone_from(&generation.model);
            work.usage.prompt_tokens += generation.prompt_tokens as u64;
            work.usage.total_tokens += generation.prompt_tokens as u64;
            work.parts.push(parts(generation, at * answers, answers, logprobs.is_some(), echo));
        }
        Ok(work)
    }

    fn count(&mut self, part: &Part) {
        if let Some((completion_tokens, cached_tokens)) = part.counts {
            self.usage.add(part.choice.index % self.answers, completion_tokens, cached_tokens);
        }
    }

    fn completion(
        &self,
        choices: Vec<CompletionChoice>,
        usage: Option<Option<GenerationUsage>>,
    ) -> Completion {
        Completion {
            id: self.id.clone(),
            object: "text_completion".to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices,
            usage,
        }
    }
}

/// What each answer to a prompt begins with, where the prompt is asked for.
fn echo(prompt: &GeneratePrompt, asked: bool) -> Result<Option<String>, InferenceError> {
    match prompt {
        _ if !asked => Ok(None),
        GeneratePrompt::Text(text) => Ok(Some(text.clone())),
        _ => Err(InferenceError::invalid("echo", "needs texts; these are token ids")),
    }
}

/// The parts of the answers to one prompt, whose first one has the number `first`; each begins with `echo`.
fn parts(
    generation: Generation,
    first: usize,
    answers: usize,
    logprobs: bool,
    echo: Option<String>,
) -> Parts {
    let begin = move |index| Part {
        choice: CompletionChoice {
            index: first + index,
            text: echo.clone().unwrap_or_default(),
            logprobs: logprobs.then(CompletionLogprobs::default),
            finish_reason: None,
        },
        counts: None,
    };
    let begun: Vec<_> = (0..answers).map(|index| Ok(begin(index))).collect();
    let offsets = vec![0_usize; answers];
    let rest = stream::unfold((generation, offsets), move |(mut generation, mut offsets)| async move {
        let part = match generation.next().await? {
            Ok(GenerationEvent::Delta { choice, text, tokens }) => {
                let logprobs =
                    logprobs.then(|| CompletionLogprobs::of(&generation, &tokens, &mut offsets[choice]));
                Ok(Part {
                    choice: CompletionChoice { index: first + choice, text, logprobs, finish_reason: None },
                    counts: None,
                })
            }
            Ok(GenerationEvent::End { choice, reason, completion_tokens, cached_tokens }) => Ok(Part {
                choice: CompletionChoice {
                    index: first + choice,
                    text: String::new(),
                    logprobs: None,
                    finish_reason: Some(reason.into()),
                },
                counts: Some((completion_tokens, cached_tokens)),
            }),
            Err(error) => Err(error.into()),
        };
        Some((part, (generation, offsets)))
    });
    Box::pin(stream::iter(begun).chain(rest))
}

/// The chunks of the answers, and the usage after them, where it is asked for.
fn chunks(work: Work) -> impl Stream<Item = Result<Completion, InferenceError>> + Send {
    stream::unfold(Some(work), async |work| {
        let mut work = work?;
        loop {
            return match work.parts.next().await {
                Some(Ok(part)) => {
                    work.count(&part);
                    let choice = part.choice;
                    let tells = choice.finish_reason.is_some()
                        || !choice.text.is_empty()
                        || choice.logprobs.as_ref().is_some_and(|logprobs| !logprobs.tokens.is_empty());
                    if !tells {
                        continue;
                    }
                    let usage = work.include_usage.then_some(None);
                    Some((Ok(work.completion(vec![choice], usage)), Some(work)))
                }
                Some(Err(error)) => Some((Err(error), None)),
                None if work.include_usage => {
                    Some((Ok(work.completion(Vec::new(), Some(Some(work.usage)))), None))
                }
                None => None,
            };
        }
    })
}

type Body = JsonOrEvents<Completion, Completion>;

fn begins_with_its_prompt(body: &Body) -> bool {
    let JsonOrEvents::Json(completion) = body else { return false };
    let usage = completion.usage.flatten().unwrap_or_default();
    matches!(&completion.choices[..], [choice] if choice.text.starts_with("The server listens on"))
        && usage.prompt_tokens > 0
        && (1..=4).contains(&usage.completion_tokens)
}

fn has_four_answers(body: &Body) -> bool {
    let JsonOrEvents::Json(completion) = body else { return false };
    completion.choices.iter().map(|choice| choice.index).eq(0..4)
        && completion.choices.iter().all(|choice| {
            choice.finish_reason == Some(EndReason::Length)
                && choice.logprobs.as_ref().is_some_and(|logprobs| {
                    logprobs.tokens.len() == 2 && logprobs.top_logprobs.iter().all(|top| !top.is_empty())
                })
        })
}
