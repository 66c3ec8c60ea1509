//! One sequence that is being generated, and the request that it belongs to.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Instant,
};

use tokio::sync::mpsc;

use super::{
    constraint::{Allowed, Scout},
    metrics::Counters,
    sampler::{Choice, Sampler, TokenProbability},
    text::{Assembler, Stops},
};
use crate::{
    error::{BackendError, Result},
    tokenizer::Tokenizer,
};

/// Why a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, a stop string came, or somebody stopped it.
    Stop,
    /// It reached the length that was asked for or that the model takes.
    Length,
}

/// A token as it was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedToken {
    /// Its id.
    pub id: u32,
    /// Its log probability, where they are asked for.
    pub logprob: Option<f32>,
    /// The likeliest tokens in its place, the likeliest first.
    pub top: Vec<TokenProbability>,
}

/// What happened to one sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerationEvent {
    /// It grew. The text may be empty, while a character or a stop string may be incomplete.
    Delta {
        /// Index of the sequence among those of its request.
        choice: usize,
        /// Text that came.
        text: String,
        /// Tokens that came.
        tokens: Vec<GeneratedToken>,
    },
    /// It ended.
    End {
        /// Index of the sequence among those of its request.
        choice: usize,
        /// Why.
        reason: FinishReason,
        /// Tokens that were generated, the end token included.
        completion_tokens: usize,
        /// Tokens of the prompt whose keys and values were kept from before.
        cached_tokens: usize,
    },
}

/// A request, shared between its sequences and whoever waits for it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: Arc<str>,
    /// Id of the answer, where it has one of its own.
    pub(crate) answer: OnceLock<String>,
    /// Set by whoever stops it; the text so far is kept.
    pub(crate) stopped: AtomicBool,
    /// When the caller gives up.
    pub(crate) deadline: Instant,
    /// When it was admitted.
    pub(crate) since: Instant,
    /// Room for every event that it can have, so that the engine never waits for a slow reader.
    pub(crate) events: mpsc::Sender<Result<GenerationEvent>>,
}

impl Job {
    /// Whether nobody waits for it any more.
    pub(crate) fn abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// Ends it with an error.
    pub(crate) fn fail(&self, error: BackendError) {
        // A caller that has gone away wants no answer.
        let _gone = self.events.try_send(Err(error));
    }
}

/// One sequence.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) job: Arc<Job>,
    pub(crate) choice: usize,
    /// The prompt and what came after it.
    pub(crate) tokens: Vec<u32>,
    /// How many of them are the prompt.
    pub(crate) prompt: usize,
    /// How many there may be.
    pub(crate) limit: usize,
    /// Tokens that end it.
    pub(crate) ends: Arc<[u32]>,
    /// Tells which tokens its constraint allows, where it has one.
    pub(crate) scout: Option<Scout>,
    /// Whether it sat the last step out, since that was not known.
    pub(crate) late: bool,
    pub(crate) sampler: Sampler,
    pub(crate) text: Assembler,
    pub(crate) stops: Stops,
    /// Tokens of the prompt that were in the cache when it was first read.
    pub(crate) cached: Option<usize>,
    /// When its first token came.
    pub(crate) first: Option<Instant>,
    /// When its last token came.
    pub(crate) last: Option<Instant>,
}

impl Sequence {
    /// Begins to find out which tokens its constraint allows next, where it has one.
    pub(crate) fn look_ahead(&mut self, counters: &Counters) {
        if let Some(scout) = &mut self.scout {
            scout.ask(!self.ends.is_empty(), |took| counters.guided(took));
        }
    }

    /// Whether the next token can be chosen, at `until` at the latest: not before it is known which ones its constraint
    /// allows.
    pub(crate) fn ready(&mut self, until: Instant, counters: &Counters) -> bool {
        self.look_ahead(counters);
        self.scout.as_mut().is_none_or(|scout| scout.answered(until, |took| counters.guided(took)))
    }

    /// Chooses the next token from `logits` and tells it, once it is ready. Returns why the sequence ends, where it does;
    /// then its end was told as well.
    ///
    /// # Errors
    /// Those of its guide; then nothing was told.
    pub(crate) fn advance(&mut self, tokenizer: &Tokenizer, logits: &[f32]) -> Result<Option<FinishReason>> {
        let allowed = self.scout.as_mut().map(Scout::allowed).transpose()?;
        let allowed = match &allowed {
            None => None,
            Some(Allowed::Tokens(tokens)) => Some(tokens.as_slice()),
            Some(Allowed::Complete) => {
                self.stop();
                return Ok(Some(FinishReason::Stop));
            }
        };
        let Choice { token, logprob, top } = self.sampler.choose(logits, allowed);
        let ended = self.ends.contains(&token);
        let complete = match &mut self.scout {
            Some(scout) if !ended => scout.accept(token)?,
            _ => false,
        };
        self.tokens.push(token);
        let mut reason = None;
        let mut text = String::new();
        if ended {
            reason = Some(FinishReason::Stop);
        } else {
            let piece = self.text.push(tokenizer, token);
            let passed = self.stops.push(&piece);
            text = passed.text;
            if passed.stopped || complete {
                reason = Some(FinishReason::Stop);
            } else if self.tokens.len() >= self.limit {
                reason = Some(FinishReason::Length);
            }
            if !passed.stopped && reason.is_some() {
                text.push_str(&self.rest());
            }
        }
        if ended {
            text.push_str(&self.rest());
        }
        let tokens = vec![GeneratedToken { id: token, logprob, top }];
        self.tell(GenerationEvent::Delta { choice: self.choice, text, tokens });
        if let Some(reason) = reason {
            self.end(reason);
        }
        Ok(reason)
    }

    /// Ends it where it is, as somebody asked.
    pub(crate) fn stop(&mut self) {
        let text = self.rest();
        if !text.is_empty() {
            self.tell(GenerationEvent::Delta { choice: self.choice, text, tokens: Vec::new() });
        }
        self.end(FinishReason::Stop);
    }

    /// Text that was held back.
    fn rest(&mut self) -> String {
        let piece = self.text.finish();
        let passed = self.stops.push(&piece);
        if passed.stopped { passed.text } else { passed.text + &self.stops.finish() }
    }

    fn end(&self, reason: FinishReason) {
        self.tell(GenerationEvent::End {
            choice: self.choice,
            reason,
            completion_tokens: self.tokens.len() - self.prompt,
            cached_tokens: self.cached.unwrap_or(0),
        });
    }

    fn tell(&self, event: GenerationEvent) {
        // There is room for every event; a caller that has gone away wants none.
        let _gone = self.job.events.try_send(Ok(event));
    }
}
