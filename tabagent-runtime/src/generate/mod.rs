//! Generation: prompts to text, token by token, many at a time.
//!
//! A request is rendered and tokenised beside the engine and waits in a bounded queue (`queue`). The engine of its model
//! (`engine`) decodes all sequences together, step by step, over the rows of one cache (`rows`, `decoder`); each
//! sequence chooses its tokens (`sampler`) among those that its constraint allows (`constraint`) and tells its text as it
//! comes (`text`).

mod constraint;
pub(crate) mod decoder;
mod engine;
pub(crate) mod files;
pub(crate) mod loaded;
mod markup;
pub mod metrics;
mod queue;
mod rows;
mod sampler;
pub(crate) mod sequence;
mod template;
mod text;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

pub use constraint::{CallConstraint, CallableTool, Constraint, TextConstraint, TextForm};
pub use files::SamplingDefaults;
pub use markup::{Markup, MarkupParser, Piece};
pub use sampler::{SamplingOptions, TokenProbability};
pub use sequence::{FinishReason, GeneratedToken, GenerationEvent};
pub use template::Conversation;

use crate::{
    error::{BackendError, Result},
    runtime::pool::Lease,
};
use sequence::Job;

/// A request for text.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// Id of the request, by which it can be stopped. Requests may share one; they are stopped together.
    pub id: String,
    /// Id of the model; the default one where there is none.
    pub model: Option<String>,
    /// What comes before.
    pub prompt: GeneratePrompt,
    /// How tokens are chosen; what is absent is said by the parameters that the operator set, and else by the model's author.
    pub sampling: SamplingRequest,
    /// Most tokens of one answer; where there is none as many as the operator set, and else as the context takes.
    pub max_tokens: Option<usize>,
    /// What the answer has to be like; anything where there is none.
    pub constraint: Option<Constraint>,
    /// Texts that end an answer and are no part of it.
    pub stop: Vec<String>,
    /// Goes on where the model would end an answer, as benchmarks do.
    pub ignore_end: bool,
    /// Answers to the same prompt; at least 1.
    pub choices: usize,
    /// Tells the log probability of each token and of so many of the likeliest in its place.
    pub logprobs: Option<usize>,
    /// When to give up; the runtime's own deadline for generations where there is none or a longer one.
    pub deadline: Option<Duration>,
}

/// What comes before an answer.
#[derive(Debug, Clone)]
pub enum GeneratePrompt {
    /// A text, to which the tokenizer adds its special tokens.
    Text(String),
    /// Token ids of this model's vocabulary, as they are.
    Tokens(Vec<u32>),
    /// Messages, rendered by the model's chat template.
    Chat(Conversation),
}

/// [`SamplingOptions`] as a request has them: what is absent is the model's author's to say, and else the default.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields of SamplingOptions")]
pub struct SamplingRequest {
    pub temperature: Option<f32>,
    pub top_k: Option<usize>,
    pub top_p: Option<f32>,
    pub min_p: Option<f32>,
    pub repetition_penalty: Option<f32>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub logit_bias: Vec<(u32, f32)>,
    pub seed: Option<u64>,
}

impl SamplingRequest {
    /// The options of a request to a model with these defaults.
    fn over(self, defaults: &SamplingDefaults) -> SamplingOptions {
        let plain = SamplingOptions::default();
        SamplingOptions {
            temperature: self.temperature.or(defaults.temperature).unwrap_or(plain.temperature),
            top_k: self.top_k.or(defaults.top_k).unwrap_or(plain.top_k),
            top_p: self.top_p.or(defaults.top_p).unwrap_or(plain.top_p),
            min_p: self.min_p.or(defaults.min_p).unwrap_or(plain.min_p),
            repetition_penalty: self
                .repetition_penalty
                .or(defaults.repetition_penalty)
                .unwrap_or(plain.repetition_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(plain.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(plain.frequency_penalty),
            logit_bias: self.logit_bias,
            seed: self.seed,
        }
    }
}

/// An answer that is being generated. Dropping it stops the work.
pub struct Generation {
    /// Id of the model.
    pub model: String,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Which marks the text may have; none where the prompt was no conversation.
    pub markup: Markup,
    /// How its tokens are chosen, defaults included.
    pub sampling: SamplingOptions,
    pub(crate) decoder: Arc<loaded::LoadedDecoder>,
    /// Keeps the model in memory.
    pub(crate) lease: Option<Lease>,
    pub(crate) job: Arc<Job>,
    pub(crate) events: mpsc::Receiver<Result<GenerationEvent>>,
    /// Sequences that have not ended.
    pub(crate) open: usize,
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation")
            .field("model", &self.model)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Generation {
    /// Gives the answer an id of its own, by which it can be stopped as well; the first one holds. That of the request may be
    /// the client's, which may have given it to other requests too.
    pub fn answers_as(&self, id: String) {
        self.job.answer.get_or_init(|| id);
    }

    /// Whether somebody stopped it ([`crate::Runtime::stop`]): its answers end where they were, as if they were whole.
    pub fn stopped(&self) -> bool {
        self.job.stopped.load(Relaxed)
    }

    /// The bytes that a token stands for, which may be a part of a character.
    pub fn token_bytes(&self, token: u32) -> Vec<u8> {
        self.decoder.token_bytes(token)
    }

    /// The next event; `None` once every sequence has ended.
    ///
    /// # Errors
    /// [`BackendError::GenerationTimeout`] where the deadline passed, and what the engine failed with. Nothing comes after
    /// an error.
    pub async fn next(&mut self) -> Option<Result<GenerationEvent>> {
        if self.open == 0 {
            return None;
        }
        let deadline = Instant::from_std(self.job.deadline);
        let event = match tokio::time::timeout_at(deadline, self.events.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => Err(BackendError::internal("the engine of the model ended before the answer did")),
            Err(_) => Err(BackendError::GenerationTimeout {
                seconds: (self.job.deadline - self.job.since).as_secs_f64(),
            }),
        };
        match &event {
            Ok(GenerationEvent::End { .. }) => self.open -= 1,
            Ok(GenerationEvent::Delta { .. }) => {}
            Err(_) => self.open = 0,
        }
        Some(event)
    }
}
