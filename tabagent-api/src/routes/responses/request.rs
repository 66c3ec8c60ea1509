//! What POST /v1/responses takes: OpenAI's request, as far as it is served here, and sampling options that other servers
//! have.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use tabagent_runtime::{Constraint, SamplingRequest};

use super::items::ResponseInput;
use super::options::{
    ConversationParam, Includable, NamedTool, ReasoningOptions, ResponseStreamOptions, ResponseTool,
    ResponseToolChoice, TextOptions, ToolChoiceMode, Truncation,
};
use crate::Schema;
use crate::routes::chat::{AllowedMode, FunctionDefinition, Tool, ToolKind};
use crate::routes::constraint::{Choice, Function, constraint};
use crate::routes::generation::{ServiceTier, variables};
use crate::routes::inference::InferenceError;
use crate::routes::sessions::needs_session;

/// A response that is asked for.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ResponseRequest {
    /// Id of the model; the one inside the server when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What is to be answered: a text, or items.
    #[rule(nested)]
    pub input: ResponseInput,
    /// What the model is told first. It does not carry over to the next response.
    #[rule(length(max = 4_194_304))]
    pub instructions: Option<String>,
    /// The response that this one continues, which must have been stored. One that was answered in a session is continued by
    /// `session_id`.
    #[rule(length(min = 1, max = 256))]
    pub previous_response_id: Option<String>,
    /// Id of a session that is continued, or begun where it is not there; not together with `previous_response_id`. The
    /// input and the output are added to it before the end of the response is told, also where `store` is false, unless it is
    /// stopped or breaks off. Instructions, and messages of the roles `system` and `developer`, are not: they come first, for
    /// this request alone, in place of those that the session has.
    #[rule(length(min = 1, max = 128), pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"))]
    pub session_id: Option<String>,
    /// OpenAI's name of `session_id`.
    #[rule(nested)]
    pub conversation: Option<ConversationParam>,
    /// Takes so many of the session's last messages, from the first one of a user on, and unless it is 0 at least the last one
    /// of a user and what follows it; those of `system` and `developer` stay. All when absent.
    #[rule(range(min = 0, max = 10_000))]
    pub history_limit: Option<u32>,
    /// Whether the response is stored, for 30 days; true when absent.
    pub store: Option<bool>,
    /// Whether the response comes as server-sent events.
    #[serde(default)]
    pub stream: Option<bool>,
    /// What the stream tells beside the response.
    pub stream_options: Option<ResponseStreamOptions>,
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
    /// Makes the draw repeat: the same seed gives the same text, but where a quantised model rounds what is cached differently.
    pub seed: Option<i64>,
    /// Most tokens of the response, its thoughts included; as many as the model takes when absent.
    #[rule(range(min = 1, max = 10_000_000))]
    pub max_output_tokens: Option<u32>,
    /// What is told beside the text.
    #[rule(items(max = 16))]
    pub include: Option<Vec<Includable>>,
    /// How many of the likeliest tokens are told in place of each.
    #[rule(range(min = 0, max = 20))]
    pub top_logprobs: Option<u32>,
    /// Functions that the model may call.
    #[rule(items(max = 128), each(nested))]
    pub tools: Option<Vec<ResponseTool>>,
    /// Which functions are called.
    #[rule(nested)]
    pub tool_choice: Option<ResponseToolChoice>,
    /// Whether a response may call several functions; true when absent.
    pub parallel_tool_calls: Option<bool>,
    /// Most calls of tools that run on the server. There are none, so that every number is kept.
    #[rule(range(min = 1, max = 1_000_000))]
    pub max_tool_calls: Option<u32>,
    /// The form of the text.
    #[rule(nested)]
    pub text: Option<TextOptions>,
    /// How the model thinks.
    #[rule(nested)]
    pub reasoning: Option<ReasoningOptions>,
    /// What happens to a conversation that the model cannot take whole.
    pub truncation: Option<Truncation>,
    /// Labels, which are stored with the response.
    #[rule(items(max = 16), each(length(max = 512)))]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Further variables of the model's chat template, such as `enable_thinking`.
    #[rule(any("what a template reads is the template's to say"))]
    pub chat_template_kwargs: Option<Map<String, Value>>,
    /// How soon it is answered: there is one way.
    pub service_tier: Option<ServiceTier>,
    /// Id of the end user, for OpenAI's clients.
    #[rule(length(max = 512))]
    pub user: Option<String>,
    /// The newer name of `user`.
    #[rule(length(max = 512))]
    pub safety_identifier: Option<String>,
    /// Name of conversations that begin alike, for OpenAI's clients: here every beginning is found by itself.
    #[rule(length(max = 512))]
    pub prompt_cache_key: Option<String>,
    /// Only `false`: responses are not made in the background here.
    pub background: Option<bool>,
    /// Not served: prompts are not kept here.
    #[rule(any("it is refused with what to send instead"))]
    pub prompt: Option<Value>,
    /// Not served: conversations are not shortened here.
    #[rule(any("it is refused with what to send instead"))]
    pub context_management: Option<Value>,
}

impl ResponseRequest {
    /// Refuses what is not done here.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`], with what to send instead.
    pub(super) fn refuse(&self) -> Result<(), InferenceError> {
        let refused = [
            (
                "background",
                self.background == Some(true),
                "responses are not made in the background here; send `stream: true`",
            ),
            (
                "input",
                matches!(&self.input, ResponseInput::Items(items) if items.is_empty())
                    && self.session().is_none(),
                "is empty; send a text or an item, or the `session_id` of a session that ends with a message",
            ),
            (
                "conversation",
                matches!((&self.session_id, &self.conversation), (Some(id), Some(other)) if id != other.id()),
                "differs from `session_id`; send one of them",
            ),
            (
                "previous_response_id",
                self.previous_response_id.is_some() && self.session().is_some(),
                "goes on with another conversation than the session; send one of them",
            ),
            ("prompt", self.prompt.is_some(), "prompts are not kept here; send `instructions` and `input`"),
            (
                "context_management",
                self.context_management.is_some(),
                "conversations are not shortened here; send fewer items",
            ),
            (
                "truncation",
                self.truncation == Some(Truncation::Auto),
                "conversations are not shortened here; send `disabled`, and fewer items",
            ),
            ("stream_options", self.stream_options.is_some() && !self.streams(), "needs `stream` to be true"),
            (
                "stream_options.include_obfuscation",
                self.stream_options.is_some_and(|options| options.include_obfuscation == Some(true)),
                "events are not filled up here; send `false`",
            ),
            (
                "reasoning.summary",
                self.reasoning.as_ref().is_some_and(|reasoning| reasoning.summary.is_some()),
                "thoughts are told whole, as items of the type `reasoning`; leave it out",
            ),
        ];
        InferenceError::refuse(&refused)?;
        needs_session(self.session().is_some(), self.history_limit)
    }

    /// Id of the session that is continued.
    pub(super) fn session(&self) -> Option<&str> {
        self.session_id.as_deref().or(self.conversation.as_ref().map(ConversationParam::id))
    }

    /// What the answer has to be like.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`] where a choice needs tools that are not there.
    pub(super) fn constraint(&self) -> Result<Option<Constraint>, InferenceError> {
        let text = self.text.as_ref().and_then(|text| text.format.constraint());
        let tools: Vec<Function> =
            self.tools.iter().flatten().enumerate().map(|(at, tool)| tool.function(at)).collect();
        // OpenAI's clients send it with every request, and without tools it says nothing.
        let parallel = self.parallel_tool_calls.filter(|_| !tools.is_empty());
        constraint(text, tools, &self.choice(), parallel)
    }

    /// Which functions are called.
    fn choice(&self) -> Choice {
        match &self.tool_choice {
            None | Some(ResponseToolChoice::Mode(ToolChoiceMode::Auto)) => Choice::Auto,
            Some(ResponseToolChoice::Mode(ToolChoiceMode::None)) => Choice::None,
            Some(ResponseToolChoice::Mode(ToolChoiceMode::Required)) => Choice::Required,
            Some(ResponseToolChoice::Named(NamedTool::Function { name })) => Choice::Named(name.clone()),
            Some(ResponseToolChoice::Named(NamedTool::AllowedTools { mode, tools })) => Choice::Allowed {
                names: tools.iter().map(|tool| tool.name.clone()).collect(),
                required: *mode == AllowedMode::Required,
            },
        }
    }

    /// Whether the response comes as events.
    pub(super) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether the response is stored.
    pub(super) fn stores(&self) -> bool {
        self.store != Some(false)
    }

    /// How tokens are chosen.
    pub(super) fn sampling(&self) -> SamplingRequest {
        SamplingRequest {
            temperature: self.temperature,
            top_k: self.top_k.map(|count| count as usize),
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed.map(i64::cast_unsigned),
            ..SamplingRequest::default()
        }
    }

    /// How many of the likeliest tokens are told with each; `None` where no log probabilities are asked for.
    pub(super) fn logprobs(&self) -> Option<usize> {
        let included = self.include.iter().flatten().any(|found| *found == Includable::Logprobs);
        let top = self.top_logprobs.unwrap_or(0) as usize;
        (included || top > 0).then_some(top)
    }

    /// Tools as chat templates take them; none where none may be called.
    pub(super) fn tools_for_template(&self) -> Vec<Value> {
        if self.choice() == Choice::None {
            return Vec::new();
        }
        let tools = self.tools.iter().flatten().cloned();
        tools
            .map(|ResponseTool::Function { name, description, parameters, strict }| {
                let function = FunctionDefinition { name, description, parameters, strict };
                Tool { r#type: ToolKind::Function, function }.for_template()
            })
            .collect()
    }

    /// Variables of the chat template.
    pub(super) fn variables(&self) -> Map<String, Value> {
        let effort = self.reasoning.as_ref().and_then(|reasoning| reasoning.effort);
        variables(effort, self.chat_template_kwargs.as_ref())
    }
}
