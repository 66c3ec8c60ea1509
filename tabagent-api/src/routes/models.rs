//! What models there are: GET /v1/models, GET /v1/models/{*model_id}, GET /v1/embedding-models.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_runtime::{BackendError, EmbeddingModelInfo, ModelInfo, Runtime};

use super::blocking;
use crate::{Component, Json, Path, Problem, Schema, route};

/// Models in OpenAI's list.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// The models, sorted by id.
    pub data: Vec<Model>,
}

/// A model.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Model {
    /// Its id: the path below the models folder, or the name of a model inside the server.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// When it came to this machine, in seconds since 1970.
    pub created: u64,
    /// The part of the id before the slash, or `tabagent` for a model inside the server.
    pub owned_by: String,
    /// What it does.
    pub kind: ModelKind,
    /// Most tokens of one input; null where it has no limit.
    pub context_length: Option<usize>,
    /// Bytes of its default weights.
    pub size_bytes: u64,
    /// Length of its vectors, where it embeds and tells.
    pub dimensions: Option<usize>,
    /// Whether it is in memory.
    pub loaded: bool,
    /// Why it cannot be used, where it cannot.
    pub problem: Option<String>,
}

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Turns texts into vectors.
    Embedding,
    /// Scores a pair of texts.
    Rerank,
    /// Continues a text.
    Chat,
    /// Its files do not tell.
    Unknown,
}

impl From<tabagent_runtime::ModelKind> for ModelKind {
    fn from(kind: tabagent_runtime::ModelKind) -> Self {
        match kind {
            tabagent_runtime::ModelKind::Embedding => Self::Embedding,
            tabagent_runtime::ModelKind::Rerank => Self::Rerank,
            tabagent_runtime::ModelKind::Chat => Self::Chat,
            tabagent_runtime::ModelKind::Unknown => Self::Unknown,
        }
    }
}

impl From<ModelInfo> for Model {
    fn from(info: ModelInfo) -> Self {
        let owned_by = info.id.split_once('/').map_or("tabagent", |(owner, _)| owner).to_owned();
        Self {
            owned_by,
            id: info.id,
            object: "model".to_owned(),
            created: info.created,
            kind: info.kind.into(),
            context_length: info.context_length,
            size_bytes: info.size,
            dimensions: info.dimensions,
            loaded: info.loaded,
            problem: info.problem,
        }
    }
}

/// List the models.
///
/// Every model that is embedded in the server or lies in its models folder.
#[route(
    GET, "/v1/models",
    tag = "models",
    tests = [case("list", status = 200, check = |list: &ModelList| list.data.iter().any(|model| model.id == "tabagent-embed"))],
)]
pub async fn list_models(runtime: Component<Runtime>) -> Result<Json<ModelList>, Infallible> {
    let data = blocking(runtime, Runtime::models).await.into_iter().map(Model::from).collect();
    Ok(Json(ModelList { object: "list".to_owned(), data }))
}

/// Which model.
#[derive(Debug, Deserialize, Schema)]
pub struct ModelPath {
    /// Id of the model; slashes are part of it.
    #[rule(length(min = 1, max = 256))]
    pub model_id: String,
}

/// A model with all that its files tell.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ModelDetails {
    /// The model, as in the list.
    #[serde(flatten)]
    pub model: Model,
    /// Its files, sorted by path.
    pub files: Vec<ModelFile>,
    /// The ONNX files that can run it, the default one first.
    pub variants: Vec<ModelVariant>,
    /// Its `config.json`.
    pub config: Option<serde_json::Value>,
    /// Bytes of memory that its default variant needs, by estimate.
    pub memory_bytes: u64,
    /// What it embeds with, where it embeds.
    pub embedding: Option<EmbeddingModel>,
}

/// A file of a model.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ModelFile {
    /// Path in the model's folder.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// An ONNX file that can run a model.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ModelVariant {
    /// Its name: the stem of the file, such as `model` or `model_quantized`.
    pub name: String,
    /// Path in the model's folder.
    pub path: String,
    /// Bytes of the graph and its weights.
    pub size_bytes: u64,
}

/// Why a model is not described.
#[derive(Debug, thiserror::Error, Problem)]
pub enum ModelError {
    /// No model of this id is here.
    #[error("there is no model `{model}` here")]
    #[problem(
        status = 404,
        title = "Model not found",
        slug = "model-not-found",
        code = "model_not_found",
        hint = "GET /v1/models lists the models that are here, and POST /v1/pull brings others"
    )]
    NotFound {
        /// The id.
        model: String,
    },
    /// Anything else that the runtime answers.
    #[error(transparent)]
    #[problem(transparent)]
    Runtime(BackendError),
}

impl From<BackendError> for ModelError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::ModelNotFound { model } => Self::NotFound { model },
            other => Self::Runtime(other),
        }
    }
}

/// Describe a model.
///
/// The id may contain slashes, as they are or as `%2F`.
#[route(
    GET, "/v1/models/{*model_id}",
    tag = "models",
    tests = [
        case("embedded", path = { model_id: "tabagent-embed" }, status = 200,
            check = |details: &ModelDetails| details.model.id == "tabagent-embed" && !details.files.is_empty() && details.embedding.is_some()),
        case("unknown", path = { model_id: "nobody/nothing" }, problem = ModelError::NotFound),
        case("climbing", path = { model_id: "../../etc/passwd" }, problem = ModelError::NotFound),
        untested(Runtime, "needs a models folder that the system refuses to read"),
    ],
)]
pub async fn describe_model(
    runtime: Component<Runtime>,
    Path(ModelPath { model_id }): Path<ModelPath>,
) -> Result<Json<ModelDetails>, ModelError> {
    let details = blocking(runtime, move |runtime| runtime.model(&model_id)).await?;
    Ok(Json(ModelDetails {
        model: details.info.into(),
        files: details
            .files
            .into_iter()
            .map(|file| ModelFile { path: file.path, size_bytes: file.size })
            .collect(),
        variants: details
            .variants
            .into_iter()
            .map(|variant| ModelVariant { name: variant.name, path: variant.file, size_bytes: variant.size })
            .collect(),
        config: details.config,
        memory_bytes: details.memory,
        embedding: details.embedding.map(EmbeddingModel::from),
    }))
}

/// Models that embed.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct EmbeddingModelList {
    /// Always `list`.
    pub object: String,
    /// The models, sorted by id.
    pub data: Vec<EmbeddingModel>,
}

/// A model that embeds.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct EmbeddingModel {
    /// Its id.
    pub id: String,
    /// Length of its vectors; null where only its graph tells and it is not in memory.
    pub dimensions: Option<usize>,
    /// Lengths to which its vectors were trained to be cut; empty where its files name none, and any length is taken.
    pub matryoshka_dimensions: Vec<usize>,
    /// Most tokens of one text; null where it has no limit.
    pub max_length: Option<usize>,
    /// How token vectors become one; empty where the graph gives the text's vector itself.
    pub pooling: Vec<String>,
    /// Whether its vectors have the length 1.
    pub normalized: bool,
    /// Its prompts by name.
    pub prompts: BTreeMap<String, String>,
    /// The prompt that is used where a request names none.
    pub default_prompt: Option<String>,
    /// Whether it is in memory.
    pub loaded: bool,
}

impl From<EmbeddingModelInfo> for EmbeddingModel {
    fn from(info: EmbeddingModelInfo) -> Self {
        Self {
            id: info.id,
            dimensions: info.dimensions,
            matryoshka_dimensions: info.matryoshka,
            max_length: info.max_length,
            pooling: info.pooling.into_iter().map(str::to_owned).collect(),
            normalized: info.normalized,
            prompts: info.prompts,
            default_prompt: info.default_prompt,
            loaded: info.loaded,
        }
    }
}

/// List the models that embed.
///
/// With what a client has to know of each: dimensions, longest text, pooling and prompts.
#[route(
    GET, "/v1/embedding-models",
    tag = "models",
    tests = [case("list", status = 200, check = |list: &EmbeddingModelList| list.data.iter().any(|model| model.id == "tabagent-embed" && model.normalized))],
)]
pub async fn list_embedding_models(
    runtime: Component<Runtime>,
) -> Result<Json<EmbeddingModelList>, Infallible> {
    let found = blocking(runtime, Runtime::embedding_models).await;
    let data = found.into_iter().map(EmbeddingModel::from).collect();
    Ok(Json(EmbeddingModelList { object: "list".to_owned(), data }))
}
