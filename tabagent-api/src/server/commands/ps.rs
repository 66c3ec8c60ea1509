//! `tabagent ps`: which models a running server has in memory.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::routes::loading::{MemoryState, ResidentModel, ResidentModelList};
use crate::server::cli::CommandError;
use crate::server::client::Client;
use crate::server::config::Config;
use crate::server::output;

pub(in crate::server) fn run(
    config: &Config,
    url: Option<&str>,
    json: bool,
) -> Result<ExitCode, CommandError> {
    let answer = Client::new(url, config).get("/v1/models/loaded")?;
    let written = if json { output::print_json(&answer) } else { output::print(&table(&read(answer)?.data)) };
    written.map_err(CommandError::system("the models cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}

fn read(answer: Value) -> Result<ResidentModelList, CommandError> {
    serde_json::from_value(answer)
        .map_err(|error| CommandError::Other(format!("the server's answer is of another version: {error}")))
}

fn table(models: &[ResidentModel]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let head =
        ["MODEL", "VARIANT", "DEVICE", "CONTEXT", "MEMORY", "STATE", "REQUESTS", "LEAVES"].map(str::to_owned);
    let rows = models.iter().map(|model| {
        let state = match model.state {
            MemoryState::Loading => "loading",
            MemoryState::Ready => "ready",
            MemoryState::Leaving => "leaving",
        };
        let leaves = match model.expires {
            _ if model.pinned => "pinned".to_owned(),
            Some(at) => format!("in {} s", at.saturating_sub(now)),
            None if model.keep_alive == "forever" => "never".to_owned(),
            None => format!("{} after use", model.keep_alive),
        };
        let context = model.context_length.map_or_else(String::new, |tokens| tokens.to_string());
        [
            model.model_id.clone(),
            model.variant.clone(),
            model.device.clone().unwrap_or_default(),
            context,
            format!("{:.1} MB", model.size_bytes as f64 / 1e6),
            state.to_owned(),
            model.requests.to_string(),
            leaves,
        ]
    });
    output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}
