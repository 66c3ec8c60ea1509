//! OpenAI's responses: POST /v1/responses, and GET and DELETE of those that are stored.

mod answer;
mod conversation;
mod events;
mod forms;
mod items;
mod options;
mod request;
mod response;
mod stored;
mod stream;

use tabagent_runtime::{
    BackendError, Conversation, GeneratePrompt, GenerateRequest, Runtime, error::InvalidCause,
};

use super::chat::ChatMessage;
use super::generation::now;
use super::inference::InferenceError;
use super::sessions::{Turn, explain};
use crate::stream::JsonOrEvents;
use crate::{ApiError, Component, EventStream, Json, JsonOrStream, Problem, RequestId, route};
use answer::Answer;
pub use events::{AnswerPart, ResponseEvent};
pub use items::{
    InputItem, Item, ItemContent, ItemPart, ItemRole, ItemStatus, PlainMessage, ReasoningPart, ResponseInput,
    SummaryPart,
};
pub use options::{
    AllowedFunction, ConversationParam, ConversationRef, Includable, NamedTool, ReasoningOptions,
    ResponseStreamOptions, ResponseTool, ResponseToolChoice, TextFormat, TextOptions, ToolChoiceMode,
    Truncation,
};
pub use request::ResponseRequest;
use response::Begun;
pub use response::{
    DeletedResponse, IncompleteDetails, InputTokensDetails, OutputTokensDetails, Response, ResponseFailure,
    ResponseItemList, ResponseStatus, ResponseUsage,
};
pub use stored::{
    InputItemsQuery, ItemOrder, ResponsePath, RetrieveQuery, StoredResponseError, delete_response,
    list_input_items, retrieve_response,
};
use stream::Work;

/// Why there is no response.
#[derive(Debug, thiserror::Error, Problem)]
pub enum ResponseError {
    /// The response that is to be continued is not stored here, or one that it builds on is gone.
    #[error("`previous_response_id`: {reason}")]
    #[problem(
        status = 400,
        title = "Previous response not found",
        slug = "previous-response-not-found",
        code = "previous_response_not_found",
        hint = "responses are stored for 30 days unless `store` is false; send the whole conversation as `input`"
    )]
    PreviousNotFound {
        /// Which one.
        reason: String,
        /// Always `previous_response_id`.
        #[problem(param)]
        field: &'static str,
    },
    /// The model did not answer.
    #[error(transparent)]
    #[problem(transparent)]
    Inference(InferenceError),
}

impl From<InferenceError> for ResponseError {
    fn from(error: InferenceError) -> Self {
        Self::Inference(error)
    }
}

impl ResponseError {
    /// A failure of the runtime, its fields by the names of this route.
    fn of(error: BackendError) -> Self {
        let error = match error {
            BackendError::InvalidInput { field, reason, cause } => {
                let field = match field.as_str() {
                    "messages" => "input",
                    "max_tokens" => "max_output_tokens",
                    _ => &field,
                };
                match cause {
                    InvalidCause::Value => BackendError::invalid(field, reason),
                    InvalidCause::ContextLength => BackendError::context_length(field, reason),
                }
            }
            other => other,
        };
        Self::Inference(error.into())
    }

    fn previous(reason: String) -> Self {
        Self::PreviousNotFound { reason, field: "previous_response_id" }
    }
}

/// Answer.
///
/// Continues a conversation: the one that `previous_response_id` ends with, or that `session_id` names, and `input`. With `stream` the response comes
/// as it is generated, in OpenAI's events. It is stored, unless `store` is false, before its end is told. A client that
/// leaves stops the work. POST /v1/generation/stop takes the id of the response, as its events tell it.
#[route(
    POST, "/v1/responses",
    tag = "inference",
    stream,
    timeout = "1h",
    tests = [
        case("a text", json = {
            "model": "tabagent-chat", "input": "Who are you?", "temperature": 0, "max_output_tokens": 16, "store": false,
        }, status = 200, check = is_one_message),
        case("a stream", json = {
            "model": "tabagent-chat", "input": [{ "role": "user", "content": "Hello" }], "instructions": "Be brief.",
            "temperature": 0, "max_output_tokens": 8, "stream": true, "metadata": { "topic": "greeting" },
        }, status = 200, check = is_a_whole_stream),
        case("a conversation goes on", json = {
            "model": "tabagent-chat", "previous_response_id": "resp_example", "input": "And what can you do?",
            "temperature": 0, "max_output_tokens": 8,
        }, status = 200, check = goes_on),
        case("a session goes on", json = {
            "model": "tabagent-chat", "session_id": "session_to_answer", "input": "Who are you?", "temperature": 0, "max_output_tokens": 8,
            "store": false,
        }, status = 200, check = |body: &Body| is_in(body, "session_to_answer")),
        case("a conversation by OpenAI's name", json = {
            "model": "tabagent-chat", "conversation": { "id": "session_to_answer" }, "input": "And what can you do?", "temperature": 0,
            "max_output_tokens": 8, "store": false, "history_limit": 2,
        }, status = 200, check = |body: &Body| is_in(body, "session_to_answer")),
        case("a message that was posted is answered", json = {
            "model": "tabagent-chat", "session_id": "session_to_respond", "input": [], "temperature": 0, "max_output_tokens": 8, "store": false,
        }, status = 200, check = |body: &Body| is_in(body, "session_to_respond")),
        case("nothing to answer", json = { "model": "tabagent-chat", "input": [] }, problem = ResponseError::Inference),
        case("two conversations", json = { "model": "tabagent-chat", "input": "Hi", "conversation": "session_a", "session_id": "session_b" }, problem = ResponseError::Inference),
        case("a session and a previous response", json = { "model": "tabagent-chat", "input": "Hi", "session_id": "session_a", "previous_response_id": "resp_example" }, problem = ResponseError::Inference),
        case("log probabilities", json = {
            "model": "tabagent-chat", "input": "Hello", "seed": 7, "max_output_tokens": 4, "top_logprobs": 2, "store": false,
            "include": ["message.output_text.logprobs"],
        }, status = 200, check = has_logprobs),
        case("a JSON schema", json = {
            "model": "tabagent-chat", "input": "Which port does the server use?", "temperature": 0, "store": false,
            "text": { "format": { "type": "json_schema", "name": "port", "strict": true, "schema": {
                "type": "object", "properties": { "port": { "type": "integer", "minimum": 1, "maximum": 65535 } },
                "required": ["port"], "additionalProperties": false,
            } } },
        }, status = 200, check = tells_a_port),
        case("a function by its name as a stream", json = {
            "model": "tabagent-chat", "input": "What is the weather?", "temperature": 0, "store": false, "stream": true,
            "tool_choice": { "type": "function", "name": "weather" },
            "tools": [{ "type": "function", "name": "weather", "strict": true, "parameters": {
                "type": "object", "properties": { "city": { "enum": ["Oslo", "Rome"] } }, "required": ["city"],
                "additionalProperties": false,
            } }],
        }, status = 200, check = calls_the_weather),
        case("a function that there is not", json = { "model": "tabagent-chat", "input": "Hi", "tool_choice": "required" }, problem = ResponseError::Inference),
        case("no input", json = { "model": "tabagent-chat" }, problem = ApiError::RequestInvalid),
        case("unknown field", json = { "model": "tabagent-chat", "input": "Hi", "temprature": 1 }, problem = ApiError::RequestInvalid),
        case("a tool of OpenAI", json = { "model": "tabagent-chat", "input": "Hi", "tools": [{ "type": "web_search" }] }, problem = ApiError::RequestInvalid),
        case("an item of another kind", json = { "model": "tabagent-chat", "input": [{ "type": "item_reference", "id": "msg_1" }] }, problem = ApiError::RequestInvalid),
        case("a function whose parameters are no object", json = { "model": "tabagent-chat", "input": "Hi", "tools": [{ "type": "function", "name": "clock", "parameters": { "type": "string" } }] }, problem = ResponseError::Inference),
        case("in the background", json = { "model": "tabagent-chat", "input": "Hi", "background": true }, problem = ResponseError::Inference),
        case("an output without its call", json = { "model": "tabagent-chat", "input": [{ "type": "function_call_output", "call_id": "call_1", "output": "1" }] }, problem = ResponseError::Inference),
        case("an unknown previous response", json = { "model": "tabagent-chat", "input": "Hi", "previous_response_id": "resp_nobody" }, problem = ResponseError::PreviousNotFound),
        case("unknown model", json = { "model": "nobody/nothing", "input": "Hi" }, problem = ResponseError::Inference),
    ],
)]
pub async fn create_response(
    runtime: Component<Runtime>,
    RequestId(request_id): RequestId,
    Json(request): Json<ResponseRequest>,
) -> Result<JsonOrStream<Response, ResponseEvent>, ResponseError> {
    let created = now();
    request.refuse()?;
    let earlier = match &request.previous_response_id {
        Some(id) => stored::conversation(&runtime, id).await?,
        None => Vec::new(),
    };
    let input = request.input.items()?;
    let mut turn = match request.session() {
        Some(id) => {
            let turn = Turn::begin(&runtime, id.to_owned(), request.history_limit).await;
            Some(turn.map_err(ResponseError::of)?)
        }
        None => None,
    };
    let calls = turn.as_ref().map(Turn::calls);
    let asked = conversation::messages(request.instructions.as_deref(), &earlier, &input, calls)?;
    let messages = match &mut turn {
        Some(turn) => turn.ask(asked).map_err(ResponseError::of)?,
        None => asked.iter().map(ChatMessage::for_template).collect(),
    };
    let (streams, logprobs, constraint) = (request.streams(), request.logprobs(), request.constraint()?);
    let mut asked = GenerateRequest {
        id: request_id.to_string(),
        model: request.model.clone(),
        prompt: GeneratePrompt::Chat(Conversation {
            messages,
            tools: request.tools_for_template(),
            add_generation_prompt: true,
            variables: request.variables(),
            now: None,
        }),
        sampling: request.sampling(),
        max_tokens: request.max_output_tokens.map(|count| count as usize),
        constraint,
        stop: Vec::new(),
        ignore_end: false,
        choices: 1,
        logprobs,
        deadline: None,
    };
    if let Some(turn) = &turn {
        turn.complete(&mut asked);
    }
    let in_session = turn.is_some();
    let generation = runtime.generate(asked).await;
    let generation =
        generation.map_err(|error| ResponseError::of(if in_session { explain(error) } else { error }))?;
    let begun = Begun {
        id: items::new_id("resp"),
        created,
        model: generation.model.clone(),
        temperature: generation.sampling.temperature,
        top_p: generation.sampling.top_p,
    };
    generation.answers_as(begun.id.clone());
    let response = Response::begun(begun, request);
    let answer = Answer::new(response, generation.markup, generation.prompt_tokens);
    let runtime = Runtime::clone(&runtime);
    let work = Work { runtime, generation, answer, logprobs: logprobs.is_some(), input, turn };
    if streams {
        return Ok(JsonOrStream::Stream(EventStream::new(work.events())));
    }
    Ok(JsonOrStream::Json(work.whole().await?))
}

type Body = JsonOrEvents<Response, ResponseEvent>;

fn is_one_message(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Json(response) = body else { return Err("a stream".to_owned()) };
    let [Item::Message { role: ItemRole::Assistant, content, .. }] = &response.output[..] else {
        return Err("not one message".to_owned());
    };
    let usage = response.usage.unwrap_or_default();
    if content.text().is_empty() || usage.total_tokens != usage.input_tokens + usage.output_tokens {
        return Err(format!("{response:?}"));
    }
    Ok(())
}

fn is_a_whole_stream(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Events(events) = body else { return Err("not a stream".to_owned()) };
    let numbered = events.iter().zip(0..).all(|(event, number)| event.sequence_number() == number);
    let names: Vec<&str> = events.iter().map(ResponseEvent::name).collect();
    let begins = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ];
    let ends = [
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ];
    let told: String = events
        .iter()
        .filter_map(|event| match event {
            ResponseEvent::OutputTextDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    let Some(ResponseEvent::Completed { response, .. } | ResponseEvent::Incomplete { response, .. }) =
        events.last()
    else {
        return Err(format!("the end is not told: {names:?}"));
    };
    let said = response.output.first().map(|item| match item {
        Item::Message { content, .. } => content.text(),
        _ => String::new(),
    });
    let before = &names[..names.len() - 1];
    if !numbered || !before.starts_with(&begins) || !before.ends_with(&ends) || said != Some(told) {
        return Err(format!("{events:?}"));
    }
    Ok(())
}

fn tells_a_port(body: &Body) -> bool {
    let JsonOrEvents::Json(response) = body else { return false };
    let [Item::Message { content, .. }] = &response.output[..] else { return false };
    serde_json::from_str::<serde_json::Value>(&content.text()).is_ok_and(|told| told["port"].is_u64())
}

fn calls_the_weather(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Events(events) = body else { return Err("not a stream".to_owned()) };
    let Some(ResponseEvent::Completed { response, .. }) = events.last() else {
        return Err(format!("{events:?}"));
    };
    let [Item::FunctionCall { name, arguments, .. }] = &response.output[..] else {
        return Err(format!("{response:?}"));
    };
    match serde_json::from_str::<serde_json::Value>(arguments) {
        Ok(given) if name == "weather" && (given["city"] == "Oslo" || given["city"] == "Rome") => Ok(()),
        _ => Err(format!("{name} {arguments}")),
    }
}

fn goes_on(body: &Body) -> bool {
    matches!(body, JsonOrEvents::Json(response) if response.previous_response_id.as_deref() == Some("resp_example"))
}

fn is_in(body: &Body, session: &str) -> bool {
    let JsonOrEvents::Json(response) = body else { return false };
    response.conversation.as_ref().is_some_and(|conversation| conversation.id == session)
}

fn has_logprobs(body: &Body) -> bool {
    let JsonOrEvents::Json(response) = body else { return false };
    let Some(Item::Message { content: ItemContent::Parts(parts), .. }) = response.output.first() else {
        return false;
    };
    matches!(&parts[..], [ItemPart::OutputText { logprobs: Some(tokens), .. }]
        if !tokens.is_empty() && tokens.iter().all(|token| token.top_logprobs.len() == 2))
}
