//! A chat answer as it comes, in OpenAI's chunks.

use std::collections::VecDeque;

use futures_util::stream::{self, Stream};
use tabagent_runtime::{BackendError, FinishReason, Generation, GenerationEvent, MarkupParser, Piece};

use super::{
    AnswerMessage, AnswerRole, ChatChunkChoice, ChatCompletionChunk, ChatDelta, ChatLogprobs, ChatMessage,
    FunctionCall, FunctionCallDelta, Head, TokenLogprob, ToolCall, ToolCallDelta, ToolKind, call_id,
    token_logprob,
};
use crate::routes::generation::{EndReason, GenerationUsage};
use crate::routes::inference::InferenceError;
use crate::routes::sessions::Turn;

/// The chunks of an answer: for each choice its role, its text and its end; then the usage, where it is asked for.
pub(super) fn chunks(
    head: Head,
    generation: Generation,
    choices: usize,
    include_usage: bool,
    turn: Option<Turn>,
) -> impl Stream<Item = Result<ChatCompletionChunk, InferenceError>> + Send {
    let markup = generation.markup;
    let answers = (0..choices).map(|_| Answer { parser: MarkupParser::new(markup), calls: 0 }).collect();
    let mut state = State {
        usage: GenerationUsage::of_prompt(generation.prompt_tokens),
        head,
        generation,
        include_usage,
        answers,
        keeping: turn.map(|turn| (turn, Said::default())),
        ready: VecDeque::new(),
        failure: None,
        over: false,
    };
    for index in 0..choices {
        let (role, content) = (Some(AnswerRole::Assistant), Some(String::new()));
        let delta = ChatDelta { role, content, ..ChatDelta::default() };
        let choice = ChatChunkChoice { index, delta, logprobs: None, finish_reason: None };
        state.ready.push_back(state.chunk(vec![choice], None));
    }
    stream::unfold(state, async |mut state| {
        loop {
            if let Some(chunk) = state.ready.pop_front() {
                return Some((Ok(chunk), state));
            }
            if let Some(error) = state.failure.take() {
                return Some((Err(error), state));
            }
            if state.over {
                return None;
            }
            match state.generation.next().await {
                Some(Ok(event)) => {
                    if let Err(error) = state.take(event).await {
                        state.fail(error);
                    }
                }
                Some(Err(error)) => state.fail(error),
                None => {
                    state.over = true;
                    if state.include_usage {
                        state.ready.push_back(state.chunk(Vec::new(), Some(state.usage)));
                    }
                }
            }
        }
    })
}

struct State {
    head: Head,
    generation: Generation,
    usage: GenerationUsage,
    include_usage: bool,
    /// One for each answer.
    answers: Vec<Answer>,
    /// The session that the answer is added to, and what was said of it so far.
    keeping: Option<(Turn, Said)>,
    ready: VecDeque<ChatCompletionChunk>,
    /// Told once what is ready was.
    failure: Option<InferenceError>,
    over: bool,
}

/// What is kept of an answer between its chunks.
struct Answer {
    parser: MarkupParser,
    /// Calls that were begun.
    calls: usize,
}

impl State {
    fn chunk(&self, choices: Vec<ChatChunkChoice>, usage: Option<GenerationUsage>) -> ChatCompletionChunk {
        ChatCompletionChunk {
            id: self.head.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.head.created,
            model: self.head.model.clone(),
            choices,
            usage: self.include_usage.then_some(usage),
        }
    }

    fn fail(&mut self, error: BackendError) {
        self.over = true;
        self.failure = Some(error.into());
    }

    /// Takes an event of the generation. In a session the end is told once the answer is kept.
    async fn take(&mut self, event: GenerationEvent) -> Result<(), BackendError> {
        match event {
            GenerationEvent::Delta { choice, text, tokens } => {
                let count = tokens.len();
                let tokens: Vec<_> = if self.head.logprobs {
                    tokens.iter().filter_map(|token| token_logprob(&self.generation, token)).collect()
                } else {
                    Vec::new()
                };
                let Some(answer) = self.answers.get_mut(choice) else { return Ok(()) };
                let pieces = answer.parser.push(&text, count);
                self.tell(choice, pieces, tokens);
            }
            GenerationEvent::End { choice, reason, completion_tokens, cached_tokens } => {
                self.usage.add(choice, completion_tokens, cached_tokens);
                let Some(answer) = self.answers.get_mut(choice) else { return Ok(()) };
                let pieces = answer.parser.finish(reason == FinishReason::Length);
                self.usage.add_thought(answer.parser.thought_tokens());
                self.tell(choice, pieces, Vec::new());
                // An answer that was stopped is not the model's.
                if let Some((mut turn, said)) = self.keeping.take()
                    && !self.generation.stopped()
                {
                    turn.keep(&said.message(), None).await?;
                }
                let called = self.answers.get(choice).is_some_and(|answer| answer.calls > 0);
                let reason =
                    if called { EndReason::of_calls(reason, self.head.named) } else { reason.into() };
                self.push(choice, ChatDelta::default(), Vec::new(), Some(reason));
            }
        }
        Ok(())
    }

    /// A chunk for each piece; the first one has the log probabilities of all.
    fn tell(&mut self, choice: usize, pieces: Vec<Piece>, mut tokens: Vec<TokenLogprob>) {
        for piece in pieces {
            let delta = match piece {
                Piece::Text(text) => ChatDelta { content: Some(text), ..ChatDelta::default() },
                Piece::Thought(text) => ChatDelta { reasoning_content: Some(text), ..ChatDelta::default() },
                Piece::CallBegun { name } => {
                    let Some(answer) = self.answers.get_mut(choice) else { return };
                    answer.calls += 1;
                    ChatDelta::of_call(ToolCallDelta {
                        index: answer.calls - 1,
                        id: Some(call_id()),
                        r#type: Some(ToolKind::Function),
                        function: FunctionCallDelta { name: Some(name), arguments: String::new() },
                    })
                }
                Piece::Arguments(arguments) => {
                    let calls = self.answers.get(choice).map_or(0, |answer| answer.calls);
                    ChatDelta::of_call(ToolCallDelta {
                        index: calls.saturating_sub(1),
                        id: None,
                        r#type: None,
                        function: FunctionCallDelta { name: None, arguments },
                    })
                }
                // The next call tells it, or the end of the answer.
                Piece::CallEnd { .. } => continue,
            };
            self.push(choice, delta, std::mem::take(&mut tokens), None);
        }
        // A character, a mark or a stop text is not complete: there is nothing else to tell.
        if !tokens.is_empty() {
            self.push(choice, ChatDelta::default(), tokens, None);
        }
    }

    fn push(
        &mut self,
        index: usize,
        delta: ChatDelta,
        tokens: Vec<TokenLogprob>,
        finish_reason: Option<EndReason>,
    ) {
        if let Some((_, said)) = &mut self.keeping {
            said.hear(&delta);
        }
        let logprobs = (!tokens.is_empty()).then_some(ChatLogprobs { content: Some(tokens), refusal: None });
        let chunk = self.chunk(vec![ChatChunkChoice { index, delta, logprobs, finish_reason }], None);
        self.ready.push_back(chunk);
    }
}

impl ChatDelta {
    fn of_call(call: ToolCallDelta) -> Self {
        Self { tool_calls: Some(vec![call]), ..Self::default() }
    }
}

/// What the chunks of an answer told so far.
#[derive(Default)]
struct Said {
    text: String,
    thoughts: String,
    calls: Vec<ToolCall>,
}

impl Said {
    fn hear(&mut self, delta: &ChatDelta) {
        self.text.push_str(delta.content.as_deref().unwrap_or_default());
        self.thoughts.push_str(delta.reasoning_content.as_deref().unwrap_or_default());
        for ToolCallDelta { id, function, .. } in delta.tool_calls.iter().flatten() {
            if let (Some(id), Some(name)) = (id, &function.name) {
                let function = FunctionCall { name: name.clone(), arguments: String::new() };
                self.calls.push(ToolCall { id: id.clone(), r#type: ToolKind::Function, function });
            }
            if let Some(call) = self.calls.last_mut() {
                call.function.arguments.push_str(&function.arguments);
            }
        }
    }

    /// All of it.
    fn message(self) -> ChatMessage {
        AnswerMessage::of(self.text, self.thoughts, self.calls).kept()
    }
}
