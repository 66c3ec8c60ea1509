//! What POST /v1/completions answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tabagent_runtime::{GeneratedToken, Generation};

use crate::Schema;
use crate::routes::generation::{EndReason, GenerationUsage};

/// Answers, or a part of them.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Completion {
    /// Id of the request, the same as in the header `x-request-id`; POST /v1/generation/stop takes it.
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// When it was asked for, in seconds since 1970.
    pub created: u64,
    /// Id of the model that answered.
    pub model: String,
    /// The answers: those to the first prompt, then those to the second.
    pub choices: Vec<CompletionChoice>,
    /// Tokens that were read and generated; in a stream only in the last chunk, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<GenerationUsage>>,
}

/// An answer, or a part of one.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct CompletionChoice {
    /// Its number, from 0 on: that of its prompt times `n`, and that among the answers to it.
    pub index: usize,
    /// The text.
    pub text: String,
    /// Log probabilities, where they were asked for.
    pub logprobs: Option<CompletionLogprobs>,
    /// Why it ended; `null` while it has not.
    pub finish_reason: Option<EndReason>,
}

/// Log probabilities of an answer's tokens, one entry a token in each list.
#[derive(Debug, Default, Serialize, Deserialize, Schema)]
pub struct CompletionLogprobs {
    /// The tokens.
    pub tokens: Vec<String>,
    /// Their log probabilities.
    pub token_logprobs: Vec<f32>,
    /// The likeliest tokens in place of each, with their log probabilities.
    pub top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Where each begins in the answer, in characters.
    pub text_offset: Vec<usize>,
}

impl CompletionChoice {
    /// Appends what came after.
    pub(super) fn append(&mut self, part: Self) {
        self.text.push_str(&part.text);
        self.finish_reason = self.finish_reason.or(part.finish_reason);
        if let (Some(all), Some(new)) = (&mut self.logprobs, part.logprobs) {
            all.tokens.extend(new.tokens);
            all.token_logprobs.extend(new.token_logprobs);
            all.top_logprobs.extend(new.top_logprobs);
            all.text_offset.extend(new.text_offset);
        }
    }
}

impl CompletionLogprobs {
    /// Of tokens that came; `offset` is where the first of them begins, and then where the next one will.
    pub(super) fn of(generation: &Generation, tokens: &[GeneratedToken], offset: &mut usize) -> Self {
        let text = |id: u32| String::from_utf8_lossy(&generation.token_bytes(id)).into_owned();
        let mut all = Self::default();
        for token in tokens {
            let written = text(token.id);
            all.text_offset.push(*offset);
            *offset += written.chars().count();
            all.tokens.push(written);
            all.token_logprobs.push(token.logprob.unwrap_or_default());
            all.top_logprobs.push(token.top.iter().map(|top| (text(top.token), top.logprob)).collect());
        }
        all
    }
}
