//! What the routes of responses answer: a response, its deletion, the list of its input.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::items::Item;
use super::options::{
    ConversationRef, ReasoningOptions, ResponseTool, ResponseToolChoice, TextOptions, ToolChoiceMode,
    Truncation,
};
use super::request::ResponseRequest;
use crate::Schema;
use crate::routes::generation::ServiceTier;

/// A response.
// Stored as it is: a field that comes later needs a default, so that older ones can still be read.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Response {
    /// Its id. POST /v1/generation/stop takes it while the response is being generated.
    pub id: String,
    /// Always `response`.
    pub object: String,
    /// When it was asked for, in seconds since 1970.
    pub created_at: u64,
    /// How far it is.
    pub status: ResponseStatus,
    /// When it was complete, in seconds since 1970.
    pub completed_at: Option<u64>,
    /// Always `false`.
    pub background: bool,
    /// Why it failed, where it did.
    pub error: Option<ResponseFailure>,
    /// Why it is incomplete, where it is.
    pub incomplete_details: Option<IncompleteDetails>,
    /// What the model was told first.
    pub instructions: Option<String>,
    /// Most tokens that were asked for.
    pub max_output_tokens: Option<u32>,
    /// Most calls of tools on the server that were asked for.
    pub max_tool_calls: Option<u32>,
    /// Id of the model that answered.
    pub model: String,
    /// What the model thought, said and called, in this order as far as the model keeps it.
    pub output: Vec<Item>,
    /// Whether it may call several functions.
    pub parallel_tool_calls: bool,
    /// The response that it continues.
    pub previous_response_id: Option<String>,
    /// The session that it continues; absent where it is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationRef>,
    /// As it was asked for.
    pub prompt_cache_key: Option<String>,
    /// How the model was asked to think.
    pub reasoning: ReasoningOptions,
    /// As it was asked for.
    pub safety_identifier: Option<String>,
    /// Always `default`.
    pub service_tier: ServiceTier,
    /// Whether it is stored.
    pub store: bool,
    /// What the logits were divided by.
    pub temperature: Option<f32>,
    /// The form of the text.
    pub text: TextOptions,
    /// Which functions may be called.
    pub tool_choice: ResponseToolChoice,
    /// Functions that the model may call.
    pub tools: Vec<ResponseTool>,
    /// How many likely tokens were asked for.
    pub top_logprobs: u32,
    /// The probability that the tokens had together from which each was drawn.
    pub top_p: Option<f32>,
    /// Always `disabled`.
    pub truncation: Truncation,
    /// Tokens that were read and generated; `null` until it is complete.
    pub usage: Option<ResponseUsage>,
    /// As it was asked for.
    pub user: Option<String>,
    /// Labels.
    pub metadata: BTreeMap<String, String>,
}

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// It is being generated.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off by the length that was asked for or that the model takes.
    Incomplete,
    /// It broke off.
    Failed,
}

/// Why a response failed.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct ResponseFailure {
    /// The kind: `rate_limit_exceeded` or `server_error`.
    pub code: String,
    /// What happened, and what to do next.
    pub message: String,
}

/// Why a response is incomplete.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct IncompleteDetails {
    /// Always `max_output_tokens`: the length that was asked for, or that the model takes.
    pub reason: String,
}

/// Tokens that were read and generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct ResponseUsage {
    /// Tokens of the conversation up to the response.
    pub input_tokens: u64,
    /// More about them.
    pub input_tokens_details: InputTokensDetails,
    /// Tokens of the response.
    pub output_tokens: u64,
    /// More about them.
    pub output_tokens_details: OutputTokensDetails,
    /// Both.
    pub total_tokens: u64,
}

/// More about the tokens that were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct InputTokensDetails {
    /// Tokens that were not read again, since an earlier conversation began like this one.
    pub cached_tokens: u64,
    /// Tokens that were written to a cache at a price: always 0.
    pub cache_write_tokens: u64,
}

/// More about the tokens that were generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct OutputTokensDetails {
    /// Tokens of thoughts and of the marks around them.
    pub reasoning_tokens: u64,
}

/// A response that was deleted.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct DeletedResponse {
    /// Its id.
    pub id: String,
    /// Always `response`.
    pub object: String,
    /// Always `true`.
    pub deleted: bool,
}

/// What a response answered.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ResponseItemList {
    /// Always `list`.
    pub object: String,
    /// The items.
    pub data: Vec<Item>,
    /// Id of the first one; `null` where there is none.
    pub first_id: Option<String>,
    /// Id of the last one; `null` where there is none.
    pub last_id: Option<String>,
    /// Whether there are more behind the last one.
    pub has_more: bool,
}

/// What of a response is known when its generation begins.
pub(super) struct Begun {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    /// Both as they are in force.
    pub(super) temperature: f32,
    pub(super) top_p: f32,
}

impl Response {
    /// A response that is being generated.
    pub(super) fn begun(begun: Begun, request: ResponseRequest) -> Self {
        let store = request.stores();
        let conversation = request.session().map(|id| ConversationRef { id: id.to_owned() });
        Self {
            id: begun.id,
            object: "response".to_owned(),
            created_at: begun.created,
            status: ResponseStatus::InProgress,
            completed_at: None,
            background: false,
            error: None,
            incomplete_details: None,
            instructions: request.instructions,
            max_output_tokens: request.max_output_tokens,
            max_tool_calls: request.max_tool_calls,
            model: begun.model,
            output: Vec::new(),
            parallel_tool_calls: request.parallel_tool_calls.unwrap_or(true),
            previous_response_id: request.previous_response_id,
            conversation,
            prompt_cache_key: request.prompt_cache_key,
            reasoning: request.reasoning.unwrap_or_default(),
            safety_identifier: request.safety_identifier,
            service_tier: ServiceTier::Default,
            store,
            temperature: Some(begun.temperature),
            text: request.text.unwrap_or_default(),
            tool_choice: request.tool_choice.unwrap_or(ResponseToolChoice::Mode(ToolChoiceMode::Auto)),
            tools: request.tools.unwrap_or_default(),
            top_logprobs: request.top_logprobs.unwrap_or(0),
            top_p: Some(begun.top_p),
            truncation: Truncation::Disabled,
            usage: None,
            user: request.user,
            metadata: request.metadata.unwrap_or_default(),
        }
    }
}
