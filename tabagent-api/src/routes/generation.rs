//! What the routes that generate text share: their options, their counts, the end of an answer.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tabagent_runtime::FinishReason;

use super::inference::InferenceError;
use crate::Schema;

/// Texts that end an answer.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum StopTexts {
    /// One.
    One(#[rule(length(min = 1, max = 1024))] String),
    /// Several.
    Several(#[rule(items(max = 16), each(length(min = 1, max = 1024)))] Vec<String>),
}

impl StopTexts {
    /// The texts of a request.
    pub(super) fn list(stop: Option<Self>) -> Vec<String> {
        match stop {
            None => Vec::new(),
            Some(Self::One(text)) => vec![text],
            Some(Self::Several(texts)) => texts,
        }
    }
}

/// What a stream tells beside the answer.
#[derive(Debug, Clone, Copy, Default, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    /// Whether a last chunk has the counts of tokens.
    pub include_usage: Option<bool>,
    /// Whether chunks are filled up to hide their length. Only `false`.
    pub include_obfuscation: Option<bool>,
}

impl StreamOptions {
    /// Whether the last chunk has the counts of tokens.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`] where the options are there and the stream is not, and for what is not done here.
    pub(super) fn usage(options: Option<Self>, stream: Option<bool>) -> Result<bool, InferenceError> {
        let Some(Self { include_usage, include_obfuscation }) = options else { return Ok(false) };
        InferenceError::refuse(&[
            ("stream_options", stream != Some(true), "needs `stream` to be true"),
            (
                "stream_options.include_obfuscation",
                include_obfuscation == Some(true),
                "chunks are not filled up here; send `false`",
            ),
        ])?;
        Ok(include_usage == Some(true))
    }
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// As much as the model says by itself.
    Medium,
}

/// How long a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the words of OpenAI and of chat templates")]
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
}

/// How soon a response is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// As the server has it.
    Auto,
    /// The same.
    Default,
}

/// Variables of a chat template: how long the model thinks, and what the request names beside.
pub(super) fn variables(
    effort: Option<ReasoningEffort>,
    named: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let mut variables = Map::new();
    if let Some(effort) = effort {
        variables.insert("reasoning_effort".to_owned(), json!(effort));
        if effort == ReasoningEffort::None {
            variables.insert("enable_thinking".to_owned(), json!(false));
        }
    }
    variables.extend(named.cloned().unwrap_or_default());
    variables
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The model ended it, a stop text came, or somebody stopped it.
    Stop,
    /// It reached the length that was asked for or that the model takes.
    Length,
    /// It calls tools.
    ToolCalls,
}

impl EndReason {
    /// Of an answer that calls tools. As OpenAI has it, a call that was asked for by name is nothing to be told of.
    pub(super) fn of_calls(reason: FinishReason, named: bool) -> Self {
        match reason {
            FinishReason::Stop if !named => Self::ToolCalls,
            other => other.into(),
        }
    }
}

impl From<FinishReason> for EndReason {
    fn from(reason: FinishReason) -> Self {
        match reason {
            FinishReason::Stop => Self::Stop,
            FinishReason::Length => Self::Length,
        }
    }
}

/// Tokens that were read and generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct GenerationUsage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of all answers.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// More about the prompt.
    pub prompt_tokens_details: PromptTokensDetails,
    /// More about the answers.
    pub completion_tokens_details: CompletionTokensDetails,
}

/// More about the tokens of a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct PromptTokensDetails {
    /// Tokens that were not read again, since an earlier prompt began like this one.
    pub cached_tokens: u64,
}

/// More about the tokens of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct CompletionTokensDetails {
    /// Tokens of thoughts, those of their marks among them. Completions of plain text do not tell thoughts from text: 0.
    pub reasoning_tokens: u64,
}

impl GenerationUsage {
    /// Counts of a prompt, before its answers.
    pub(super) fn of_prompt(tokens: usize) -> Self {
        Self { prompt_tokens: tokens as u64, total_tokens: tokens as u64, ..Self::default() }
    }

    /// Adds an answer that ended; `choice` is its number among those to its prompt. The first one of them reads the prompt,
    /// and what it found cached is told.
    pub(super) fn add(&mut self, choice: usize, completion_tokens: usize, cached_tokens: usize) {
        self.completion_tokens += completion_tokens as u64;
        self.total_tokens += completion_tokens as u64;
        if choice == 0 {
            self.prompt_tokens_details.cached_tokens += cached_tokens as u64;
        }
    }

    /// Adds the thought of an answer.
    pub(super) fn add_thought(&mut self, tokens: usize) {
        self.completion_tokens_details.reasoning_tokens += tokens as u64;
    }
}

/// Biases of tokens, whose ids come as the keys of an object.
///
/// # Errors
/// [`InferenceError::Invalid`] where a key is no number.
pub(super) fn logit_bias(biases: Option<&BTreeMap<String, f32>>) -> Result<Vec<(u32, f32)>, InferenceError> {
    biases
        .into_iter()
        .flatten()
        .map(|(token, bias)| match token.parse() {
            Ok(token) => Ok((token, *bias)),
            Err(_) => Err(InferenceError::invalid("logit_bias", format!("`{token}` is no token id"))),
        })
        .collect()
}

/// How tokens are chosen, of a request that has the fields for it. They stand in each request: serde's `flatten` does not go
/// with `deny_unknown_fields`.
macro_rules! sampling {
    ($request:expr) => {{
        let request = $request;
        $crate::routes::generation::logit_bias(request.logit_bias.as_ref()).map(|logit_bias| {
            tabagent_runtime::SamplingRequest {
                temperature: request.temperature,
                top_k: request.top_k.map(|count| count as usize),
                top_p: request.top_p,
                min_p: request.min_p,
                repetition_penalty: request.repetition_penalty,
                presence_penalty: request.presence_penalty,
                frequency_penalty: request.frequency_penalty,
                logit_bias,
                seed: request.seed.map(i64::cast_unsigned),
            }
        })
    }};
}
pub(super) use sampling;

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_prompt_found_cached_is_counted_once() {
        let mut usage = GenerationUsage::of_prompt(30);
        // Two answers to each of two prompts, as completions end them.
        for (index, cached) in [(1, 0), (0, 3), (2, 4), (3, 9)] {
            usage.add(index % 2, 5, cached);
        }
        assert_eq!(usage.prompt_tokens_details.cached_tokens, 7);
        assert_eq!((usage.completion_tokens, usage.total_tokens), (20, 50));
    }
}
