//! A chat answer as it comes, in OpenAI's chunks.

use std::collections::VecDeque;

use futures_util::stream::{self, Stream};
use tabagent_runtime::{FinishReason, Generation, GenerationEvent, MarkupParser, Piece};

use super::{
    AnswerRole, ChatChunkChoice, ChatCompletionChunk, ChatDelta, ChatLogprobs, FunctionCallDelta, Head,
    TokenLogprob, ToolCallDelta, ToolKind, call_id, token_logprob,
};
use crate::routes::generation::{EndReason, GenerationUsage};
use crate::routes::inference::InferenceError;

/// The chunks of an answer: for each choice its role, its text and its end; then the usage, where it is asked for.
pub(super) fn chunks(
    head: Head,
    generation: Generation,
    choices: usize,
    include_usage: bool,
) -> impl Stream<Item = Result<ChatCompletionChunk, InferenceError>> + Send {
    let markup = generation.markup;
    let answers = (0..choices).map(|_| Answer { parser: MarkupParser::new(markup), calls: 0 }).collect();
    let mut state = State {
        usage: GenerationUsage::of_prompt(generation.prompt_tokens),
        head,
        generation,
        include_usage,
        answers,
        ready: VecDeque::new(),
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
            if state.over {
                return None;
            }
            match state.generation.next().await {
                Some(Ok(event)) => state.take(event),
                Some(Err(error)) => {
                    state.over = true;
                    return Some((Err(error.into()), state));
                }
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
    ready: VecDeque<ChatCompletionChunk>,
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

    fn take(&mut self, event: GenerationEvent) {
        match event {
            GenerationEvent::Delta { choice, text, tokens } => {
                let count = tokens.len();
                let tokens: Vec<_> = if self.head.logprobs {
                    tokens.iter().filter_map(|token| token_logprob(&self.generation, token)).collect()
                } else {
                    Vec::new()
                };
                let Some(answer) = self.answers.get_mut(choice) else { return };
                let pieces = answer.parser.push(&text, count);
                self.tell(choice, pieces, tokens);
            }
            GenerationEvent::End { choice, reason, completion_tokens, cached_tokens } => {
                self.usage.add(choice, completion_tokens, cached_tokens);
                let Some(answer) = self.answers.get_mut(choice) else { return };
                let pieces = answer.parser.finish(reason == FinishReason::Length);
                self.usage.add_thought(answer.parser.thought_tokens());
                self.tell(choice, pieces, Vec::new());
                let called = self.answers.get(choice).is_some_and(|answer| answer.calls > 0);
                let reason =
                    if called { EndReason::of_calls(reason, self.head.named) } else { reason.into() };
                self.push(choice, ChatDelta::default(), Vec::new(), Some(reason));
            }
        }
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
