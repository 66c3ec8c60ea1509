//! POST /v1/completions: OpenAI's completions of plain text.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::pin::Pin;

use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tabagent_runtime::{
    GeneratePrompt, GenerateRequest, GeneratedToken, Generation, GenerationEvent, Runtime, SamplingRequest,
};

use super::generation::{EndReason, GenerationUsage, StopTexts, StreamOptions, logit_bias, now};
use super::inference::InferenceError;
use crate::stream::JsonOrEvents;
use crate::{ApiError, Component, EventStream, Json, JsonOrStream, RequestId, Schema, route};

/// Texts to be continued.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct CompletionRequest {
    /// Id of the model; the one inside the server when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What comes before: a text, a list of texts, the token ids of one text, or a list of such lists.
    #[rule(nested)]
    pub prompt: CompletionPrompt,
    /// Most tokens of an answer; 16 when absent, as OpenAI has it.
    #[rule(range(min = 1, max = 10_000_000))]
    pub max_tokens: Option<u32>,
    /// Divides the logits; 0 always takes the likeliest token. The model's author says what it is when absent.
    #[rule(range(min = 0, max = 2))]
    pub temperature: Option<f32>,
    /// Keeps the likeliest tokens that have this probability together.
    #[rule(range(min = 0, max = 1))]
    pub top_p: Option<f32>,
    /// Keeps the so many likeliest tokens; 0 keeps all.
    #[rule(range(min = 0, max = 1_000_000))]
    pub top_k: Option<u32>,
    /// Keeps tokens with at least this share of the likeliest one's probability.
    #[rule(range(min = 0, max = 1))]
    pub min_p: Option<f32>,
    /// Divides the logits of tokens that occurred, those of the prompt included; `repeat_penalty` is another name for it.
    #[serde(alias = "repeat_penalty")]
    #[rule(range(min = 0.125, max = 8))]
    pub repetition_penalty: Option<f32>,
    /// Taken from the logits of tokens that were generated, once.
    #[rule(range(min = -2, max = 2))]
    pub presence_penalty: Option<f32>,
    /// Taken from the logits of tokens that were generated, for each time.
    #[rule(range(min = -2, max = 2))]
    pub frequency_penalty: Option<f32>,
    /// Added to the logits of single tokens, by their ids.
    #[rule(items(max = 1024), each(range(min = -100, max = 100)))]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// Makes the draw repeat: the same seed gives the same text.
    pub seed: Option<i64>,
    /// How many answers to each prompt.
    #[rule(range(min = 1, max = 128))]
    pub n: Option<u32>,
    /// Whether each answer begins with its prompt; not together with `logprobs` or token ids.
    #[serde(default)]
    pub echo: bool,
    /// How many of the likeliest tokens are told in place of each.
    #[rule(range(min = 0, max = 5))]
    pub logprobs: Option<u32>,
    /// Texts that end an answer and are no part of it.
    #[rule(nested)]
    pub stop: Option<StopTexts>,
    /// Goes on where the model would end an answer, as benchmarks do.
    #[serde(default)]
    pub ignore_eos: bool,
    /// Whether the answer comes as server-sent events.
    #[serde(default)]
    pub stream: bool,
    /// What the stream tells beside the answer.
    pub stream_options: Option<StreamOptions>,
    /// Id of the end user, for OpenAI's clients; it is neither stored nor logged.
    #[rule(length(max = 512))]
    pub user: Option<String>,
}

/// What comes before.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum CompletionPrompt {
    /// One text.
    Text(#[rule(length(min = 1, max = 4_194_304))] String),
    /// Several texts.
    Texts(#[rule(items(min = 1, max = 128), each(length(min = 1, max = 4_194_304)))] Vec<String>),
    /// The token ids of one text, in the model's own vocabulary.
    Tokens(#[rule(items(min = 1, max = 1_048_576))] Vec<u32>),
    /// The token ids of several texts.
    TokenLists(#[rule(items(min = 1, max = 128), each(items(min = 1, max = 1_048_576)))] Vec<Vec<u32>>),
}

/// Answers, or a part of them.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Completion {
    /// Id of the request, the same as in the header `x-request-id`; POST /v1/generation/stop takes it.
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// When it was asked for, in seconds since 1970.
    pub created: u64,
    /// Id of the model that answered.
    pub model: String,
    /// The answers: those to the first prompt, then those to the second.
    pub choices: Vec<CompletionChoice>,
    /// Tokens that were read and generated; in a stream only in the last chunk, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<GenerationUsage>>,
}

/// An answer, or a part of one.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct CompletionChoice {
    /// Its number, from 0 on: that of its prompt times `n`, and that among the answers to it.
    pub index: usize,
    /// The text.
    pub text: String,
    /// Log probabilities, where they were asked for.
    pub logprobs: Option<CompletionLogprobs>,
    /// Why it ended; `null` while it has not.
    pub finish_reason: Option<EndReason>,
}

/// Log probabilities of an answer's tokens, one entry a token in each list.
#[derive(Debug, Default, Serialize, Deserialize, Schema)]
pub struct CompletionLogprobs {
    /// The tokens.
    pub tokens: Vec<String>,
    /// Their log probabilities.
    pub token_logprobs: Vec<f32>,
    /// The likeliest tokens in place of each, with their log probabilities.
    pub top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Where each begins in the answer, in characters.
    pub text_offset: Vec<usize>,
}

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
        case("no prompt", json = { "model": "tabagent-chat" }, problem = ApiError::RequestInvalid),
        case("a token that the model lacks", json = { "model": "tabagent-chat", "prompt": [4000000000] }, problem = InferenceError::Invalid),
        case("unknown model", json = { "model": "nobody/nothing", "prompt": "Hi" }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a long prompt; the journeys in tests/ have them"),
    ],
)]
pub async fn completions(
    runtime: Component<Runtime>,
    RequestId(id): RequestId,
    Json(request): Json<CompletionRequest>,
) -> Result<JsonOrStream<Completion, Completion>, InferenceError> {
    let stream = request.stream;
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
}

impl Work {
    async fn begin(runtime: &Runtime, id: &str, request: CompletionRequest) -> Result<Self, InferenceError> {
        let include_usage = StreamOptions::usage(request.stream_options, request.stream)?;
        let prompts: Vec<GeneratePrompt> = match request.prompt {
            CompletionPrompt::Text(text) => vec![GeneratePrompt::Text(text)],
            CompletionPrompt::Texts(texts) => texts.into_iter().map(GeneratePrompt::Text).collect(),
            CompletionPrompt::Tokens(ids) => vec![GeneratePrompt::Tokens(ids)],
            CompletionPrompt::TokenLists(lists) => lists.into_iter().map(GeneratePrompt::Tokens).collect(),
        };
        if request.echo && request.logprobs.is_some() {
            return Err(InferenceError::invalid(
                "echo",
                "cannot be had together with `logprobs`; send one of them",
            ));
        }
        let sampling = SamplingRequest {
            temperature: request.temperature,
            top_k: request.top_k.map(|count| count as usize),
            top_p: request.top_p,
            min_p: request.min_p,
            repetition_penalty: request.repetition_penalty,
            presence_penalty: request.presence_penalty,
            frequency_penalty: request.frequency_penalty,
            logit_bias: logit_bias(request.logit_bias.as_ref())?,
            seed: request.seed.map(i64::cast_unsigned),
        };
        let stop = StopTexts::list(request.stop);
        let answers = request.n.unwrap_or(1) as usize;
        let logprobs = request.logprobs.map(|count| count as usize);
        let mut work = Self {
            id: id.to_owned(),
            created: now(),
            model: String::new(),
            include_usage,
            parts: SelectAll::new(),
            usage: GenerationUsage::default(),
        };
        for (at, prompt) in prompts.into_iter().enumerate() {
            let echo = match &prompt {
                _ if !request.echo => None,
                GeneratePrompt::Text(text) => Some(text.clone()),
                _ => return Err(InferenceError::invalid("echo", "needs texts; these are token ids")),
            };
            let generation = runtime
                .generate(GenerateRequest {
                    id: id.to_owned(),
                    model: request.model.clone(),
                    prompt,
                    sampling: sampling.clone(),
                    max_tokens: Some(request.max_tokens.map_or(16, |count| count as usize)),
                    constraint: None,
                    stop: stop.clone(),
                    ignore_end: request.ignore_eos,
                    choices: answers,
                    logprobs,
                    deadline: None,
                })
                .await?;
            work.model.clone_from(&generation.model);
            work.usage.prompt_tokens += generation.prompt_tokens as u64;
            work.usage.total_tokens += generation.prompt_tokens as u64;
            work.parts.push(parts(generation, at * answers, answers, logprobs.is_some(), echo));
        }
        Ok(work)
    }

    fn count(&mut self, part: &Part) {
        if let Some((completion_tokens, cached_tokens)) = part.counts {
            self.usage.add(part.choice.index, completion_tokens, cached_tokens);
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

impl CompletionChoice {
    /// Appends what came after.
    fn append(&mut self, part: Self) {
        self.text.push_str(&part.text);
        self.finish_reason = self.finish_reason.or(part.finish_reason);
        if let (Some(all), Some(new)) = (&mut self.logprobs, part.logprobs) {
            all.tokens.extend(new.tokens);
            all.token_logprobs.extend(new.token_logprobs);
            all.top_logprobs.extend(new.top_logprobs);
            all.text_offset.extend(new.text_offset);
        }
    }
}

impl CompletionLogprobs {
    /// Of tokens that came; `offset` is where the first of them begins, and then where the next one will.
    fn of(generation: &Generation, tokens: &[GeneratedToken], offset: &mut usize) -> Self {
        let text = |id: u32| String::from_utf8_lossy(&generation.token_bytes(id)).into_owned();
        let mut all = Self::default();
        for token in tokens {
            let written = text(token.id);
            all.text_offset.push(*offset);
            *offset += written.chars().count();
            all.tokens.push(written);
            all.token_logprobs.push(token.logprob.unwrap_or_default());
            all.top_logprobs.push(token.top.iter().map(|top| (text(top.token), top.logprob)).collect());
        }
        all
    }
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
