//! POST /v1/chat/completions: OpenAI's chat.

mod checks;
mod messages;
mod request;
mod response;
mod stream;
mod tools;

use std::collections::BTreeMap;

use tabagent_runtime::{
    FinishReason, GeneratePrompt, GenerateRequest, GeneratedToken, Generation, GenerationEvent, Markup,
    MarkupParser, Piece, Runtime,
};

use self::checks::{
    answers_or_calls, begins_a_call, calls_the_weather, calls_the_weather_by_name,
    has_two_answers_with_logprobs, is_a_whole_stream, is_one_answer, says, streams_a_port,
    streams_the_weather, tells_a_port,
};
use super::constraint::Choice;
use super::generation::{EndReason, GenerationUsage, StopTexts, StreamOptions, now};
use super::inference::InferenceError;
use super::sessions::{Turn, explain};
use crate::stream::JsonOrEvents;
use crate::{ApiError, Component, EventStream, Json, JsonOrStream, RequestId, route};
pub(super) use messages::MessageFields;
pub use messages::{ChatContent, ChatMessage, ContentPart, MessageRole};
pub use request::{ChatRequest, Modality, NamedSchema, ResponseFormat};
pub use response::{
    AnswerMessage, AnswerRole, ChatChoice, ChatChunkChoice, ChatCompletion, ChatCompletionChunk, ChatDelta,
    ChatLogprobs, FunctionCallDelta, TokenLogprob, ToolCallDelta, TopLogprob,
};
pub use tools::{
    AllowedMode, AllowedTool, AllowedTools, FunctionCall, FunctionDefinition, FunctionName, NamedTools, Tool,
    ToolCall, ToolChoice, ToolKind, ToolMode,
};

/// Continue a conversation.
///
/// Messages become the model's prompt by its own chat template. With `stream` the answer comes as it is generated, and
/// ends with `data: [DONE]`. A client that leaves stops the work. With `session_id` the conversation is the server's to remember.
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
        case("a JSON schema", json = {
            "model": "tabagent-chat", "temperature": 0,
            "messages": [{ "role": "user", "content": "Which port does the server use?" }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "port", "strict": true, "schema": {
                "type": "object", "properties": { "port": { "type": "integer", "minimum": 1, "maximum": 65535 }, "sure": { "type": "boolean" } },
                "required": ["port", "sure"], "additionalProperties": false,
            } } },
        }, status = 200, check = tells_a_port),
        case("a JSON schema as a stream", json = {
            "model": "tabagent-chat", "seed": 2, "stream": true,
            "messages": [{ "role": "user", "content": "Which port does the server use?" }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "port", "schema": {
                "type": "object", "properties": { "port": { "type": "integer", "minimum": 1, "maximum": 65535 }, "sure": { "type": "boolean" } },
                "required": ["port", "sure"], "additionalProperties": false,
            } } },
        }, status = 200, check = streams_a_port),
        case("a JSON object", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 24, "response_format": { "type": "json_object" },
            "messages": [{ "role": "user", "content": "Hello" }],
        }, status = 200, check = |body: &Body| says(body, |text| text.starts_with('{'))),
        case("a regular expression", json = {
            "model": "tabagent-chat", "structured_outputs": { "regex": "[0-9]{3}-[a-f]{2}" }, "messages": [{ "role": "user", "content": "A number?" }],
        }, status = 200, check = |body: &Body| says(body, |text| text.len() == 6 && text.as_bytes()[3] == b'-')),
        case("a grammar", json = {
            "model": "tabagent-chat", "structured_outputs": { "grammar": "start: \"is \" (\"it\" | \"that\") \"?\"" },
            "messages": [{ "role": "user", "content": "Hello" }],
        }, status = 200, check = |body: &Body| says(body, |text| matches!(text, "is it?" | "is that?"))),
        case("a tool that has to be called", json = {
            "model": "tabagent-chat", "temperature": 0, "tool_choice": "required", "parallel_tool_calls": false,
            "messages": [{ "role": "user", "content": "What is the weather?" }],
            "tools": [
                { "type": "function", "function": { "name": "weather", "strict": true, "parameters": {
                    "type": "object", "properties": { "city": { "enum": ["Oslo", "Rome"] }, "days": { "type": "integer", "minimum": 1, "maximum": 9 } },
                    "required": ["city", "days"], "additionalProperties": false,
                } } },
            ],
        }, status = 200, check = calls_the_weather),
        case("a tool that has to be called as a stream", json = {
            "model": "tabagent-chat", "seed": 5, "tool_choice": "required", "parallel_tool_calls": false, "stream": true,
            "messages": [{ "role": "user", "content": "What is the weather?" }],
            "tools": [
                { "type": "function", "function": { "name": "weather", "parameters": {
                    "type": "object", "properties": { "city": { "enum": ["Oslo", "Rome"] }, "days": { "type": "integer", "minimum": 1, "maximum": 9 } },
                    "required": ["city", "days"], "additionalProperties": false,
                } } },
            ],
        }, status = 200, check = streams_the_weather),
        case("a tool by its name", json = {
            "model": "tabagent-chat", "seed": 1, "tool_choice": { "type": "function", "function": { "name": "weather" } },
            "messages": [{ "role": "user", "content": "What is the weather?" }],
            "tools": [
                { "type": "function", "function": { "name": "clock" } },
                { "type": "function", "function": { "name": "weather", "parameters": {
                    "type": "object", "properties": { "city": { "enum": ["Oslo", "Rome"] }, "days": { "type": "integer", "minimum": 1, "maximum": 9 } },
                    "required": ["city", "days"], "additionalProperties": false,
                } } },
            ],
        }, status = 200, check = calls_the_weather_by_name),
        case("a call that is cut off", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 40, "tool_choice": "required",
            "messages": [{ "role": "user", "content": "What is the weather?" }],
            "tools": [{ "type": "function", "function": { "name": "weather", "parameters": {
                "type": "object", "properties": { "place": { "const": "the city at the mouth of the river in the north" } }, "required": ["place"],
                "additionalProperties": false,
            } } }],
        }, status = 200, check = begins_a_call),
        case("a call that is cut off in its mark", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 3, "tool_choice": "required",
            "messages": [{ "role": "user", "content": "What is the weather?" }],
            "tools": [{ "type": "function", "function": { "name": "weather" } }],
        }, status = 200, check = |body: &Body| matches!(body, JsonOrEvents::Json(completion) if matches!(&completion.choices[..], [choice] if choice.finish_reason == EndReason::Length && choice.message.content.as_deref() == Some("") && choice.message.tool_calls.is_none()))),
        case("a tool whose parameters are no object", json = {
            "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }],
            "tools": [{ "type": "function", "function": { "name": "clock", "parameters": { "type": "string" } } }],
        }, problem = InferenceError::Invalid),
        case("allowed tools", json = {
            "model": "tabagent-chat", "seed": 4, "parallel_tool_calls": false,
            "tool_choice": { "type": "allowed_tools", "allowed_tools": { "mode": "required", "tools": [{ "type": "function", "function": { "name": "weather" } }] } },
            "messages": [{ "role": "user", "content": "What is the weather?" }],
            "tools": [
                { "type": "function", "function": { "name": "clock" } },
                { "type": "function", "function": { "name": "weather", "parameters": {
                    "type": "object", "properties": { "city": { "enum": ["Oslo", "Rome"] }, "days": { "type": "integer", "minimum": 1, "maximum": 9 } },
                    "required": ["city", "days"], "additionalProperties": false,
                } } },
            ],
        }, status = 200, check = calls_the_weather),
        case("a strict tool that need not be called", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 24,
            "messages": [{ "role": "user", "content": "Who are you?" }],
            "tools": [{ "type": "function", "function": { "name": "clock", "strict": true } }],
        }, status = 200, check = answers_or_calls),
        case("an answer is sent back with all fields of OpenAI's client", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 8, "stream": null, "stream_options": null,
            "store": false, "metadata": { "topic": "greeting" }, "service_tier": "auto", "reasoning_effort": "low",
            "verbosity": "medium", "modalities": ["text"], "prompt_cache_key": "a", "safety_identifier": "b",
            "functions": null, "function_call": null, "audio": null, "prediction": null, "web_search_options": null,
            "messages": [
                { "role": "user", "content": "Hello" },
                { "role": "assistant", "content": "Hi", "refusal": null, "annotations": [], "audio": null, "function_call": null, "tool_calls": null },
                { "role": "assistant", "content": "there", "annotations": null },
                { "role": "user", "content": "Who are you?" },
            ],
        }, status = 200, check = is_one_answer),
        case("a stream without obfuscation", json = {
            "model": "tabagent-chat", "max_tokens": 4, "stream": true, "stream_options": { "include_usage": true, "include_obfuscation": false },
            "messages": [{ "role": "user", "content": "Hello" }],
        }, status = 200, check = is_a_whole_stream),
        case("a stream with obfuscation", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "stream": true, "stream_options": { "include_obfuscation": true } }, problem = InferenceError::Invalid),
        case("an answer to be stored", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "store": true }, problem = InferenceError::Invalid),
        case("functions in the older form", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "functions": [{ "name": "clock" }] }, problem = InferenceError::Invalid),
        case("a call in the older form", json = { "model": "tabagent-chat", "messages": [{ "role": "assistant", "function_call": { "name": "clock", "arguments": "{}" } }] }, problem = InferenceError::Invalid),
        case("a sound in a message", json = { "model": "tabagent-chat", "messages": [{ "role": "assistant", "audio": { "id": "audio_1" } }] }, problem = InferenceError::Invalid),
        case("an answer as a sound", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "modalities": ["text", "audio"] }, problem = ApiError::RequestInvalid),
        case("a schema that cannot be held", json = {
            "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "other", "strict": true, "schema": { "type": "object", "not": { "required": ["a"] } } } },
        }, problem = InferenceError::Invalid),
        case("two forms", json = {
            "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }],
            "response_format": { "type": "json_object" }, "structured_outputs": { "regex": "a" },
        }, problem = InferenceError::Invalid),
        case("a form of another server", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "guided_regex": "a" }, problem = ApiError::RequestInvalid),
        case("a form that is unknown", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "response_format": { "type": "xml" } }, problem = ApiError::RequestInvalid),
        case("a call without tools", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "tool_choice": "required" }, problem = InferenceError::Invalid),
        case("parallel calls without tools", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "parallel_tool_calls": false }, problem = InferenceError::Invalid),
        case("a tool that is not there", json = {
            "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }],
            "tools": [{ "type": "function", "function": { "name": "clock" } }],
            "tool_choice": { "type": "function", "function": { "name": "weather" } },
        }, problem = InferenceError::Invalid),
        case("a session goes on", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 8, "session_id": "session_to_chat", "history_limit": 10,
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello" }],
        }, status = 200, check = is_one_answer),
        case("a session goes on as a stream", json = {
            "model": "tabagent-chat", "temperature": 0, "max_tokens": 8, "session_id": "session_to_chat", "stream": true,
            "stream_options": { "include_usage": true }, "messages": [{ "role": "user", "content": "Who are you?" }],
        }, status = 200, check = is_a_whole_stream),
        case("a session that was answered", json = { "model": "tabagent-chat", "messages": [], "session_id": "session_example" }, problem = InferenceError::Invalid),
        case("two answers in a session", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "session_id": "session_to_chat", "n": 2 }, problem = InferenceError::Invalid),
        case("a session that has no name", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "session_id": "../secrets" }, problem = ApiError::RequestInvalid),
        case("the end of no session", json = { "model": "tabagent-chat", "messages": [{ "role": "user", "content": "Hi" }], "history_limit": 2 }, problem = InferenceError::Invalid),
        case("no messages", json = { "model": "tabagent-chat", "messages": [] }, problem = InferenceError::Invalid),
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
    Json(mut request): Json<ChatRequest>,
) -> Result<JsonOrStream<ChatCompletion, ChatCompletionChunk>, InferenceError> {
    let created = now();
    request.refuse()?;
    let usage = StreamOptions::usage(request.stream_options, request.stream)?;
    let logprobs = request.logprobs()?;
    let named = matches!(request.choice(), Choice::Named(_));
    let mut turn = match request.session_id.take() {
        Some(session) => Some(Turn::begin(&runtime, session, request.history_limit).await?),
        None => None,
    };
    let messages = match &mut turn {
        Some(turn) => turn.ask(std::mem::take(&mut request.messages))?,
        None => request.messages_for_template(),
    };
    let mut asked = GenerateRequest {
        id: id.to_string(),
        prompt: GeneratePrompt::Chat(request.conversation(messages)),
        sampling: request.sampling()?,
        max_tokens: request.limit()?,
        choices: request.n.unwrap_or(1) as usize,
        logprobs,
        constraint: request.constraint()?,
        stop: StopTexts::list(request.stop),
        ignore_end: false,
        deadline: None,
        model: request.model,
    };
    if let Some(turn) = &turn {
        turn.complete(&mut asked);
    }
    let in_session = turn.is_some();
    let generation = runtime.generate(asked).await;
    let generation = generation.map_err(|error| if in_session { explain(error) } else { error })?;
    let head = Head {
        id: id.to_string(),
        created,
        model: generation.model.clone(),
        logprobs: logprobs.is_some(),
        named,
    };
    if request.stream == Some(true) {
        let chunks = stream::chunks(head, generation, request.n.unwrap_or(1) as usize, usage, turn);
        return Ok(JsonOrStream::Stream(EventStream::new(chunks).with_done()));
    }
    Ok(JsonOrStream::Json(whole(head, generation, turn).await?))
}

/// What the cases look into.
type Body = JsonOrEvents<ChatCompletion, ChatCompletionChunk>;

/// What every part of an answer says of it.
#[derive(Debug, Clone)]
struct Head {
    id: String,
    created: u64,
    model: String,
    logprobs: bool,
    /// Whether a call was asked for by name.
    named: bool,
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
                Piece::CallBegun { name } => self.calls.push(ToolCall {
                    id: call_id(),
                    r#type: ToolKind::Function,
                    function: FunctionCall { name, arguments: String::new() },
                }),
                Piece::Arguments(part) => {
                    if let Some(call) = self.calls.last_mut() {
                        call.function.arguments.push_str(&part);
                    }
                }
                // Why the answer ended says whether its last call is whole.
                Piece::CallEnd { .. } => {}
            }
        }
    }

    fn choice(mut self, index: usize, reason: FinishReason, head: &Head) -> ChatChoice {
        let rest = self.parser.finish(reason == FinishReason::Length);
        self.take(rest);
        let called = !self.calls.is_empty();
        ChatChoice {
            index,
            message: AnswerMessage::of(self.text, self.thoughts, self.calls),
            logprobs: head.logprobs.then_some(ChatLogprobs { content: Some(self.tokens), refusal: None }),
            finish_reason: if called { EndReason::of_calls(reason, head.named) } else { reason.into() },
        }
    }
}

/// An id that no other call has.
fn call_id() -> String {
    format!("call_{}", uuid::Uuid::now_v7().simple())
}

/// Waits for all of an answer.
async fn whole(
    head: Head,
    mut generation: Generation,
    turn: Option<Turn>,
) -> Result<ChatCompletion, InferenceError> {
    let mut usage = GenerationUsage::of_prompt(generation.prompt_tokens);
    let mut choices: Vec<ChatChoice> = Vec::new();
    let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
    let markup = generation.markup;
    while let Some(event) = generation.next().await {
        match event? {
            GenerationEvent::Delta { choice, text, tokens } => {
                let answer = answers.entry(choice).or_insert_with(|| Answer::new(markup));
                let pieces = answer.parser.push(&text, tokens.len());
                answer.take(pieces);
                if head.logprobs {
                    answer.tokens.extend(tokens.iter().filter_map(|token| token_logprob(&generation, token)));
                }
            }
            GenerationEvent::End { choice, reason, completion_tokens, cached_tokens } => {
                usage.add(choice, completion_tokens, cached_tokens);
                let answer = answers.remove(&choice).unwrap_or_else(|| Answer::new(markup));
                usage.add_thought(answer.parser.thought_tokens());
                choices.push(answer.choice(choice, reason, &head));
            }
        }
    }
    choices.sort_by_key(|choice| choice.index);
    // An answer that was stopped is not the model's.
    if let (Some(mut turn), [choice]) = (turn, &choices[..])
        && !generation.stopped()
    {
        turn.keep(&choice.message.kept(), None).await?;
    }
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
pub(super) fn token_logprob(generation: &Generation, token: &GeneratedToken) -> Option<TokenLogprob> {
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
