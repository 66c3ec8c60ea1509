//! A chat answer as it comes, in OpenAI's chunks.

use std::collections::VecDeque;

use futures_util::stream::{self, Stream};
use tabagent_runtime::{Generation, GenerationEvent};

use super::{ChatChunkChoice, ChatCompletionChunk, ChatDelta, ChatLogprobs, ChatRole, Head, token_logprob};
use crate::routes::generation::GenerationUsage;
use crate::routes::inference::InferenceError;

/// The chunks of an answer: for each choice its role, its text and its end; then the usage, where it is asked for.
pub(super) fn chunks(
    head: Head,
    generation: Generation,
    choices: usize,
    include_usage: bool,
) -> impl Stream<Item = Result<ChatCompletionChunk, InferenceError>> + Send {
    let mut state = State {
        usage: GenerationUsage::of_prompt(generation.prompt_tokens),
        head,
        generation,
        include_usage,
        ready: VecDeque::new(),
        over: false,
    };
    for index in 0..choices {
        let delta = ChatDelta { role: Some(ChatRole::Assistant), content: Some(String::new()) };
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
    ready: VecDeque<ChatCompletionChunk>,
    over: bool,
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
        let choice = match event {
            GenerationEvent::Delta { choice, text, tokens } => {
                let tokens: Vec<_> = if self.head.logprobs {
                    tokens.iter().filter_map(|token| token_logprob(&self.generation, token)).collect()
                } else {
                    Vec::new()
                };
                // A character or a stop text is not complete, and there is nothing else to tell.
                if text.is_empty() && tokens.is_empty() {
                    return;
                }
                ChatChunkChoice {
                    index: choice,
                    delta: ChatDelta { role: None, content: Some(text) },
                    logprobs: self
                        .head
                        .logprobs
                        .then_some(ChatLogprobs { content: Some(tokens), refusal: None }),
                    finish_reason: None,
                }
            }
            GenerationEvent::End { choice, reason, completion_tokens, cached_tokens } => {
                self.usage.add(choice, completion_tokens, cached_tokens);
                ChatChunkChoice {
                    index: choice,
                    delta: ChatDelta::default(),
                    logprobs: None,
                    finish_reason: Some(reason.into()),
                }
            }
        };
        self.ready.push_back(self.chunk(vec![choice], None));
    }
}
