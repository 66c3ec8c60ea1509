//! Parameters of generation that the operator sets, for the server or for one model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::StoreFuture;
use crate::generate::GenerateRequest;

/// Parameters of generation; what is absent is the next one's to say: of a model the server, of the server the model's
/// author.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields of SamplingOptions and of GenerateRequest")]
pub struct GenerationParams {
    pub temperature: Option<f32>,
    pub top_k: Option<usize>,
    pub top_p: Option<f32>,
    pub min_p: Option<f32>,
    pub repetition_penalty: Option<f32>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub max_tokens: Option<usize>,
}

impl GenerationParams {
    /// These, and where they say nothing, those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            temperature: self.temperature.or(other.temperature),
            top_k: self.top_k.or(other.top_k),
            top_p: self.top_p.or(other.top_p),
            min_p: self.min_p.or(other.min_p),
            repetition_penalty: self.repetition_penalty.or(other.repetition_penalty),
            presence_penalty: self.presence_penalty.or(other.presence_penalty),
            frequency_penalty: self.frequency_penalty.or(other.frequency_penalty),
            max_tokens: self.max_tokens.or(other.max_tokens),
        }
    }

    /// Fills in what a request does not say.
    pub fn complete(&self, request: &mut GenerateRequest) {
        request.max_tokens = request.max_tokens.or(self.max_tokens);
        let request = &mut request.sampling;
        request.temperature = request.temperature.or(self.temperature);
        request.top_k = request.top_k.or(self.top_k);
        request.top_p = request.top_p.or(self.top_p);
        request.min_p = request.min_p.or(self.min_p);
        request.repetition_penalty = request.repetition_penalty.or(self.repetition_penalty);
        request.presence_penalty = request.presence_penalty.or(self.presence_penalty);
        request.frequency_penalty = request.frequency_penalty.or(self.frequency_penalty);
    }
}

/// Keeps parameters of generation. Failures are those of [`super::Store`].
pub trait ParamsStore: Send + Sync {
    /// All parameters of generation as they were when the store was opened: those of the server under `None`, those of
    /// models under their ids.
    fn params_at_start(&self) -> &BTreeMap<Option<String>, GenerationParams>;

    /// Keeps the parameters of the server or of a model, in place of those that there were.
    fn put_params(&self, model: Option<&str>, params: GenerationParams) -> StoreFuture<'_, ()>;
}
