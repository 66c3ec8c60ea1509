//! Whether the server lives, is ready, and how it is.

use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tabagent_runtime::{ModelHealth, Runtime, StoreUsage};

use super::blocking;
use crate::server::Readiness;
use crate::{ApiError, Component, Json, Problem, Schema, route};

/// The answer of a process that runs.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Live {
    /// Always `ok`.
    pub status: String,
}

/// Whether the process runs.
///
/// Does no work and needs no key: for a supervisor that restarts a process which no longer answers.
#[route(
    GET, "/live",
    tag = "system",
    auth = public,
    tests = [case("alive", status = 200, check = |live: &Live| live.status == "ok")],
)]
pub async fn live() -> Result<Json<Live>, Infallible> {
    Ok(Json(Live { status: "ok".to_owned() }))
}

/// The answer of a server that takes requests.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Ready {
    /// Always `ready`.
    pub status: String,
}

/// Why a server is not ready.
#[derive(Debug, thiserror::Error, Problem)]
pub enum ReadyError {
    /// The server is shutting down, or its runtime cannot work.
    #[error("the server is not ready: {reason}")]
    #[problem(status = 503, title = "Not ready", hint = "GET /health says more", retry_after = 5)]
    NotReady {
        /// What it waits for.
        reason: String,
    },
}

/// Whether requests should be sent here.
///
/// Turns to 503 as soon as a shutdown begins, so that a load balancer looks elsewhere while running requests finish.
#[route(
    GET, "/ready",
    tag = "system",
    auth = public,
    tests = [
        case("ready", status = 200, check = |ready: &Ready| ready.status == "ready"),
        case("forged host", headers = { "host": "evil.example" }, problem = ApiError::HostNotAllowed),
        untested(NotReady, "a server that runs cases is ready; tests/ sees it turn while the server shuts down"),
    ],
)]
pub async fn ready(
    readiness: Component<Readiness>,
    runtime: Component<Runtime>,
) -> Result<Json<Ready>, ReadyError> {
    if readiness.is_draining() {
        return Err(ReadyError::NotReady { reason: "it is shutting down".to_owned() });
    }
    let state = runtime.health();
    if state.usable { Ok(Json(Ready { status: "ready".to_owned() })) } else { Err(not_usable(&state)) }
}

/// How the server is.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// Version of the server.
    pub version: String,
    /// Seconds since the start.
    pub uptime_seconds: f64,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// What does not work beside it.
    pub problems: Vec<String>,
    /// How many models could be used.
    pub models_available: usize,
    /// Models that are in memory or on their way there.
    pub models: Vec<LoadedModel>,
    /// Texts that wait for a model.
    pub waiting: usize,
    /// What the server keeps.
    pub store: StoreHealth,
}

/// The store.
#[derive(Debug, Default, Serialize, Deserialize, Schema)]
pub struct StoreHealth {
    /// Whether it answers; else `problems` has the reason.
    pub usable: bool,
    /// Responses that are kept.
    pub responses: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Sessions.
    pub sessions: u64,
    /// Messages of all sessions.
    pub messages: u64,
    /// Bytes of these messages.
    pub message_bytes: u64,
    /// Documents.
    pub documents: u64,
    /// Their chunks, those of the index that serves.
    pub chunks: u64,
}

impl From<StoreUsage> for StoreHealth {
    fn from(usage: StoreUsage) -> Self {
        let StoreUsage { responses, bytes, sessions, messages, message_bytes, documents, chunks } = usage;
        Self { usable: true, responses, bytes, sessions, messages, message_bytes, documents, chunks }
    }
}

/// A model in memory.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct LoadedModel {
    /// Its id.
    pub id: String,
    /// Whether it is ready; else it is being loaded.
    pub ready: bool,
    /// What it runs on, once it is ready.
    pub device: Option<String>,
    /// Seconds that loading took, once it is ready.
    pub load_seconds: Option<f64>,
    /// Texts that wait for it.
    pub waiting: usize,
}

impl From<ModelHealth> for LoadedModel {
    fn from(model: ModelHealth) -> Self {
        Self {
            id: model.id,
            ready: model.ready,
            device: model.device,
            load_seconds: model.load_seconds,
            waiting: model.waiting,
        }
    }
}

/// How long the store may take to answer before it counts as a problem: whoever asks for the health does not wait long.
pub(crate) const STORE_PATIENCE: Duration = Duration::from_secs(2);

fn not_usable(state: &tabagent_runtime::Health) -> ReadyError {
    ReadyError::NotReady { reason: state.problems.join("; ") }
}

/// How the server is, in more words.
///
/// Answers 503 while the runtime cannot work, with the reason. A store that cannot is a problem beside it: models answer
/// without one.
#[route(
    GET, "/health",
    tag = "system",
    tests = [
        case("healthy", status = 200, check = is_healthy),
        case("page that was not named", headers = { "origin": "https://evil.example" }, problem = ApiError::OriginNotAllowed),
        untested(NotReady, "a server that runs cases is healthy; tests/ sees it turn while the server shuts down"),
    ],
)]
pub async fn health(
    readiness: Component<Readiness>,
    runtime: Component<Runtime>,
) -> Result<Json<Health>, ReadyError> {
    let state = runtime.health();
    if !state.usable {
        return Err(not_usable(&state));
    }
    if readiness.is_draining() {
        return Err(ReadyError::NotReady { reason: "it is shutting down".to_owned() });
    }
    let mut problems = state.problems;
    let store = match tokio::time::timeout(STORE_PATIENCE, runtime.store_usage()).await {
        Ok(Ok(usage)) => StoreHealth::from(usage),
        Ok(Err(error)) => {
            problems.push(format!("the store cannot be used: {error}"));
            StoreHealth::default()
        }
        Err(_) => {
            problems.push(format!("the store has not answered for {} seconds", STORE_PATIENCE.as_secs()));
            StoreHealth::default()
        }
    };
    Ok(Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: readiness.uptime().as_secs_f64(),
        onnxruntime: state.onnxruntime,
        problems,
        models_available: blocking(runtime, Runtime::models)
            .await
            .iter()
            .filter(|model| model.problem.is_none())
            .count(),
        models: state.models.into_iter().map(LoadedModel::from).collect(),
        waiting: state.waiting,
        store,
    }))
}

fn is_healthy(health: &Health) -> bool {
    health.status == "ok"
        && health.models_available >= 1
        && health.uptime_seconds >= 0.0
        && health.store.usable
}
