//! The items of a response: what was said, thought, called and answered, as the client sends them, as they are kept, and
//! as they are told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Schema;
use crate::routes::chat::TokenLogprob;
use crate::routes::inference::InferenceError;

/// What a response answers.
#[derive(Debug, Serialize, Schema)]
#[serde(untagged)]
pub enum ResponseInput {
    /// A text: one message of the user.
    Text(#[rule(length(min = 1, max = 4_194_304))] String),
    /// Items, the oldest first; none where a session is continued that ends with a message of a user or a tool.
    Items(#[rule(items(max = 4096), each(nested))] Vec<InputItem>),
}

/// One item of the input.
#[derive(Debug, Serialize, Schema)]
#[serde(untagged)]
pub enum InputItem {
    /// With its type.
    Typed(#[rule(nested)] Item),
    /// A message without its type.
    Message(#[rule(nested)] PlainMessage),
}

/// A message without its type.
#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct PlainMessage {
    /// Who speaks.
    pub role: ItemRole,
    /// What is said.
    #[rule(nested)]
    pub content: ItemContent,
}

/// An item of a conversation. Items of tools that run at OpenAI, and references to items, are not served.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Item {
    /// What was said.
    Message {
        /// Its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[rule(length(max = 256))]
        id: Option<String>,
        /// Whether it is whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
        /// Who speaks.
        role: ItemRole,
        /// What is said.
        #[rule(nested)]
        content: ItemContent,
    },
    /// A function that the model calls.
    FunctionCall {
        /// Its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[rule(length(max = 256))]
        id: Option<String>,
        /// Whether it is whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
        /// Id of the call, to which its output refers.
        #[rule(length(min = 1, max = 256))]
        call_id: String,
        /// Name of the function.
        #[rule(length(min = 1, max = 256))]
        name: String,
        /// The arguments: an object, as JSON text.
        #[rule(length(max = 1_048_576))]
        arguments: String,
    },
    /// What a function answered.
    FunctionCallOutput {
        /// Its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[rule(length(max = 256))]
        id: Option<String>,
        /// Whether it is whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
        /// The call that it answers.
        #[rule(length(min = 1, max = 256))]
        call_id: String,
        /// The answer.
        #[rule(nested)]
        output: ItemContent,
    },
    /// What the model thought.
    Reasoning {
        /// Its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[rule(length(max = 256))]
        id: Option<String>,
        /// Whether it is whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
        /// Summaries of the thought; models here make none.
        #[serde(default)]
        #[rule(items(max = 1024), each(nested))]
        summary: Vec<SummaryPart>,
        /// The thought itself.
        #[serde(default)]
        #[rule(items(max = 1024), each(nested))]
        content: Option<Vec<ReasoningPart>>,
        /// Only `null`: thoughts are told in the open here, and those of other servers cannot be read.
        #[serde(default)]
        #[rule(length(max = 1_048_576))]
        encrypted_content: Option<String>,
    },
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ItemRole {
    /// Who asks.
    User,
    /// The model.
    Assistant,
    /// Who set up the conversation.
    System,
    /// Who made the application; the same as `system`.
    Developer,
}

/// Whether an item is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It is being generated.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off by the length that was asked for or that the model takes, or it is a call within which the answer was stopped.
    Incomplete,
}

/// What is said.
#[derive(Debug, Clone, Serialize, Schema)]
#[serde(untagged)]
pub enum ItemContent {
    /// A text.
    Text(#[rule(length(max = 4_194_304))] String),
    /// Parts, which are joined by line breaks.
    Parts(#[rule(items(max = 1024), each(nested))] Vec<ItemPart>),
}

/// A part of what is said. Images, sounds and files are not served.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ItemPart {
    /// A text for the model.
    InputText {
        /// The text.
        #[rule(length(max = 4_194_304))]
        text: String,
    },
    /// A text of the model.
    OutputText {
        /// The text.
        #[rule(length(max = 4_194_304))]
        text: String,
        /// Places that the text refers to; models here make none, and those of an input are not read.
        #[serde(default)]
        #[rule(any("they are not read"))]
        annotations: Vec<Value>,
        /// Log probabilities of its tokens, where they were asked for; those of an input are not read.
        #[serde(default)]
        #[rule(any("they are not read"))]
        logprobs: Option<Vec<TokenLogprob>>,
    },
    /// What the model refused.
    Refusal {
        /// The words.
        #[rule(length(max = 4_194_304))]
        refusal: String,
    },
}

/// A part of a thought.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReasoningPart {
    /// A text.
    ReasoningText {
        /// The text.
        #[rule(length(max = 4_194_304))]
        text: String,
    },
}

/// A part of the summary of a thought.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum SummaryPart {
    /// A text.
    SummaryText {
        /// The text.
        #[rule(length(max = 4_194_304))]
        text: String,
    },
}

/// An id that nothing else has.
pub(super) fn new_id(kind: &str) -> String {
    format!("{kind}_{}", uuid::Uuid::now_v7().simple())
}

impl ResponseInput {
    /// The items in the form in which they are kept: each with its type, its id and its parts.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`] for a thought that cannot be read.
    pub(super) fn items(&self) -> Result<Vec<Item>, InferenceError> {
        let message = |role, content: &ItemContent| Item::Message {
            id: None,
            status: None,
            role,
            content: content.clone(),
        };
        let items: Vec<Item> = match self {
            Self::Text(text) => vec![message(ItemRole::User, &ItemContent::Text(text.clone()))],
            Self::Items(items) => items
                .iter()
                .map(|item| match item {
                    InputItem::Typed(item) => item.clone(),
                    InputItem::Message(PlainMessage { role, content }) => message(*role, content),
                })
                .collect(),
        };
        let unreadable = |item: &Item| matches!(item, Item::Reasoning { encrypted_content: Some(_), .. });
        if let Some(at) = items.iter().position(unreadable) {
            let reason = "cannot be read here; leave it out, and send `content`";
            return Err(InferenceError::invalid(format!("input[{at}].encrypted_content"), reason));
        }
        Ok(items.into_iter().map(Item::completed).collect())
    }
}

impl Item {
    /// The item with what the client may leave out.
    fn completed(mut self) -> Self {
        let kind = match &mut self {
            Self::Message { role, content, .. } => {
                content.split(*role == ItemRole::Assistant);
                "msg"
            }
            Self::FunctionCall { .. } => "fc",
            Self::FunctionCallOutput { .. } => "fco",
            Self::Reasoning { .. } => "rs",
        };
        let (Self::Message { id, status, .. }
        | Self::FunctionCall { id, status, .. }
        | Self::FunctionCallOutput { id, status, .. }
        | Self::Reasoning { id, status, .. }) = &mut self;
        id.get_or_insert_with(|| new_id(kind));
        status.get_or_insert(ItemStatus::Completed);
        self
    }

    /// Its id; empty where it has none.
    pub(super) fn id(&self) -> &str {
        let (Self::Message { id, .. }
        | Self::FunctionCall { id, .. }
        | Self::FunctionCallOutput { id, .. }
        | Self::Reasoning { id, .. }) = self;
        id.as_deref().unwrap_or_default()
    }
}

impl ItemContent {
    /// Makes a part of a text.
    fn split(&mut self, of_the_model: bool) {
        if let Self::Text(text) = self {
            let text = std::mem::take(text);
            *self = Self::Parts(vec![if of_the_model {
                ItemPart::OutputText { text, annotations: Vec::new(), logprobs: None }
            } else {
                ItemPart::InputText { text }
            }]);
        }
    }

    /// All of it as one text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => {
                let texts: Vec<&str> = parts
                    .iter()
                    .map(|part| match part {
                        ItemPart::InputText { text }
                        | ItemPart::OutputText { text, .. }
                        | ItemPart::Refusal { refusal: text } => text.as_str(),
                    })
                    .collect();
                texts.join("\n")
            }
        }
    }
}
