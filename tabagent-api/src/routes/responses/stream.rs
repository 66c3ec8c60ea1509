//! A response whole, and as a stream: the generation is read, the response kept, the end told.

use std::collections::VecDeque;

use futures_util::stream::{self, Stream};
use tabagent_runtime::{BackendError, Generation, GenerationEvent, Runtime, StoredResponse};

use super::answer::Answer;
use super::conversation::answer;
use super::events::ResponseEvent;
use super::items::Item;
use super::response::Response;
use crate::routes::chat::token_logprob;
use crate::routes::inference::InferenceError;
use crate::routes::sessions::Turn;
use crate::stream::StreamEvent;

/// A response on its way.
pub(super) struct Work {
    pub(super) runtime: Runtime,
    pub(super) generation: Generation,
    pub(super) answer: Answer,
    /// Whether log probabilities are told.
    pub(super) logprobs: bool,
    /// What it answers.
    pub(super) input: Vec<Item>,
    /// The session that it continues.
    pub(super) turn: Option<Turn>,
}

impl Work {
    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Response, InferenceError> {
        while let Some(event) = self.generation.next().await {
            self.take(event?).await?;
            // Nobody reads them.
            self.answer.events();
        }
        Ok(self.answer.into_response())
    }

    /// Its events. A failure is told by one, and is the last element.
    pub(super) fn events(
        mut self,
    ) -> impl Stream<Item = Result<StreamEvent<ResponseEvent>, InferenceError>> + Send {
        self.answer.begin();
        let ready: VecDeque<_> = self.answer.events().into_iter().map(Ok).collect();
        stream::unfold(Some((self, ready)), async |state| {
            let (mut work, mut ready) = state?;
            loop {
                match ready.pop_front() {
                    Some(Ok(event)) => return Some((Ok(event.named()), Some((work, ready)))),
                    Some(Err(error)) => return Some((Err(error), None)),
                    None => {}
                }
                let outcome = match work.generation.next().await? {
                    Ok(event) => work.take(event).await,
                    Err(error) => Err(error),
                };
                let failure = outcome.err().map(InferenceError::from);
                if let Some(failure) = &failure {
                    work.answer.fail(failure);
                }
                ready.extend(work.answer.events().into_iter().map(Ok));
                ready.extend(failure.map(Err));
            }
        })
    }

    /// Takes an event of the generation. With the last one the response is kept, and only then its end is told.
    async fn take(&mut self, event: GenerationEvent) -> Result<(), BackendError> {
        match event {
            GenerationEvent::Delta { text, tokens, .. } => {
                let told = tokens.iter().filter(|_| self.logprobs);
                let logprobs = told.filter_map(|token| token_logprob(&self.generation, token)).collect();
                self.answer.take(&text, tokens.len(), logprobs);
            }
            GenerationEvent::End { reason, completion_tokens, cached_tokens, .. } => {
                self.answer.end(reason, completion_tokens, cached_tokens);
                self.keep().await?;
                self.answer.tell_end();
            }
        }
        Ok(())
    }

    /// Keeps the response, and its turn in the session, where there is one: both or none.
    async fn keep(&mut self) -> Result<(), BackendError> {
        let response = self.answer.response();
        let kept = if response.store { Some(stored(response, &self.input)?) } else { None };
        match (&mut self.turn, answer(&response.output)) {
            // A response that was stopped is not the model's.
            (Some(turn), Some(answer)) if !self.generation.stopped() => turn.keep(&answer, kept).await,
            _ => match kept {
                Some(kept) => self.runtime.keep_response(kept).await,
                None => Ok(()),
            },
        }
    }
}

/// A response in the form in which it is kept.
fn stored(response: &Response, input: &[Item]) -> Result<StoredResponse, BackendError> {
    let failed = |error| BackendError::internal(format!("a response cannot be written as JSON: {error}"));
    Ok(StoredResponse {
        id: response.id.clone(),
        created: response.created_at,
        previous: response.previous_response_id.clone(),
        input: serde_json::to_value(input).map_err(failed)?,
        response: serde_json::to_value(response).map_err(failed)?,
    })
}
