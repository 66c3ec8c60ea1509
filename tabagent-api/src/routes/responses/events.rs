//! The events of a response that comes as a stream, by OpenAI's names.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::items::Item;
use super::response::Response;
use crate::Schema;
use crate::routes::chat::TokenLogprob;
use crate::stream::StreamEvent;

/// A part of an answer, as events tell it.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerPart {
    /// A text.
    OutputText {
        /// The text.
        text: String,
        /// Always empty.
        annotations: Vec<Value>,
        /// Log probabilities of its tokens, where they were asked for.
        logprobs: Vec<TokenLogprob>,
    },
    /// A thought.
    ReasoningText {
        /// The text.
        text: String,
    },
}

/// Writes the enum, and the name of each event beside its serde name.
macro_rules! events {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal {
        $($(#[doc = $field_doc:literal])+ $field:ident: $kind:ty,)*
    })+) => {
        /// An event of a stream. `sequence_number` counts them from 0 on.
        #[derive(Debug, Clone, Serialize, Deserialize, Schema)]
        #[serde(tag = "type")]
        pub enum ResponseEvent {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name)]
                $variant {
                    /// Its number.
                    sequence_number: u64,
                    $($(#[doc = $field_doc])+ $field: $kind,)*
                },
            )+
        }

        impl ResponseEvent {
            /// Its type, which is also its name in the stream.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)+
                }
            }

            /// Its number.
            pub fn sequence_number(&self) -> u64 {
                match self {
                    $(Self::$variant { sequence_number, .. })|+ => *sequence_number,
                }
            }
        }
    };
}

events! {
    /// The response has begun.
    Created = "response.created" {
        /// As it is now.
        response: Box<Response>,
    }
    /// It is being generated.
    InProgress = "response.in_progress" {
        /// As it is now.
        response: Box<Response>,
    }
    /// An item has begun.
    OutputItemAdded = "response.output_item.added" {
        /// Place of the item.
        output_index: usize,
        /// The item, still empty.
        item: Item,
    }
    /// A part of an item has begun.
    ContentPartAdded = "response.content_part.added" {
        /// Id of the item.
        item_id: String,
        /// Place of the item.
        output_index: usize,
        /// Place of the part.
        content_index: usize,
        /// The part, still empty.
        part: AnswerPart,
    }
    /// Text came.
    OutputTextDelta = "response.output_text.delta" {
        /// Id of the item.
        item_id: String,
        /// Place of the item.
        output_index: usize,
        /// Place of the part.
        content_index: usize,
        /// The text.
        delta: String,
        /// Log probabilities of the tokens that came, where they were asked for.
        logprobs: Vec<TokenLogprob>,
    }
    /// A text is whole.
    OutputTextDone = "response.output_text.done" {
        /// Id of the item.
        item_id: String,
        /// Place of the item.
        output_index: usize,
        /// Place of the part.
        content_index: usize,
        /// All of the text.
        text: String,
        /// Log probabilities of its tokens, where they were asked for.
        logprobs: Vec<TokenLogprob>,
    }
    /// A thought came.
    ReasoningTextDelta = "response.reasoning_text.delta" {
        /// Id of the item.
        item_id: String,
        /// Place of the item.
        output_index: usize,
        /// Place of the part.
        content_index: usize,
        /// The text.
        delta: String,
    }
    /// A thought is whole.
    ReasoningTextDone = "response.reasoning_text.done" {
        /// Id of the item.
        item_id: String,
        /// Place of the item.
        output_index: usize,
        /// Place of the part.
        content_index: usize,
        /// All of the text.
        text: String,
    }
    /// A part of an item is whole.
    ContentPartDone = "response.content_part.done" {
        /// Id of the item.
        item_id: String,
        /// Place of the item.
        output_index: usize,
        /// Place of the part.
        content_index: usize,
        /// The part.
        part: AnswerPart,
    }
    /// A part of the arguments of a call came.
    FunctionCallArgumentsDelta = "response.function_call_arguments.delta" {
        /// Id of the item.
        item_id: String,
        /// Place of the item.
        output_index: usize,
        /// The part, as the model wrote it.
        delta: String,
    }
    /// No more arguments of a call come.
    FunctionCallArgumentsDone = "response.function_call_arguments.done" {
        /// Id of the item.
        item_id: String,
        /// Place of the item.
        output_index: usize,
        /// Name of the function.
        name: String,
        /// All of the arguments.
        arguments: String,
    }
    /// An item is whole.
    OutputItemDone = "response.output_item.done" {
        /// Place of the item.
        output_index: usize,
        /// The item.
        item: Item,
    }
    /// The response is whole, and stored where it is to be. The last event.
    Completed = "response.completed" {
        /// The response.
        response: Box<Response>,
    }
    /// The response was cut off, and is stored where it is to be. The last event.
    Incomplete = "response.incomplete" {
        /// The response.
        response: Box<Response>,
    }
    /// The response broke off, and is not stored. A line with OpenAI's `error` object follows, which clients raise.
    Failed = "response.failed" {
        /// The response.
        response: Box<Response>,
    }
}

impl ResponseEvent {
    /// The event with its name, as streams send it.
    pub(super) fn named(self) -> StreamEvent<Self> {
        StreamEvent { name: Some(self.name()), data: self }
    }
}
