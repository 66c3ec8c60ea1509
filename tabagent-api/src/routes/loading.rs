//! Models into memory and out of it: load, unload, what is loaded, and which ones serve where a request names none.

use std::convert::Infallible;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tabagent_runtime::{KeepAlive, LoadRequest as RuntimeLoad, LoadedModel as Found, ModelState, Runtime};

use super::inference::InferenceError;
use super::models::ModelKind;
use crate::{ApiError, Component, Json, Schema, route};

/// Which model to load, and how. What is absent stays as it is for a model in memory, and is the server's setting for
/// another one.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct LoadRequest {
    /// Id of the model; `model` and `model_name` are other names for it.
    #[serde(alias = "model", alias = "model_name")]
    #[rule(length(min = 1, max = 256))]
    pub model_id: String,
    /// Name of the variant, as GET /v1/models/{model_id} lists them; the default one when absent.
    #[rule(length(min = 1, max = 256))]
    pub variant: Option<String>,
    /// What it is to run on, such as `cpu` or `cuda:0`.
    #[rule(length(min = 1, max = 32))]
    pub device: Option<String>,
    /// Most tokens of one conversation, prompt and answer together, for a model that generates text.
    #[rule(range(min = 2, max = 10_000_000))]
    pub context_length: Option<u32>,
    /// How long it stays in memory when nobody uses it.
    #[rule(nested)]
    pub keep_alive: Option<KeepAliveValue>,
    /// Whether it stays until it is unloaded by name.
    pub pinned: Option<bool>,
}

/// A time that a model is kept.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum KeepAliveValue {
    /// Seconds; 0 for not at all, -1 for ever.
    Seconds(#[rule(range(min = -1, max = 31_536_000))] i64),
    /// A time with its unit, such as `30m`; `forever`.
    Text(#[rule(length(min = 1, max = 16), pattern("^(forever|-1|[0-9]{1,12}(ms|s|m|h)?)$"))] String),
}

impl KeepAliveValue {
    fn read(&self) -> Result<KeepAlive, InferenceError> {
        match self {
            Self::Seconds(seconds) => Ok(KeepAlive::seconds(*seconds)),
            Self::Text(text) => {
                text.parse().map_err(|reason: String| InferenceError::invalid("keep_alive", reason))
            }
        }
    }
}

/// A model that is usable.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct LoadResponse {
    /// Whether it was loaded, or was there as it was asked for.
    pub status: LoadStatus,
    /// The model as it is in memory.
    #[serde(flatten)]
    pub model: ResidentModel,
}

/// Whether a model had to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum LoadStatus {
    /// It has been loaded.
    Loaded,
    /// It was in memory.
    AlreadyLoaded,
}

/// A model in memory.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ResidentModel {
    /// Id of the model.
    pub model_id: String,
    /// What it does.
    pub kind: ModelKind,
    /// Where it is on its way through memory.
    pub state: MemoryState,
    /// Name of the variant.
    pub variant: String,
    /// What it runs on; null while it is being loaded.
    pub device: Option<String>,
    /// Most tokens of one input, or of one conversation; null where there is no limit, and while it is being loaded.
    pub context_length: Option<usize>,
    /// Bytes that it takes, by estimate; keys and values as they are, where they are more.
    pub size_bytes: u64,
    /// Bytes of its weights, by estimate.
    pub weights_bytes: u64,
    /// Bytes of keys and values that it has.
    pub kv_cache_bytes: u64,
    /// Whether requests use it now.
    pub busy: bool,
    /// Requests that use it now.
    pub requests: usize,
    /// Whether it stays until it is unloaded by name.
    pub pinned: bool,
    /// How long it stays when nobody uses it, such as `30m`, `0` or `forever`.
    pub keep_alive: String,
    /// When it was used last, in seconds since 1970.
    pub last_used: u64,
    /// When it leaves if nobody uses it until then, in seconds since 1970; null where it does not, or is in use.
    pub expires: Option<u64>,
    /// Seconds that loading took; null while it is being loaded.
    pub load_seconds: Option<f64>,
}

/// Where a model is on its way through memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryState {
    /// It is being loaded.
    Loading,
    /// It serves.
    Ready,
    /// It leaves once its last request has ended, and admits no other one.
    Leaving,
}

impl From<Found> for ResidentModel {
    fn from(found: Found) -> Self {
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            model_id: found.id,
            kind: found.kind.into(),
            state: match found.state {
                ModelState::Loading => MemoryState::Loading,
                ModelState::Ready => MemoryState::Ready,
                ModelState::Leaving => MemoryState::Leaving,
            },
            variant: found.variant,
            device: found.device,
            context_length: found.context,
            size_bytes: found.bytes,
            weights_bytes: found.weights,
            kv_cache_bytes: found.cache,
            busy: found.busy > 0,
            requests: found.busy,
            pinned: found.pinned,
            keep_alive: found.keep_alive.to_string(),
            last_used: seconds(found.last_used),
            expires: found.expires.map(seconds),
            load_seconds: found.load_seconds,
        }
    }
}

/// Load a model.
///
/// Answers once it is usable. One that is in memory stays there, and how long it is kept changes; where another variant,
/// device or context is asked for it is let go and loaded anew. A model that nobody loads is loaded by the first request
/// that names it, unless the operator turned that off.
#[route(
    POST, "/v1/models/load",
    tag = "models",
    alias = ["/v1/load"],
    tests = [
        case("a model", json = { "model_id": "tabagent-embed", "keep_alive": "1h", "pinned": null }, status = 200,
            check = |response: &LoadResponse| response.model.state == MemoryState::Ready && response.model.keep_alive == "1h"),
        case("again", json = { "model": "tabagent-embed", "keep_alive": -1, "variant": "model" }, status = 200,
            check = |response: &LoadResponse| response.status == LoadStatus::AlreadyLoaded && response.model.keep_alive == "forever"),
        case("with a context", json = { "model_name": "tabagent-chat", "context_length": 256, "device": "cpu", "pinned": true }, status = 200,
            check = |response: &LoadResponse| response.model.context_length == Some(256) && response.model.pinned),
        case("with another context", json = { "model_id": "tabagent-chat", "context_length": 512, "pinned": false }, status = 200,
            check = |response: &LoadResponse| response.status == LoadStatus::Loaded && response.model.context_length == Some(512)),
        case("unknown model", json = { "model_id": "nobody/nothing" }, problem = InferenceError::ModelNotFound),
        case("unknown variant", json = { "model_id": "tabagent-embed", "variant": "model_q2" }, problem = InferenceError::Invalid),
        case("unknown device", json = { "model_id": "tabagent-embed", "device": "abacus" }, problem = InferenceError::Invalid),
        case("a context that is too long", json = { "model_id": "tabagent-chat", "context_length": 1_000_000 }, problem = InferenceError::Invalid),
        case("a context for a model that embeds", json = { "model_id": "tabagent-embed", "context_length": 256 }, problem = InferenceError::Invalid),
        case("no time", json = { "model_id": "tabagent-embed", "keep_alive": "a while" }, problem = ApiError::RequestInvalid),
        case("no model", json = {}, problem = ApiError::RequestInvalid),
        untested(Runtime, "needs a damaged model or too little memory; the tests of tabagent-tests have them"),
    ],
)]
pub async fn load_model(
    runtime: Component<Runtime>,
    Json(request): Json<LoadRequest>,
) -> Result<Json<LoadResponse>, InferenceError> {
    let device = request.device.as_deref().map(device).transpose()?;
    let keep_alive = request.keep_alive.as_ref().map(KeepAliveValue::read).transpose()?;
    let outcome = runtime
        .load(RuntimeLoad {
            model: request.model_id,
            variant: request.variant,
            device,
            context: request.context_length.map(|tokens| tokens as usize),
            keep_alive,
            pinned: request.pinned,
            deadline: None,
        })
        .await?;
    let status = if outcome.was_loaded { LoadStatus::AlreadyLoaded } else { LoadStatus::Loaded };
    Ok(Json(LoadResponse { status, model: outcome.model.into() }))
}

/// Reads a device.
///
/// # Errors
/// [`InferenceError::Invalid`] with the names that there are.
pub(super) fn device(text: &str) -> Result<tabagent_runtime::device::Device, InferenceError> {
    let parsed: Result<tabagent_runtime::device::Device, _> = text.parse();
    parsed.map_err(|error| match error {
        tabagent_runtime::BackendError::ConfigurationError { reason, .. } => {
            InferenceError::invalid("device", reason)
        }
        other => InferenceError::invalid("device", other.to_string()),
    })
}

/// Which model to unload.
#[derive(Debug, Default, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct UnloadRequest {
    /// Id of the model, all when absent; `model` and `model_name` are other names for it.
    #[serde(alias = "model", alias = "model_name")]
    #[rule(length(min = 1, max = 256))]
    pub model_id: Option<String>,
    /// Whether requests that use it end at once, with an error.
    pub force: Option<bool>,
}

/// Which models have left memory.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct UnloadResponse {
    /// Their ids, none where the model was not there.
    pub unloaded: Vec<String>,
}

/// Unload models.
///
/// Answers once their memory is free. Requests that use a model finish first, unless `force` ends them; those that come
/// meanwhile wait and load it again. Pinned models leave as well.
#[route(
    POST, "/v1/models/unload",
    tag = "models",
    alias = ["/v1/unload"],
    tests = [
        case("a model", json = { "model_id": "tabagent-chat", "force": false }, status = 200,
            check = |response: &UnloadResponse| response.unloaded.iter().all(|id| id == "tabagent-chat")),
        case("all", json = {}, status = 200, check = |response: &UnloadResponse| response.unloaded.len() <= 2),
        case("one that is not in memory", json = { "model": "tabagent-embed" }, status = 200, check = |response: &UnloadResponse| response.unloaded.is_empty()),
        case("unknown model", json = { "model_id": "nobody/nothing" }, problem = InferenceError::ModelNotFound),
        case("empty id", json = { "model_id": "" }, problem = ApiError::RequestInvalid),
        untested(Invalid, "a model that is here can be unloaded"),
        untested(Runtime, "needs a request that outlasts the deadline"),
    ],
)]
pub async fn unload_model(
    runtime: Component<Runtime>,
    Json(request): Json<UnloadRequest>,
) -> Result<Json<UnloadResponse>, InferenceError> {
    let outcome = runtime.unload(request.model_id.as_deref(), request.force == Some(true)).await?;
    Ok(Json(UnloadResponse { unloaded: outcome.unloaded }))
}

/// The models in memory.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ResidentModelList {
    /// Always `list`.
    pub object: String,
    /// The models in memory or on their way there, sorted by id.
    pub data: Vec<ResidentModel>,
}

/// List the models in memory.
///
/// With what each takes, who uses it, and when it leaves.
#[route(
    GET, "/v1/models/loaded",
    tag = "models",
    alias = ["/v1/resources/loaded-models"],
    tests = [case("list", status = 200, check = |list: &ResidentModelList| list.data.iter().all(|model| model.size_bytes > 0))],
)]
pub async fn list_loaded_models(runtime: Component<Runtime>) -> Result<Json<ResidentModelList>, Infallible> {
    let data = runtime.loaded().into_iter().map(ResidentModel::from).collect();
    Ok(Json(ResidentModelList { object: "list".to_owned(), data }))
}

/// Which model is to serve where a request names none.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct SelectRequest {
    /// Id of the model; `model` and `model_name` are other names for it. When absent the kind has the server's own again.
    #[serde(alias = "model", alias = "model_name")]
    #[rule(length(min = 1, max = 256))]
    pub model_id: Option<String>,
    /// What it is to do; what the model does when absent. A model that embeds may rank as well.
    pub kind: Option<SelectKind>,
}

/// What a model does where a request names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum SelectKind {
    /// It generates text.
    Chat,
    /// It turns texts into vectors.
    Embedding,
    /// It ranks texts.
    Rerank,
}

impl From<SelectKind> for tabagent_runtime::ModelKind {
    fn from(kind: SelectKind) -> Self {
        match kind {
            SelectKind::Chat => Self::Chat,
            SelectKind::Embedding => Self::Embedding,
            SelectKind::Rerank => Self::Rerank,
        }
    }
}

/// The models that serve where a request names none.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct DefaultModels {
    /// Generates text.
    pub chat: String,
    /// Embeds texts.
    pub embedding: String,
    /// Ranks texts; the one that embeds, unless another one was chosen.
    pub rerank: String,
}

/// Choose the model that serves where a request names none.
///
/// By kind, and kept over restarts. The model need not be in memory.
#[route(
    POST, "/v1/models/select",
    tag = "models",
    tests = [
        case("of its own kind", json = { "model_id": "tabagent-chat" }, status = 200, check = |models: &DefaultModels| models.chat == "tabagent-chat"),
        case("one that embeds for ranking", json = { "model": "tabagent-embed", "kind": "rerank" }, status = 200, check = |models: &DefaultModels| models.rerank == "tabagent-embed"),
        case("the server's own again", json = { "kind": "rerank" }, status = 200, check = |models: &DefaultModels| models.rerank == models.embedding),
        case("of another kind", json = { "model_id": "tabagent-embed", "kind": "chat" }, problem = InferenceError::Invalid),
        case("neither model nor kind", json = {}, problem = InferenceError::Invalid),
        case("unknown model", json = { "model_id": "nobody/nothing" }, problem = InferenceError::ModelNotFound),
        case("unknown kind", json = { "kind": "drawing" }, problem = ApiError::RequestInvalid),
        untested(Runtime, "needs a damaged model or a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn select_model(
    runtime: Component<Runtime>,
    Json(request): Json<SelectRequest>,
) -> Result<Json<DefaultModels>, InferenceError> {
    let found = runtime.select(request.model_id.as_deref(), request.kind.map(Into::into)).await?;
    Ok(Json(DefaultModels { chat: found.chat, embedding: found.embedding, rerank: found.rerank }))
}
