//! What POST /v1/completions takes: OpenAI's request, as far as it is served here, and the further options that other servers
//! have.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Schema;
use crate::routes::constraint::StructuredOutputs;
use crate::routes::generation::{StopTexts, StreamOptions};
use crate::routes::inference::InferenceError;

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
    /// Only empty: nothing is put in front of a text here.
    #[rule(length(max = 4_194_304))]
    pub suffix: Option<String>,
    /// Most tokens of an answer; 16 when absent, as OpenAI has it.
    #[rule(range(min = 1, max = 10_000_000))]
    pub max_tokens: Option<u32>,
    /// Divides the logits; 0 always takes the likeliest token. GET /v1/params says what it is when absent.
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
    /// Makes the draw repeat: the same seed gives the same text, but where a quantised model rounds what is cached differently.
    pub seed: Option<i64>,
    /// How many answers to each prompt.
    #[rule(range(min = 1, max = 128))]
    pub n: Option<u32>,
    /// Only as many as `n`, or 1: every answer that is made is given.
    #[rule(range(min = 0, max = 128))]
    pub best_of: Option<u32>,
    /// Whether each answer begins with its prompt; not together with `logprobs` or token ids.
    pub echo: Option<bool>,
    /// How many of the likeliest tokens are told in place of each.
    #[rule(range(min = 0, max = 5))]
    pub logprobs: Option<u32>,
    /// Texts that end an answer and are no part of it.
    #[rule(nested)]
    pub stop: Option<StopTexts>,
    /// The form of the answers.
    #[rule(nested)]
    pub structured_outputs: Option<StructuredOutputs>,
    /// Goes on where the model would end an answer, as benchmarks do.
    pub ignore_eos: Option<bool>,
    /// Whether the answer comes as server-sent events.
    pub stream: Option<bool>,
    /// What the stream tells beside the answer.
    pub stream_options: Option<StreamOptions>,
    /// Id of the end user, for OpenAI's clients; it is neither stored nor logged.
    #[rule(length(max = 512))]
    pub user: Option<String>,
}

impl CompletionRequest {
    /// Refuses what is not done here.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`], with what to send instead.
    pub(super) fn refuse(&self) -> Result<(), InferenceError> {
        let answers = self.n.unwrap_or(1);
        let refused = [
            (
                "best_of",
                self.best_of.is_some_and(|count| count != 1 && count != answers),
                "answers are not chosen here; leave it out, and choose among `n` by their `logprobs`",
            ),
            (
                "suffix",
                self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()),
                "models here write what comes after a text; leave it out, or put the model's own marks for a gap into `prompt`",
            ),
        ];
        InferenceError::refuse(&refused)
    }
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
