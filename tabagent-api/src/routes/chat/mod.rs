//! POST /v1/chat/completions: OpenAI's chat.

mod request;
mod response;
mod stream;

use std::collections::BTreeMap;

use tabagent_runtime::{
    FinishReason, GeneratePrompt, GenerateRequest, GeneratedToken, Generation, GenerationEvent, Markup,
    MarkupParser, Piece, Runtime,
};

use super::generation::{EndReason, GenerationUsage, StopTexts, StreamOptions, now};
use super::inference::InferenceError;
use crate::stream::JsonOrEvents;
use crate::{ApiError, Component, EventStream, Json, JsonOrStream, RequestId, route};
pub use request::{
    ChatContent, ChatMessage, ChatRequest, ContentPart, FunctionCall, FunctionDefinition, ResponseFormat,
    Tool, ToolCall, ToolChoice, ToolKind,
};
pub use response::{
    AnswerMessage, AnswerRole, ChatChoice, ChatChunkChoice, ChatCompletion, ChatCompletionChunk, ChatDelta,
    ChatLogprobs, TokenLogprob, ToolCallDelta, TopLogprob,
};

/// Continue a conversation.
///
/// Messages become the model's prompt by its own chat template. With `stream` the answer comes as it is generated, and
/// ends with `data: [DONE]`. A client that leaves stops the work.
#[route(
    POST, "/v1/chat/completions",
    tag = "inference",
    alias = ["/chat/completions"],
    stream,
    timeout = "1h",
    tests = [
        case("a question", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 16,
            "messages": [{ "role": "user", "content": "Who are you?" }],
        }, status = 200, check = is_one_answer),
        case("a stream", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 8, "stream": true,
            "stream_options": { "include_usage": true },
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": [{ "type": "text", "text": "Hello" }] }],
        }, status = 200, check = is_a_whole_stream),
        case("log probabilities and two answers", json = {
            "model": "tabagent-chat", "n": 2, "seed": 7, "max_tokens": 4, "logprobs": true, "top_logprobs": 2,
            "messages": [{ "role": "user", "content": "Hello" }],
        }, status = 200, check = has_two_answers_with_logprobs),
        case("no messages", json = { "model": "tabagent-chat", "messages": [] }, problem = ApiError::RequestInvalid),
        case("unknown field", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "temprature": 1 }, problem = ApiError::RequestInvalid),
        case("unknown role", json = { "model": "tabagent-chat", "messages": [{ "role": "robot", "content": "Hi" }] }, problem = ApiError::RequestInvalid),
        case("a message without content", json = { "model": "tabagent-chat", "messages": [{ "role": "user" }] }, problem = ApiError::RequestInvalid),
        case("an embedding model", json = { "model": "tabagent-embed", "messages": [{ "role": "user", "content": "Hi" }] }, problem = InferenceError::Invalid),
        case("unknown model", json = { "model": "nobody/nothing", "messages": [{ "role": "user", "content": "Hi" }] }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a long prompt; the journeys in tests/ have them"),
    ],
)]
pub async fn chat_completions(
    runtime: Component<Runtime>,
    RequestId(id): RequestId,
    Json(request): Json<ChatRequest>,
) -> Result<JsonOrStream<ChatCompletion, ChatCompletionChunk>, InferenceError> {
    let created = now();
    let usage = StreamOptions::usage(request.stream_options, request.stream)?;
    let logprobs = request.logprobs()?;
    let generation = runtime
        .generate(GenerateRequest {
            id: id.to_string(),
            prompt: GeneratePrompt::Chat(request.conversation()?),
            sampling: request.sampling()?,
            max_tokens: request.limit()?,
            choices: request.n.unwrap_or(1) as usize,
            logprobs,
            constraint: None,
            stop: StopTexts::list(request.stop),
            ignore_end: false,
            deadline: None,
            model: request.model,
        })
        .await?;
    let head =
        Head { id: id.to_string(), created, model: generation.model.clone(), logprobs: logprobs.is_some() };
    if request.stream {
        let chunks = stream::chunks(head, generation, request.n.unwrap_or(1) as usize, usage);
        return Ok(JsonOrStream::Stream(EventStream::new(chunks).with_done()));
    }
    Ok(JsonOrStream::Json(whole(head, generation).await?))
}

/// What every part of an answer says of it.
#[derive(Debug, Clone)]
struct Head {
    id: String,
    created: u64,
    model: String,
    logprobs: bool,
}

/// What came of one answer so far.
struct Answer {
    parser: MarkupParser,
    text: String,
    thoughts: String,
    calls: Vec<ToolCall>,
    tokens: Vec<TokenLogprob>,
}

impl Answer {
    fn new(markup: Markup) -> Self {
        Self {
            parser: MarkupParser::new(markup),
            text: String::new(),
            thoughts: String::new(),
            calls: Vec::new(),
            tokens: Vec::new(),
        }
    }

    fn take(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.text.push_str(&text),
                Piece::Thought(thought) => self.thoughts.push_str(&thought),
                Piece::Call { name, arguments } => self.calls.push(ToolCall {
                    id: call_id(),
                    r#type: ToolKind::Function,
                    function: FunctionCall { name, arguments },
                }),
            }
        }
    }

    fn choice(mut self, index: usize, reason: FinishReason, logprobs: bool) -> ChatChoice {
        let rest = self.parser.finish();
        self.take(rest);
        let called = !self.calls.is_empty();
        ChatChoice {
            index,
            message: AnswerMessage {
                role: AnswerRole::Assistant,
                content: (!called || !self.text.is_empty()).then_some(self.text),
                reasoning_content: (!self.thoughts.is_empty()).then_some(self.thoughts),
                tool_calls: called.then_some(self.calls),
                refusal: None,
            },
            logprobs: logprobs.then_some(ChatLogprobs { content: Some(self.tokens), refusal: None }),
            finish_reason: if called { EndReason::ToolCalls } else { reason.into() },
        }
    }
}

/// An id that no other call has.
fn call_id() -> String {
    format!("call_{}", uuid::Uuid::now_v7().simple())
}

/// Waits for all of an answer.
async fn whole(head: Head, mut generation: Generation) -> Result<ChatCompletion, InferenceError> {
    let mut usage = GenerationUsage::of_prompt(generation.prompt_tokens);
    let mut choices: Vec<ChatChoice> = Vec::new();
    let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
    let markup = generation.markup;
    while let Some(event) = generation.next().await {
        match event? {
            GenerationEvent::Delta { choice, text, tokens } => {
                let answer = answers.entry(choice).or_insert_with(|| Answer::new(markup));
                let pieces = answer.parser.push(&text);
                answer.take(pieces);
                if head.logprobs {
                    answer.tokens.extend(tokens.iter().filter_map(|token| token_logprob(&generation, token)));
                }
            }
            GenerationEvent::End { choice, reason, completion_tokens, cached_tokens } => {
                usage.add(choice, completion_tokens, cached_tokens);
                let answer = answers.remove(&choice).unwrap_or_else(|| Answer::new(markup));
                choices.push(answer.choice(choice, reason, head.logprobs));
            }
        }
    }
    choices.sort_by_key(|choice| choice.index);
    Ok(ChatCompletion {
        id: head.id,
        object: "chat.completion".to_owned(),
        created: head.created,
        model: head.model,
        choices,
        usage,
    })
}

/// A token in OpenAI's form.
fn token_logprob(generation: &Generation, token: &GeneratedToken) -> Option<TokenLogprob> {
    let text = |id: u32| {
        let bytes = generation.token_bytes(id);
        (String::from_utf8_lossy(&bytes).into_owned(), Some(bytes))
    };
    let top = token.top.iter().map(|top| {
        let (token, bytes) = text(top.token);
        TopLogprob { token, logprob: top.logprob, bytes }
    });
    let top_logprobs = top.collect();
    let (text, bytes) = text(token.id);
    Some(TokenLogprob { token: text, logprob: token.logprob?, bytes, top_logprobs })
}

type Body = JsonOrEvents<ChatCompletion, ChatCompletionChunk>;

fn is_one_answer(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Json(completion) = body else { return Err("a stream".to_owned()) };
    let [choice] = &completion.choices[..] else { return Err("not one answer".to_owned()) };
    let usage = completion.usage;
    if choice.message.content.as_deref().is_none_or(str::is_empty) || choice.logprobs.is_some() {
        return Err(format!("{choice:?}"));
    }
    if usage.prompt_tokens == 0 || usage.total_tokens != usage.prompt_tokens + usage.completion_tokens {
        return Err(format!("{usage:?}"));
    }
    Ok(())
}

fn is_a_whole_stream(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Events(chunks) = body else { return Err("not a stream".to_owned()) };
    let [first, middle @ .., last] = &chunks[..] else { return Err("fewer than two chunks".to_owned()) };
    if first.choices.first().and_then(|choice| choice.delta.role) != Some(AnswerRole::Assistant) {
        return Err("the first chunk has no role".to_owned());
    }
    let ends = middle.iter().flat_map(|chunk| &chunk.choices).filter(|choice| choice.finish_reason.is_some());
    if ends.count() != 1 || !last.choices.is_empty() || last.usage.flatten().is_none() {
        return Err("the end, or the usage after it, is not told once".to_owned());
    }
    if chunks.iter().any(|chunk| chunk.id != first.id || chunk.created != first.created) {
        return Err("chunks differ in their id".to_owned());
    }
    Ok(())
}

fn has_two_answers_with_logprobs(body: &Body) -> bool {
    let JsonOrEvents::Json(completion) = body else { return false };
    completion.choices.len() == 2
        && completion.choices.iter().all(|choice| {
            let tokens = choice.logprobs.as_ref().and_then(|logprobs| logprobs.content.as_ref());
            tokens.is_some_and(|tokens| {
                !tokens.is_empty() && tokens.iter().all(|token| token.top_logprobs.len() == 2)
            })
        })
}
