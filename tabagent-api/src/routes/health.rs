//! Whether the server lives, is ready, and how it is.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_runtime::Runtime;

use crate::server::Readiness;
use crate::{Component, Json, Problem, Schema, route};

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
pub async fn ready(readiness: Component<Readiness>, runtime: Component<Runtime>) -> Result<Json<Ready>, ReadyError> {
    if readiness.is_draining() {
        return Err(ReadyError::NotReady { reason: "it is shutting down".to_owned() });
    }
    match runtime.health().problem {
        Some(reason) => Err(ReadyError::NotReady { reason }),
        None => Ok(Json(Ready { status: "ready".to_owned() })),
    }
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
    /// Models that are in memory.
    pub models_loaded: Vec<String>,
    /// Models that could be used.
    pub models_available: usize,
    /// Texts that wait for a model.
    pub queue_depth: usize,
}

/// How the server is, in more words.
///
/// Answers 503 while the runtime cannot work, with the reason.
#[route(
    GET, "/health",
    tag = "system",
    tests = [
        case("healthy", status = 200, check = is_healthy),
        case("page that was not named", headers = { "origin": "https://evil.example" }, problem = ApiError::OriginNotAllowed),
        untested(NotReady, "a server that runs cases is healthy; tests/ sees it turn while the server shuts down"),
    ],
)]
pub async fn health(readiness: Component<Readiness>, runtime: Component<Runtime>) -> Result<Json<Health>, ReadyError> {
    let state = runtime.health();
    if let Some(reason) = state.problem {
        return Err(ReadyError::NotReady { reason });
    }
    if readiness.is_draining() {
        return Err(ReadyError::NotReady { reason: "it is shutting down".to_owned() });
    }
    Ok(Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: readiness.uptime().as_secs_f64(),
        models_loaded: state.loaded,
        models_available: state.available,
        queue_depth: state.queue_depth,
    }))
}

fn is_healthy(health: &Health) -> bool {
    health.status == "ok" && health.models_available >= 1 && health.uptime_seconds >= 0.0
}
