//! Pulling models: POST and GET /v1/pull, GET /v1/pull/{id}, and POST of what is to become of a pull.

mod job;

use std::convert::Infallible;

use futures_util::stream;
use serde::{Deserialize, Serialize};
use tabagent_runtime::hub::{Job, JobState, Reference};
use tabagent_runtime::{BackendError, Runtime};

use super::blocking;
use crate::stream::{JsonOrEvents, StreamEvent};
use crate::{ApiError, Component, EventStream, Json, JsonOrStream, Path, Problem, Schema, route};
pub use job::{PullFailure, PullFile, PullJob, PullState};

/// What to pull.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// Repository of the hub, `owner/name[:variant][@revision]`; `model_id` and `model_name` are other names for it.
    #[serde(alias = "model_id", alias = "model_name")]
    #[rule(length(min = 1, max = 600))]
    pub model: String,
    /// Name of the ONNX file: its stem, what follows `model_` in it, or the folder that holds it. One that suits the machine
    /// when absent.
    #[rule(length(min = 1, max = 200))]
    pub variant: Option<String>,
    /// Branch, tag or commit; `main` when absent.
    #[rule(length(min = 1, max = 200))]
    pub revision: Option<String>,
    /// Whether the answer is a stream of events that lasts as long as the pull: `progress`, and at the end `complete` or `error`.
    pub stream: Option<bool>,
}

/// Why nothing is pulled.
#[derive(Debug, thiserror::Error, Problem)]
pub enum PullError {
    /// A value that names nothing that could be pulled.
    #[error("`{field}`: {reason}")]
    #[problem(
        status = 400,
        title = "A value cannot be used",
        code = "invalid_value",
        hint = "a model is named `owner/name[:variant][@revision]`, as on its page of the hub"
    )]
    Invalid {
        /// The field at fault.
        #[problem(param)]
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The hub has no repository of this name, or a private one that the server's token does not open.
    #[error("the hub has no repository `{model}`, or it is private")]
    #[problem(
        status = 404,
        title = "Repository not found",
        slug = "repository-not-found",
        code = "repository_not_found",
        hint = "check its name on the hub; for a private one the operator sets HF_TOKEN"
    )]
    NotFound {
        /// Its name.
        model: String,
    },
    /// No pull of this id is known.
    #[error("there is no pull `{id}`")]
    #[problem(
        status = 404,
        title = "Pull not found",
        slug = "pull-not-found",
        code = "pull_not_found",
        hint = "GET /v1/pull lists the pulls since the server started; POST /v1/pull goes on with what an earlier one left"
    )]
    UnknownJob {
        /// The id.
        id: String,
    },
    /// Anything else that the runtime answers.
    #[error(transparent)]
    #[problem(transparent)]
    Runtime(BackendError),
}

impl From<BackendError> for PullError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::InvalidInput { field, reason, .. } => Self::Invalid { field, reason },
            BackendError::ModelNotFound { model } => Self::NotFound { model },
            other => Self::Runtime(other),
        }
    }
}

/// Pull a model.
///
/// From the hub into the models folder: the files that this server reads, and the ONNX files of one variant. Without `stream`
/// the answer is the job, which GET /v1/pull/{id} shows while it runs. With it the same comes as events named `progress`, and at
/// the end `complete` or `error`; one that is paused or cancelled ends with that state. A client that leaves does not end the
/// pull. All who ask for the same are told of one pull, and what an earlier one left is not fetched again.
#[route(
    POST, "/v1/pull",
    tag = "models",
    stream,
    status = 202,
    tests = [
        case("a model", json = { "model": "example/small" }, status = 202, check = has_begun),
        case("with its parts", json = { "model_id": "example/other", "variant": "model", "revision": "main" }, status = 202, check = has_begun),
        case("as a stream", json = { "model": "example/small", "stream": true }, status = 202, check = is_a_whole_pull),
        case("no repository", json = { "model": "example" }, problem = PullError::Invalid),
        case("climbing", json = { "model": "../../etc" }, problem = PullError::Invalid),
        case("a variant twice", json = { "model": "a/b:c", "variant": "d" }, problem = PullError::Invalid),
        case("misspelt", json = { "modle": "a/b" }, problem = ApiError::RequestInvalid),
        untested(NotFound, "the job of a pull tells it; the tests of the hub have it"),
        untested(UnknownJob, "GET of a pull has it"),
        untested(Runtime, "needs more pulls than may wait; the tests of the hub have it"),
    ],
)]
pub async fn pull_model(
    runtime: Component<Runtime>,
    Json(request): Json<PullRequest>,
) -> Result<JsonOrStream<PullJob, PullJob>, PullError> {
    let reference = Reference::new(&request.model, request.variant.as_deref(), request.revision.as_deref())?;
    let hub = runtime.hub().clone();
    let job = blocking(runtime, move |runtime| runtime.hub().pull(&reference)).await?;
    if request.stream != Some(true) {
        return Ok(JsonOrStream::Json(job.into()));
    }
    let Some(watched) = hub.watch(&job.id) else { return Err(PullError::UnknownJob { id: job.id }) };
    // What is told first is how it stands now; then each change, and no more after the end.
    let events = stream::unfold(Some((watched, true)), |state| async move {
        let (mut watched, first) = state?;
        // An error means that nothing is told any more: the list of pulls has dropped it.
        if !first && watched.changed().await.is_err() {
            return None;
        }
        let job = watched.borrow_and_update().clone();
        let over = job.state.is_over() || job.state == JobState::Paused;
        let name = match job.state {
            JobState::Completed => "complete",
            JobState::Failed => "error",
            _ => "progress",
        };
        let item = Ok::<_, PullError>(StreamEvent { name: Some(name), data: PullJob::from(job) });
        Some((item, (!over).then_some((watched, false))))
    });
    Ok(JsonOrStream::Stream(EventStream::new(events)))
}

fn has_begun(body: &JsonOrEvents<PullJob, PullJob>) -> bool {
    matches!(body, JsonOrEvents::Json(job) if job.model.starts_with("example/") && job.state != PullState::Failed)
}

fn is_a_whole_pull(body: &JsonOrEvents<PullJob, PullJob>) -> bool {
    let JsonOrEvents::Events(jobs) = body else { return false };
    jobs.last().is_some_and(|job| job.state == PullState::Completed && job.variant.is_some())
}

/// Pulls.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct PullList {
    /// Always `list`.
    pub object: String,
    /// Those that have not ended and the last ones that have, the oldest first.
    pub data: Vec<PullJob>,
}

/// List the pulls.
///
/// Those that have not ended, and the last ones that have since the server started.
#[route(
    GET, "/v1/pull",
    tag = "models",
    tests = [case("list", status = 200, check = |list: &PullList| list.data.iter().any(|job| job.id == "pull_example"))],
)]
pub async fn list_pulls(runtime: Component<Runtime>) -> Result<Json<PullList>, Infallible> {
    let data = runtime.hub().jobs().into_iter().map(PullJob::from).collect();
    Ok(Json(PullList { object: "list".to_owned(), data }))
}

/// Which pull.
#[derive(Debug, Deserialize, Schema)]
pub struct PullPath {
    /// Its id.
    #[rule(length(min = 1, max = 128))]
    pub id: String,
}

/// Show a pull.
///
/// How far it is, file by file.
#[route(
    GET, "/v1/pull/{id}",
    tag = "models",
    tests = [
        case("complete", path = { id: "pull_example" }, status = 200,
            check = |job: &PullJob| job.state == PullState::Completed && job.bytes == job.total && job.percent == 100.0),
        case("unknown", path = { id: "pull_nobody" }, problem = PullError::UnknownJob),
        untested(Invalid, "POST /v1/pull has it"),
        untested(NotFound, "the tests of the hub have it"),
        untested(Runtime, "nothing here can fail in the runtime"),
    ],
)]
pub async fn show_pull(
    runtime: Component<Runtime>,
    Path(PullPath { id }): Path<PullPath>,
) -> Result<Json<PullJob>, PullError> {
    found(runtime.hub().job(&id), id)
}

/// Pause a pull.
///
/// What has come stays. One that has ended stays as it is.
#[route(
    POST, "/v1/pull/{id}/pause",
    tag = "models",
    tests = [
        case("complete", path = { id: "pull_example" }, status = 200, check = |job: &PullJob| job.state == PullState::Completed),
        case("unknown", path = { id: "pull_nobody" }, problem = PullError::UnknownJob),
        untested(Invalid, "POST /v1/pull has it"),
        untested(NotFound, "the tests of the hub have it"),
        untested(Runtime, "nothing here can fail in the runtime"),
    ],
)]
pub async fn pause_pull(
    runtime: Component<Runtime>,
    Path(PullPath { id }): Path<PullPath>,
) -> Result<Json<PullJob>, PullError> {
    let wanted = id.clone();
    found(blocking(runtime, move |runtime| runtime.hub().pause(&wanted)).await, id)
}

/// Resume a pull.
///
/// One that was paused goes on, and one that failed is tried again. Others stay as they are.
#[route(
    POST, "/v1/pull/{id}/resume",
    tag = "models",
    tests = [
        case("complete", path = { id: "pull_example" }, status = 200, check = |job: &PullJob| job.state == PullState::Completed),
        case("unknown", path = { id: "pull_nobody" }, problem = PullError::UnknownJob),
        untested(Invalid, "POST /v1/pull has it"),
        untested(NotFound, "the tests of the hub have it"),
        untested(Runtime, "needs other pulls in the way; the tests of the hub have it"),
    ],
)]
pub async fn resume_pull(
    runtime: Component<Runtime>,
    Path(PullPath { id }): Path<PullPath>,
) -> Result<Json<PullJob>, PullError> {
    let job = runtime.hub().resume(&id).transpose()?;
    found(job, id)
}

/// Cancel a pull.
///
/// What has come is deleted. One that is complete stays as it is, and so does its model.
#[route(
    POST, "/v1/pull/{id}/cancel",
    tag = "models",
    tests = [
        case("complete", path = { id: "pull_example" }, status = 200, check = |job: &PullJob| job.state == PullState::Completed),
        case("unknown", path = { id: "pull_nobody" }, problem = PullError::UnknownJob),
        untested(Invalid, "POST /v1/pull has it"),
        untested(NotFound, "the tests of the hub have it"),
        untested(Runtime, "nothing here can fail in the runtime"),
    ],
)]
pub async fn cancel_pull(
    runtime: Component<Runtime>,
    Path(PullPath { id }): Path<PullPath>,
) -> Result<Json<PullJob>, PullError> {
    let wanted = id.clone();
    found(blocking(runtime, move |runtime| runtime.hub().cancel(&wanted)).await, id)
}

fn found(job: Option<Job>, id: String) -> Result<Json<PullJob>, PullError> {
    job.map(|job| Json(job.into())).ok_or(PullError::UnknownJob { id })
}
