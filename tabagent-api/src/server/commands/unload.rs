//! `tabagent unload`: takes models out of the memory of a running server.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::server::cli::CommandError;
use crate::server::client::Client;
use crate::server::config::Config;
use crate::server::output;

pub(in crate::server) fn run(
    config: &Config,
    url: Option<&str>,
    model: Option<&str>,
    force: bool,
) -> Result<ExitCode, CommandError> {
    let body = json!({ "model_id": model, "force": force });
    let answer = Client::new(url, config).post("/v1/models/unload", &body)?;
    let ids = answer.get("unloaded").and_then(Value::as_array);
    let ids: Vec<&str> = ids.into_iter().flatten().filter_map(Value::as_str).collect();
    match (ids.is_empty(), model) {
        (false, _) => output::note(&format!("no longer in memory: {}", ids.join(", "))),
        (true, Some(model)) => output::note(&format!("{model} was not in memory")),
        (true, None) => output::note("no model was in memory"),
    }
    Ok(ExitCode::SUCCESS)
}
