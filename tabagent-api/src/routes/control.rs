//! Generations under way: what runs, how to stop it, and what was measured.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_runtime::Runtime;

use crate::{ApiError, Component, Json, Problem, Schema, route};

/// What to stop.
#[derive(Debug, Default, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct StopRequest {
    /// Id of the request, as in the header `x-request-id` and in `id` of chats and completions, or of a response of POST
    /// /v1/responses; all when absent.
    #[rule(length(min = 1, max = 128))]
    pub request_id: Option<String>,
}

/// What was stopped.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct StopResponse {
    /// Ids of the requests whose answers end where they are.
    pub stopped: Vec<String>,
}

/// Why nothing was stopped.
#[derive(Debug, thiserror::Error, Problem)]
pub enum StopError {
    /// No request of this id is being generated.
    #[error("nothing is being generated for `{request_id}`")]
    #[problem(
        status = 404,
        title = "Nothing to stop",
        slug = "generation-not-found",
        code = "generation_not_found",
        hint = "GET /v1/halt lists what is being generated; what has ended cannot be stopped"
    )]
    NotFound {
        /// The id.
        request_id: String,
    },
}

/// Stop generations.
///
/// The answer of each ends where it is, within one step, as one that the model ended itself. An id that a client gave to
/// several requests stops all of them, the id of a response that one alone. Without a `request_id` all are stopped, which may
/// be none.
#[route(
    POST, "/v1/generation/stop",
    tag = "control",
    alias = ["/v1/halt"],
    tests = [
        case("all", json = {}, status = 200, check = |response: &StopResponse| response.stopped.is_empty()),
        case("unknown id", json = { "request_id": "req_nobody" }, problem = StopError::NotFound),
        case("empty id", json = { "request_id": "" }, problem = ApiError::RequestInvalid),
    ],
)]
pub async fn stop_generation(
    runtime: Component<Runtime>,
    Json(request): Json<StopRequest>,
) -> Result<Json<StopResponse>, StopError> {
    let stopped = runtime.stop(request.request_id.as_deref());
    match request.request_id {
        Some(request_id) if stopped.is_empty() => Err(StopError::NotFound { request_id }),
        _ => Ok(Json(StopResponse { stopped })),
    }
}

/// What is being generated.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct GenerationList {
    /// Always `list`.
    pub object: String,
    /// One for each prompt, by the ids of their requests.
    pub data: Vec<RunningGeneration>,
}

/// A request that is being answered.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RunningGeneration {
    /// Id of the request.
    pub request_id: String,
    /// Id of the model.
    pub model: String,
    /// Seconds since it was admitted.
    pub seconds: f64,
}

/// List generations.
///
/// What is being generated now, waiting requests included. Nothing is stopped by asking.
#[route(
    GET, "/v1/halt",
    tag = "control",
    tests = [case("none", status = 200, check = |list: &GenerationList| list.object == "list" && list.data.is_empty())],
)]
pub async fn list_generations(runtime: Component<Runtime>) -> Result<Json<GenerationList>, Infallible> {
    let data = runtime
        .generating()
        .into_iter()
        .map(|found| RunningGeneration {
            request_id: found.request_id,
            model: found.model,
            seconds: found.seconds,
        })
        .collect();
    Ok(Json(GenerationList { object: "list".to_owned(), data }))
}

/// Figures of text generation. Times are in seconds.
#[derive(Debug, Default, Serialize, Deserialize, Schema)]
pub struct GenerationStats {
    /// The answer that ended last; absent before the first one.
    pub last: Option<AnswerStats>,
    /// Requests admitted.
    pub requests: u64,
    /// Tokens of all prompts.
    pub input_tokens: u64,
    /// Tokens that were generated.
    pub output_tokens: u64,
    /// Tokens of prompts that were not read again.
    pub cached_tokens: u64,
    /// Answers that are being generated.
    pub running: u64,
    /// Answers that wait.
    pub waiting: u64,
}

/// Figures of one answer.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct AnswerStats {
    /// Id of the model.
    pub model: String,
    /// Seconds from admission to the first token.
    pub time_to_first_token: f64,
    /// Tokens a second after the first one.
    pub tokens_per_second: f64,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Tokens of the prompt that were not read again.
    pub cached_tokens: u64,
}

/// Show figures of text generation.
///
/// Those of the answer that ended last, and totals since the server started.
#[route(
    GET, "/v1/stats",
    tag = "control",
    tests = [case("totals", status = 200, check = |stats: &GenerationStats| stats.cached_tokens <= stats.input_tokens)],
)]
pub async fn generation_stats(runtime: Component<Runtime>) -> Result<Json<GenerationStats>, Infallible> {
    let mut stats = GenerationStats::default();
    let mut latest = None;
    for model in runtime.metrics().generation {
        stats.requests += model.requests;
        stats.input_tokens += model.input_tokens;
        stats.output_tokens += model.output_tokens;
        stats.cached_tokens += model.cached_tokens;
        stats.running += model.running;
        stats.waiting += model.waiting;
        if let Some(last) = model.last.filter(|last| latest.is_none_or(|latest| last.ended > latest)) {
            latest = Some(last.ended);
            stats.last = Some(AnswerStats {
                model: model.model,
                time_to_first_token: last.time_to_first_token,
                tokens_per_second: last.tokens_per_second,
                input_tokens: last.input_tokens,
                output_tokens: last.output_tokens,
                cached_tokens: last.cached_tokens,
            });
        }
    }
    Ok(Json(stats))
}
