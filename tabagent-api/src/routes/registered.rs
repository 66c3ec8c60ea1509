//! GET /v1/models/registered: what is here and what could be pulled; DELETE /v1/delete: what goes again.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_runtime::models::known_models;
use tabagent_runtime::{BackendError, RegisteredModel as Found, Runtime};

use super::blocking;
use super::models::ModelKind;
use crate::{ApiError, Component, Json, Problem, Query, Schema, route};

/// Models that are here, and models that are known.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RegisteredList {
    /// Always `list`.
    pub object: String,
    /// When the list of known models was last looked through: `YYYY-MM`.
    pub catalogue_date: String,
    /// The models, sorted by id.
    pub data: Vec<RegisteredModel>,
}

/// A model that is here or could be pulled.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RegisteredModel {
    /// Its id, and for POST /v1/pull the repository.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// What it does.
    pub kind: ModelKind,
    /// Whether it is here.
    pub downloaded: bool,
    /// Whether it is in memory.
    pub loaded: bool,
    /// Whether it is inside the server.
    pub embedded: bool,
    /// Bytes of its ONNX files: those that are here, else about those that a CPU would get.
    pub size_bytes: u64,
    /// Names of its variants that are here, the default one first.
    pub variants: Vec<String>,
    /// Bytes that are here of a pull that is not complete; pulling again carries on, and deleting the model drops them.
    pub interrupted_bytes: Option<u64>,
    /// The commit that was pulled, where it was.
    pub commit: Option<String>,
    /// Its licence, where the list of known models tells.
    pub licence: Option<String>,
    /// What it is, where the list of known models tells.
    pub summary: Option<String>,
    /// Why it cannot be used, where it is here and cannot.
    pub problem: Option<String>,
}

impl From<Found> for RegisteredModel {
    fn from(found: Found) -> Self {
        let (known, local) = (found.known.as_ref(), found.local.as_ref());
        let kind = local.map(|model| model.kind).or(known.map(|model| model.kind));
        Self {
            object: "model".to_owned(),
            kind: kind.map_or(ModelKind::Unknown, ModelKind::from),
            downloaded: local.is_some(),
            loaded: local.is_some_and(|model| model.loaded),
            embedded: local.is_some_and(|model| model.embedded),
            size_bytes: local.map(|model| model.size).or(known.map(|model| model.size)).unwrap_or_default(),
            licence: known.map(|model| model.licence.clone()),
            summary: known.map(|model| model.summary.clone()),
            problem: local.and_then(|model| model.problem.clone()),
            interrupted_bytes: found.interrupted,
            commit: found.origin.map(|origin| origin.commit),
            variants: found.variants,
            id: found.id,
        }
    }
}

/// List models that are here and models that could be.
///
/// The models of the server and its folder, and beside them a list of repositories of the hub that it serves, each marked
/// with whether it is here.
#[route(
    GET, "/v1/models/registered",
    tag = "models",
    tests = [case("list", status = 200, check = |list: &RegisteredList| {
        list.data.iter().any(|model| model.embedded && model.downloaded)
            && list.data.iter().any(|model| !model.downloaded && model.licence.is_some() && model.size_bytes > 0)
    })],
)]
pub async fn list_registered(runtime: Component<Runtime>) -> Result<Json<RegisteredList>, Infallible> {
    let data = blocking(runtime, Runtime::registered).await.into_iter().map(RegisteredModel::from).collect();
    Ok(Json(RegisteredList { object: "list".to_owned(), catalogue_date: known_models().date.clone(), data }))
}

/// Which model to delete.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct DeleteQuery {
    /// Its id.
    #[rule(length(min = 1, max = 256))]
    pub model_id: String,
}

/// A model that is gone.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct DeletedModel {
    /// Its id.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// Always true.
    pub deleted: bool,
}

/// Why a model was not deleted.
#[derive(Debug, thiserror::Error, Problem)]
pub enum DeleteError {
    /// It is inside the server.
    #[error("`{field}`: {reason}")]
    #[problem(
        status = 400,
        title = "Not to be deleted",
        code = "invalid_value",
        hint = "GET /v1/models/registered tells which models are inside the server"
    )]
    Embedded {
        /// Always `model_id`.
        #[problem(param)]
        field: String,
        /// Why not.
        reason: String,
    },
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

impl From<BackendError> for DeleteError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::InvalidInput { field, reason, .. } => Self::Embedded { field, reason },
            BackendError::ModelNotFound { model } => Self::NotFound { model },
            other => Self::Runtime(other),
        }
    }
}

/// Delete a model.
///
/// From memory and from the models folder, and nothing outside of it. A link to a model is deleted, and what it leads to stays.
#[route(
    DELETE, "/v1/delete",
    tag = "models",
    tests = [
        case("a model", query = { model_id: "example/to-delete" }, status = 200,
            check = |deleted: &DeletedModel| deleted.deleted && deleted.id == "example/to-delete"),
        case("embedded", query = { model_id: "tabagent-embed" }, problem = DeleteError::Embedded),
        case("unknown", query = { model_id: "nobody/nothing" }, problem = DeleteError::NotFound),
        case("climbing", query = { model_id: "../../etc" }, problem = DeleteError::NotFound),
        case("none named", problem = ApiError::RequestInvalid),
        untested(Runtime, "needs a model that is being pulled; the tests of the hub have it"),
    ],
)]
pub async fn delete_model(
    runtime: Component<Runtime>,
    Query(DeleteQuery { model_id }): Query<DeleteQuery>,
) -> Result<Json<DeletedModel>, DeleteError> {
    runtime.delete(&model_id).await?;
    Ok(Json(DeletedModel { id: model_id, object: "model".to_owned(), deleted: true }))
}
