//! What POST /v1/chat/completions takes: OpenAI's request, as far as it is served here, and the further sampling options
//! that other servers have.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use tabagent_runtime::{Constraint, Conversation, SamplingRequest, TextConstraint, TextForm};

use super::messages::ChatMessage;
use super::tools::{Tool, ToolChoice};
use crate::Schema;
use crate::routes::constraint::{Choice, Function, StructuredOutputs, constraint, json_form};
use crate::routes::generation::{
    ReasoningEffort, ServiceTier, StopTexts, StreamOptions, Verbosity, sampling, variables,
};
use crate::routes::inference::InferenceError;
use crate::routes::sessions::needs_session;

/// A conversation to be continued.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// Id of the model; the one inside the server when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// The conversation so far; in a session what comes after it. There it may be empty, where the session ends with a message of a
    /// user or a tool: that one is answered.
    #[rule(items(max = 2048), each(nested))]
    pub messages: Vec<ChatMessage>,
    /// Id of a session, whose messages come before those of the request; one that is not there begins. The messages and the
    /// answer are added to it before the end of the answer is told, unless it is stopped or breaks off. Those of the roles
    /// `system` and `developer` are not: they come first, for this request alone, in place of those that the session has.
    #[rule(length(min = 1, max = 128), pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"))]
    pub session_id: Option<String>,
    /// Takes so many of the session's last messages, from the first one of a user on, and unless it is 0 at least the last one
    /// of a user and what follows it; those of `system` and `developer` stay. All when absent.
    #[rule(range(min = 0, max = 10_000))]
    pub history_limit: Option<u32>,
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
    /// How many answers.
    #[rule(range(min = 1, max = 128))]
    pub n: Option<u32>,
    /// Most tokens of an answer; as many as the model takes when absent.
    #[rule(range(min = 1, max = 10_000_000))]
    pub max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`.
    #[rule(range(min = 1, max = 10_000_000))]
    pub max_tokens: Option<u32>,
    /// Texts that end an answer and are no part of it.
    #[rule(nested)]
    pub stop: Option<StopTexts>,
    /// Whether the answer comes as server-sent events.
    pub stream: Option<bool>,
    /// What the stream tells beside the answer.
    pub stream_options: Option<StreamOptions>,
    /// Whether log probabilities are told.
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens are told in place of each; needs `logprobs`.
    #[rule(range(min = 0, max = 20))]
    pub top_logprobs: Option<u32>,
    /// The form of the answer. A model that marks its thoughts may think before.
    #[rule(nested)]
    pub response_format: Option<ResponseFormat>,
    /// Other forms of the answer than OpenAI's API has; not together with `response_format`.
    #[rule(nested)]
    pub structured_outputs: Option<StructuredOutputs>,
    /// Tools that the model may call.
    #[rule(items(max = 128), each(nested))]
    pub tools: Option<Vec<Tool>>,
    /// Which tools are called: `auto` when absent.
    #[rule(nested)]
    pub tool_choice: Option<ToolChoice>,
    /// Whether an answer may call several tools: `true` when absent.
    pub parallel_tool_calls: Option<bool>,
    /// Further variables of the model's chat template, such as `enable_thinking`.
    #[rule(any("what a template reads is the template's to say"))]
    pub chat_template_kwargs: Option<Map<String, Value>>,
    /// How long the model thinks: the variable `reasoning_effort` of its chat template; `none` is also
    /// `enable_thinking: false`. Templates that read neither do not change.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// How much is said. Only `medium`: a message can say more of it.
    pub verbosity: Option<Verbosity>,
    /// What an answer is made of: text.
    #[rule(items(min = 1, max = 16))]
    pub modalities: Option<Vec<Modality>>,
    /// How soon it is answered: there is one way.
    pub service_tier: Option<ServiceTier>,
    /// Only `false`: answers of this route are not stored.
    pub store: Option<bool>,
    /// Labels, for OpenAI's clients; they are neither stored nor logged.
    #[rule(items(max = 16), each(length(max = 512)))]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Id of the end user, for OpenAI's clients; it is neither stored nor logged.
    #[rule(length(max = 512))]
    pub user: Option<String>,
    /// The newer name of `user`.
    #[rule(length(max = 512))]
    pub safety_identifier: Option<String>,
    /// Name of conversations that begin alike, for OpenAI's clients: here every beginning is found by itself.
    #[rule(length(max = 512))]
    pub prompt_cache_key: Option<String>,
    /// Not served: `tools` are the functions.
    #[rule(any("it is refused with what to send instead"))]
    pub functions: Option<Value>,
    /// Not served: `tool_choice` says which ones are called.
    #[rule(any("it is refused with what to send instead"))]
    pub function_call: Option<Value>,
    /// Not served: answers are text.
    #[rule(any("it is refused with what to send instead"))]
    pub audio: Option<Value>,
    /// Not served: no part of an answer is known before.
    #[rule(any("it is refused with what to send instead"))]
    pub prediction: Option<Value>,
    /// Not served: nothing is searched for in the web here.
    #[rule(any("it is refused with what to send instead"))]
    pub web_search_options: Option<Value>,
}

/// What an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Text.
    Text,
}

/// The form of an answer.
#[derive(Debug, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResponseFormat {
    /// Any text.
    Text {},
    /// A JSON object.
    JsonObject {},
    /// JSON that a schema describes.
    JsonSchema {
        /// The schema and its name.
        #[rule(nested)]
        json_schema: NamedSchema,
    },
}

/// A JSON Schema and its name.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct NamedSchema {
    /// Its name, for the client.
    #[rule(length(min = 1, max = 64), pattern("^[a-zA-Z0-9_-]+$"))]
    pub name: String,
    /// What it is for, for the client.
    #[rule(length(max = 65_536))]
    pub description: Option<String>,
    /// The schema; that of any object when absent.
    #[rule(any("what the schema of an answer says is the client's to choose"))]
    pub schema: Option<Map<String, Value>>,
    /// Whether a schema that cannot be held whole is refused; else keywords that cannot be held are passed over.
    pub strict: Option<bool>,
}

impl ChatRequest {
    /// Refuses what is not done here.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`], with what to send instead.
    pub(super) fn refuse(&self) -> Result<(), InferenceError> {
        InferenceError::refuse(&[
            (
                "messages",
                self.messages.is_empty() && self.session_id.is_none(),
                "is empty; send a message, or the `session_id` of a session that ends with one",
            ),
            (
                "store",
                self.store == Some(true),
                "answers of this route are not stored; send `false`, or use /v1/responses, which stores them",
            ),
            ("functions", self.functions.is_some(), "is the older form of `tools`; send those"),
            ("function_call", self.function_call.is_some(), "is the older form of `tool_choice`; send that"),
            ("audio", self.audio.is_some(), "answers are text here; leave it out"),
            ("prediction", self.prediction.is_some(), "answers are generated whole here; leave it out"),
            (
                "web_search_options",
                self.web_search_options.is_some(),
                "nothing is searched for here; send a function of yours that searches in `tools`",
            ),
            (
                "n",
                self.session_id.is_some() && self.n.is_some_and(|n| n > 1),
                "a session goes on with one answer; send 1, or leave `session_id` out",
            ),
        ])?;
        needs_session(self.session_id.is_some(), self.history_limit)?;
        let mut refused =
            self.messages.iter().enumerate().filter_map(|(at, message)| Some((at, message.refused()?)));
        match refused.next() {
            Some((at, (field, reason))) => {
                Err(InferenceError::invalid(format!("messages[{at}].{field}"), reason))
            }
            None => Ok(()),
        }
    }

    /// How tokens are chosen.
    pub(super) fn sampling(&self) -> Result<SamplingRequest, InferenceError> {
        sampling!(self)
    }

    /// How many of the likeliest tokens are told with each; `None` where no log probabilities are asked for.
    pub(super) fn logprobs(&self) -> Result<Option<usize>, InferenceError> {
        match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (true, count) => Ok(Some(count.unwrap_or(0) as usize)),
            (false, None | Some(0)) => Ok(None),
            (false, Some(_)) => Err(InferenceError::invalid("top_logprobs", "needs `logprobs` to be true")),
        }
    }

    /// Most tokens of an answer.
    pub(super) fn limit(&self) -> Result<Option<usize>, InferenceError> {
        match (self.max_completion_tokens, self.max_tokens) {
            (Some(new), Some(old)) if new != old => Err(InferenceError::invalid(
                "max_tokens",
                "differs from `max_completion_tokens`; send one of them",
            )),
            (new, old) => Ok(new.or(old).map(|count| count as usize)),
        }
    }

    /// What the answer has to be like.
    pub(super) fn constraint(&self) -> Result<Option<Constraint>, InferenceError> {
        let text = match (&self.response_format, &self.structured_outputs) {
            (None | Some(ResponseFormat::Text {}), None) => None,
            (None, Some(outputs)) => Some(outputs.text("structured_outputs")?),
            (Some(format), None) => format.text(),
            (Some(_), Some(_)) => {
                let reason = "cannot be had together with `response_format`; send one of them";
                return Err(InferenceError::invalid("structured_outputs", reason));
            }
        };
        let tools: Vec<Function> =
            self.tools.iter().flatten().enumerate().map(|(at, tool)| tool.function(at)).collect();
        constraint(text, tools, &self.choice(), self.parallel_tool_calls)
    }

    /// Which tools are called.
    pub(super) fn choice(&self) -> Choice {
        self.tool_choice.as_ref().map_or(Choice::Auto, ToolChoice::choice)
    }

    /// The messages as chat templates take them.
    pub(super) fn messages_for_template(&self) -> Vec<Value> {
        self.messages.iter().map(ChatMessage::for_template).collect()
    }

    /// A conversation of these messages, as chat templates take it.
    pub(super) fn conversation(&self, messages: Vec<Value>) -> Conversation {
        let tools = match self.choice() {
            Choice::None => &[],
            _ => self.tools.as_deref().unwrap_or_default(),
        };
        Conversation {
            messages,
            tools: tools.iter().map(Tool::for_template).collect(),
            add_generation_prompt: true,
            variables: variables(self.reasoning_effort, self.chat_template_kwargs.as_ref()),
            now: None,
        }
    }
}

impl ResponseFormat {
    /// The form that it asks for; `None` for any text.
    fn text(&self) -> Option<TextConstraint> {
        let (field, form) = match self {
            Self::Text {} => return None,
            Self::JsonObject {} => ("response_format", TextForm::JsonObject),
            Self::JsonSchema { json_schema } => {
                let form = json_form(json_schema.schema.as_ref(), json_schema.strict);
                ("response_format.json_schema.schema", form)
            }
        };
        Some(TextConstraint { field: field.to_owned(), form })
    }
}
