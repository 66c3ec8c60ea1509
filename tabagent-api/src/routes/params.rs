//! GET and POST /v1/params: the parameters of generation that hold where a request says nothing.

use serde::{Deserialize, Serialize};
use tabagent_runtime::{GenerationParams, ParamsInForce, Runtime};

use super::inference::InferenceError;
use crate::{ApiError, Component, Json, Query, Schema, route};

/// Whose parameters.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ParamsQuery {
    /// Id of a model; the server when absent. Beside a session it says for which model `in_force` is told.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// Id of a session.
    #[rule(length(min = 1, max = 128), pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"))]
    pub session_id: Option<String>,
}

/// Parameters to be changed. What is absent stays as it is.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ParamsChange {
    /// Id of the model whose parameters they are; those of the server when absent. Beside a session it says for which model
    /// `in_force` is told.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// Id of the session whose parameters they are; its first message creates it.
    #[rule(length(min = 1, max = 128), pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"))]
    pub session_id: Option<String>,
    /// Whether all that was set before is taken back first.
    pub reset: Option<bool>,
    /// Divides the logits; 0 always takes the likeliest token.
    #[rule(range(min = 0, max = 2))]
    pub temperature: Option<f32>,
    /// Keeps the so many likeliest tokens; 0 keeps all.
    #[rule(range(min = 0, max = 1_000_000))]
    pub top_k: Option<u32>,
    /// Keeps the likeliest tokens that have this probability together.
    #[rule(range(min = 0, max = 1))]
    pub top_p: Option<f32>,
    /// Keeps tokens with at least this share of the likeliest one's probability.
    #[rule(range(min = 0, max = 1))]
    pub min_p: Option<f32>,
    /// Divides the logits of tokens that occurred; `repeat_penalty` is another name for it.
    #[serde(alias = "repeat_penalty")]
    #[rule(range(min = 0.125, max = 8))]
    pub repetition_penalty: Option<f32>,
    /// Taken from the logits of tokens that were generated, once.
    #[rule(range(min = -2, max = 2))]
    pub presence_penalty: Option<f32>,
    /// Taken from the logits of tokens that were generated, for each time.
    #[rule(range(min = -2, max = 2))]
    pub frequency_penalty: Option<f32>,
    /// Most tokens of an answer of chat and responses; completions have 16 where their request says nothing.
    #[rule(range(min = 1, max = 10_000_000))]
    pub max_tokens: Option<u32>,
}

/// Parameters of generation. `null` is what nobody set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Schema)]
#[allow(missing_docs, reason = "the fields of ParamsChange")]
pub struct GenerationDefaults {
    pub temperature: Option<f32>,
    pub top_k: Option<usize>,
    pub top_p: Option<f32>,
    pub min_p: Option<f32>,
    pub repetition_penalty: Option<f32>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub max_tokens: Option<usize>,
}

impl From<GenerationParams> for GenerationDefaults {
    fn from(params: GenerationParams) -> Self {
        Self {
            temperature: params.temperature,
            top_k: params.top_k,
            top_p: params.top_p,
            min_p: params.min_p,
            repetition_penalty: params.repetition_penalty,
            presence_penalty: params.presence_penalty,
            frequency_penalty: params.frequency_penalty,
            max_tokens: params.max_tokens,
        }
    }
}

/// The parameters of the server, of a model, or of a session.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Params {
    /// Id of the model; `null` for the server.
    pub model: Option<String>,
    /// Id of the session; absent where none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// What is set for it: for the session, where one was named.
    pub params: GenerationDefaults,
    /// What holds where a request says nothing: what a session lacks is the model's, and what that lacks the server's. What is `null` here is what the
    /// model's author recommends, and else that of OpenAI.
    pub in_force: GenerationDefaults,
}

impl Params {
    fn of(model: Option<String>, session_id: Option<String>, found: ParamsInForce) -> Self {
        Self { model, session_id, params: found.own.into(), in_force: found.in_force.into() }
    }
}

/// Show the parameters of generation.
///
/// Those of the server, of a model, or of a session. A request's own come first, then those of its session, of its model, of
/// the server, then what the model's author recommends.
#[route(
    GET, "/v1/params",
    tag = "control",
    tests = [
        case("of the server", status = 200, check = |params: &Params| params.model.is_none() && params.params == params.in_force),
        case("of a model", query = { model: "tabagent-chat" }, status = 200, check = |params: &Params| params.model.as_deref() == Some("tabagent-chat")),
        case("of a model that generates no text", query = { model: "tabagent-embed" }, problem = InferenceError::Invalid),
        case("of an unknown model", query = { model: "nobody/nothing" }, problem = InferenceError::ModelNotFound),
        case("of a session", query = { session_id: "session_to_keep", model: "tabagent-chat" }, status = 200,
            check = |params: &Params| params.session_id.as_deref() == Some("session_to_keep")),
        case("of an unknown session", query = { session_id: "session_of_nobody" }, problem = InferenceError::Runtime),
    ],
)]
pub async fn generation_params(
    runtime: Component<Runtime>,
    Query(ParamsQuery { model, session_id }): Query<ParamsQuery>,
) -> Result<Json<Params>, InferenceError> {
    let found = match &session_id {
        Some(session) => runtime.session_params(session, model.as_deref()).await?,
        None => runtime.params(model.as_deref()).await?,
    };
    Ok(Json(Params::of(model, session_id, found)))
}

/// Change the parameters of generation.
///
/// Those that are sent, for the server, for a model, or for a session. They are kept over restarts, and hold for every request from the
/// answer on.
#[route(
    POST, "/v1/params",
    tag = "control",
    tests = [
        case("of the server", json = { "temperature": 0.5, "max_tokens": 256, "reset": null }, status = 200,
            check = |params: &Params| params.in_force.temperature == Some(0.5) && params.in_force.max_tokens == Some(256)),
        case("of a model", json = { "model": "tabagent-chat", "top_k": 40, "repeat_penalty": 1.5 }, status = 200,
            check = |params: &Params| params.params.top_k == Some(40) && params.params.repetition_penalty == Some(1.5) && params.in_force.temperature == Some(0.5)),
        case("others of a model", json = { "model": "tabagent-chat", "reset": true, "min_p": 0.05 }, status = 200,
            check = |params: &Params| params.params.top_k.is_none() && params.params.min_p == Some(0.05)),
        case("taken back from a model", json = { "model": "tabagent-chat", "reset": true }, status = 200, check = |params: &Params| params.params.min_p.is_none()),
        case("of a session", json = { "session_id": "session_to_keep", "temperature": 0.25 }, status = 200,
            check = |params: &Params| params.model.is_none() && params.params.temperature == Some(0.25) && params.in_force.temperature == Some(0.25) && params.in_force.max_tokens == Some(256)),
        case("of a session, for a model", json = { "session_id": "session_to_keep", "model": "tabagent-chat", "reset": true, "top_p": 0.5 }, status = 200,
            check = |params: &Params| params.params.temperature.is_none() && params.in_force.top_p == Some(0.5) && params.in_force.temperature == Some(0.5)),
        case("of an unknown session", json = { "session_id": "session_of_nobody", "temperature": 0 }, problem = InferenceError::Runtime),
        case("taken back", json = { "reset": true }, status = 200, check = |params: &Params| params.in_force.temperature.is_none() && params.in_force.max_tokens.is_none()),
        case("out of range", json = { "temperature": 3 }, problem = ApiError::RequestInvalid),
        case("misspelt", json = { "temprature": 1 }, problem = ApiError::RequestInvalid),
        case("of a model that generates no text", json = { "model": "tabagent-embed", "top_k": 1 }, problem = InferenceError::Invalid),
        case("of an unknown model", json = { "model": "nobody/nothing", "top_k": 1 }, problem = InferenceError::ModelNotFound),
    ],
)]
pub async fn change_generation_params(
    runtime: Component<Runtime>,
    Json(change): Json<ParamsChange>,
) -> Result<Json<Params>, InferenceError> {
    let (model, session_id) = (change.model.clone(), change.session_id.clone());
    let apply = move |params: &mut GenerationParams| change.apply(params);
    let changed = match &session_id {
        Some(session) => runtime.change_session_params(session, model.as_deref(), apply).await?,
        None => runtime.change_params(model.as_deref(), apply).await?,
    };
    Ok(Json(Params::of(model, session_id, changed)))
}

impl ParamsChange {
    fn apply(&self, params: &mut GenerationParams) {
        let before = if self.reset == Some(true) { GenerationParams::default() } else { *params };
        let sent = GenerationParams {
            temperature: self.temperature,
            top_k: self.top_k.map(|count| count as usize),
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            max_tokens: self.max_tokens.map(|count| count as usize),
        };
        *params = sent.or(before);
    }
}
