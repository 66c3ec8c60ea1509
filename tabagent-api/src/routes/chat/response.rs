//! What POST /v1/chat/completions answers: a completion, or the chunks of one.

use serde::{Deserialize, Serialize};

use super::messages::{ChatContent, ChatMessage};
use super::tools::{ToolCall, ToolKind};
use crate::Schema;
use crate::routes::generation::{EndReason, GenerationUsage};

/// An answer.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ChatCompletion {
    /// Id of the request, the same as in the header `x-request-id`; POST /v1/generation/stop takes it.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// When it was asked for, in seconds since 1970.
    pub created: u64,
    /// Id of the model that answered.
    pub model: String,
    /// The answers, as many as were asked for.
    pub choices: Vec<ChatChoice>,
    /// Tokens that were read and generated.
    pub usage: GenerationUsage,
}

/// One answer.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ChatChoice {
    /// Its number, from 0 on.
    pub index: usize,
    /// What was said.
    pub message: AnswerMessage,
    /// Log probabilities, where they were asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ended.
    pub finish_reason: EndReason,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerRole {
    /// The model.
    Assistant,
}

/// What the model said.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct AnswerMessage {
    /// Always `assistant`.
    pub role: AnswerRole,
    /// The text; `null` where there is nothing but calls of tools.
    pub content: Option<String>,
    /// What the model thought, where it marks its thoughts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Tools that are to be called. The arguments of the last one are not whole where `finish_reason` is `length`, nor where
    /// the answer was stopped within them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Always `null`: models here do not refuse in a field of its own.
    pub refusal: Option<String>,
}

impl AnswerMessage {
    /// An answer of a text, thoughts and calls, each of which may be empty.
    pub(super) fn of(text: String, thoughts: String, calls: Vec<ToolCall>) -> Self {
        let called = !calls.is_empty();
        Self {
            role: AnswerRole::Assistant,
            content: (!called || !text.is_empty()).then_some(text),
            reasoning_content: (!thoughts.is_empty()).then_some(thoughts),
            tool_calls: called.then_some(calls),
            refusal: None,
        }
    }

    /// The message of a conversation that it is.
    pub(super) fn kept(&self) -> ChatMessage {
        ChatMessage::Assistant {
            content: self.content.clone().map(ChatContent::Text),
            name: None,
            tool_calls: self.tool_calls.clone(),
            refusal: None,
            reasoning_content: self.reasoning_content.clone(),
            annotations: None,
            audio: None,
            function_call: None,
        }
    }
}

/// Log probabilities of an answer's tokens.
#[derive(Debug, Default, Serialize, Deserialize, Schema)]
pub struct ChatLogprobs {
    /// One for each token.
    pub content: Option<Vec<TokenLogprob>>,
    /// Always `null`.
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// A token and its log probability.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct TokenLogprob {
    /// Its text; a part of a character is shown by replacement characters.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens in its place.
    pub top_logprobs: Vec<TopLogprob>,
}

/// A token that was likely.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct TopLogprob {
    /// Its text; a part of a character is shown by replacement characters.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
}

/// A part of an answer.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ChatCompletionChunk {
    /// Id of the request, the same in every chunk and in the header `x-request-id`.
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: String,
    /// When it was asked for, in seconds since 1970; the same in every chunk.
    pub created: u64,
    /// Id of the model that answers.
    pub model: String,
    /// What came; empty in the chunk with the usage.
    pub choices: Vec<ChatChunkChoice>,
    /// Tokens that were read and generated: in the last chunk, and `null` in those before it, where
    /// `stream_options.include_usage` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<GenerationUsage>>,
}

/// A part of one answer.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ChatChunkChoice {
    /// Number of the answer, from 0 on.
    pub index: usize,
    /// What came.
    pub delta: ChatDelta,
    /// Log probabilities of the tokens that came, where they were asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why the answer ended, in its last chunk.
    pub finish_reason: Option<EndReason>,
}

/// What came.
#[derive(Debug, Default, Serialize, Deserialize, Schema)]
pub struct ChatDelta {
    /// Always `assistant`, in the first chunk of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<AnswerRole>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What the model thinks, where it marks its thoughts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Tools that are to be called, as the model writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCallDelta>>,
}

/// A part of a call. The first one has its id, its type and its name; the others have parts of its arguments.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ToolCallDelta {
    /// Its number among the calls of the answer, from 0 on.
    pub index: usize,
    /// Its id, in the first part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Always `function`, in the first part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<ToolKind>,
    /// What is called.
    pub function: FunctionCallDelta,
}

/// A part of the call of a function.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct FunctionCallDelta {
    /// Name of the function, in the first part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A part of the arguments, as the model wrote it; empty in the first part. All parts together are the JSON text of an
    /// object, if the model made no mistake and was not cut off.
    pub arguments: String,
}
