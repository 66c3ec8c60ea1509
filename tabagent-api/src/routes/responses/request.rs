//! What POST /v1/responses takes: OpenAI's request, as far as it is served here, and sampling options that other servers
//! have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tabagent_runtime::{Constraint, SamplingRequest, TextConstraint, TextForm};

use super::items::ResponseInput;
use crate::Schema;
use crate::routes::chat::{AllowedMode, FunctionDefinition, Tool, ToolKind};
use crate::routes::constraint::{Choice, Function, constraint, json_form};
use crate::routes::inference::InferenceError;

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
    /// The response that this one continues, which must have been stored.
    #[rule(length(min = 1, max = 256))]
    pub previous_response_id: Option<String>,
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
    /// Makes the draw repeat: the same seed gives the same text.
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
    /// Not served: `previous_response_id` continues a conversation.
    #[rule(any("it is refused with what to send instead"))]
    pub conversation: Option<Value>,
    /// Not served: prompts are not kept here.
    #[rule(any("it is refused with what to send instead"))]
    pub prompt: Option<Value>,
    /// Not served: conversations are not shortened here.
    #[rule(any("it is refused with what to send instead"))]
    pub context_management: Option<Value>,
}

/// What a stream tells beside the response.
#[derive(Debug, Clone, Copy, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ResponseStreamOptions {
    /// Whether events are filled up to hide their length. Only `false`.
    pub include_obfuscation: Option<bool>,
}

/// What is told beside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Schema)]
pub enum Includable {
    /// Log probabilities of its tokens.
    #[serde(rename = "message.output_text.logprobs")]
    Logprobs,
}

/// A tool that the model may call. Tools that run at OpenAI are not served.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResponseTool {
    /// A function of the client.
    Function {
        /// Its name.
        #[rule(length(min = 1, max = 64), pattern("^[a-zA-Z0-9_-]+$"))]
        name: String,
        /// What it does, for the model.
        #[rule(length(max = 65_536))]
        description: Option<String>,
        /// Its parameters, as a JSON Schema.
        #[rule(any("what the schema of a function says is the client's to choose"))]
        parameters: Option<Map<String, Value>>,
        /// Whether arguments keep the schema in any case; false when absent. Without it they keep it where the response is
        /// held to calls anyway (`tool_choice`, `parallel_tool_calls`), and keywords that cannot be held are passed over.
        strict: Option<bool>,
    },
}

/// Which functions are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(untagged)]
pub enum ResponseToolChoice {
    /// Any or none.
    Mode(ToolChoiceMode),
    /// By name.
    Named(#[rule(nested)] NamedTool),
}

/// Which functions are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoiceMode {
    /// None.
    None,
    /// Those that the model calls by itself.
    Auto,
    /// At least one.
    Required,
}

/// Which functions are called, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum NamedTool {
    /// This one, once.
    Function {
        /// Its name.
        #[rule(length(min = 1, max = 64))]
        name: String,
    },
    /// None but these.
    AllowedTools {
        /// Whether one has to be called.
        mode: AllowedMode,
        /// Their names.
        #[rule(items(min = 1, max = 128), each(nested))]
        tools: Vec<AllowedFunction>,
    },
}

/// A function that may be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct AllowedFunction {
    /// Always `function`.
    pub r#type: ToolKind,
    /// Its name.
    #[rule(length(min = 1, max = 64))]
    pub name: String,
}

/// The form of the text.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct TextOptions {
    /// Its form.
    #[serde(default)]
    #[rule(nested)]
    pub format: TextFormat,
    /// How much is said. Only `medium`: the instructions can say more of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<Verbosity>,
}

/// The form of the text.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum TextFormat {
    /// Any text.
    Text {},
    /// Any JSON object.
    JsonObject {},
    /// JSON that keeps a schema.
    JsonSchema {
        /// Name of the schema.
        #[rule(length(min = 1, max = 64), pattern("^[a-zA-Z0-9_-]+$"))]
        name: String,
        /// What it is for, for the model.
        #[rule(length(max = 65_536))]
        description: Option<String>,
        /// The schema.
        #[rule(any("what a schema says is the client's to choose"))]
        schema: Map<String, Value>,
        /// Whether a schema that cannot be held whole is refused; else keywords that cannot be held are passed over.
        strict: Option<bool>,
    },
}

impl Default for TextFormat {
    fn default() -> Self {
        Self::Text {}
    }
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// As much as the model says by itself.
    Medium,
}

/// How the model thinks.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ReasoningOptions {
    /// How long it thinks: the variable `reasoning_effort` of its chat template; `none` is also `enable_thinking: false`.
    /// Templates that read neither do not change.
    pub effort: Option<ReasoningEffort>,
    /// Only `null`: thoughts are told whole.
    #[rule(length(max = 64))]
    pub summary: Option<String>,
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

/// What happens to a conversation that the model cannot take whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Truncation {
    /// The request fails.
    Disabled,
    /// Its oldest items are left out; not served.
    Auto,
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
                "conversation",
                self.conversation.is_some(),
                "is not kept here; send `previous_response_id`, or all items as `input`",
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
        match refused.into_iter().find(|(_, found, _)| *found) {
            Some((field, _, reason)) => Err(InferenceError::invalid(field, reason)),
            None => Ok(()),
        }
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
        let mut variables = Map::new();
        if let Some(effort) = self.reasoning.as_ref().and_then(|reasoning| reasoning.effort) {
            variables.insert("reasoning_effort".to_owned(), json!(effort));
            if effort == ReasoningEffort::None {
                variables.insert("enable_thinking".to_owned(), json!(false));
            }
        }
        variables.extend(self.chat_template_kwargs.clone().unwrap_or_default());
        variables
    }
}

impl ResponseTool {
    /// The tool as all routes have it; `at` is its place in the request.
    fn function(&self, at: usize) -> Function {
        let Self::Function { name, parameters, strict, .. } = self;
        Function {
            field: format!("tools[{at}].parameters"),
            name: name.clone(),
            parameters: parameters.clone().map(Value::Object),
            strict: strict.unwrap_or(false),
        }
    }
}

impl TextFormat {
    /// What it holds a text to; `None` for any text.
    fn constraint(&self) -> Option<TextConstraint> {
        let (field, form) = match self {
            Self::Text {} => return None,
            Self::JsonObject {} => ("text.format", TextForm::JsonObject),
            Self::JsonSchema { schema, strict, .. } => {
                ("text.format.schema", json_form(Some(schema), *strict))
            }
        };
        Some(TextConstraint { field: field.to_owned(), form })
    }
}
