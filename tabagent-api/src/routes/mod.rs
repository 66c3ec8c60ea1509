//! The routes of TabAgent. Each is one fn and one `#[route]`; nothing but the contract, `docs/routes.md`, lists them, and a
//! test compares the two.

pub mod analytics;
pub mod backend;
pub mod chat;
pub mod completions;
pub mod constraint;
pub mod control;
pub mod embeddings;
mod forms;
pub mod generation;
pub mod health;
pub mod inference;
pub mod loading;
pub mod models;
pub mod params;
pub mod pull;
pub mod rag;
pub mod recipes;
pub mod registered;
pub mod rerank;
pub mod resources;
pub mod responses;
pub mod sessions;
pub mod similarity;
pub mod system;

use tabagent_runtime::Runtime;

use crate::Component;

/// Calls a method of the runtime that reads files or asks drivers, away from the threads that serve requests.
async fn blocking<T: Send + 'static>(
    runtime: Component<Runtime>,
    call: impl FnOnce(&Runtime) -> T + Send + 'static,
) -> T {
    match tokio::task::spawn_blocking(move || call(&runtime)).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            // The layer that makes problems of panics reports it under this request's id.
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process is ending, and with it this request.
            Err(_) => std::future::pending().await,
        },
    }
}
