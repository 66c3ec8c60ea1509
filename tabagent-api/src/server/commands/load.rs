//! `tabagent load`: brings a model into the memory of a running server.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::server::cli::CommandError;
use crate::server::client::Client;
use crate::server::config::{Config, Source};
use crate::server::output;

/// What the command line says beside the settings.
#[derive(Debug)]
pub(in crate::server) struct Options {
    /// Where the server is, where that is not what the settings say.
    pub(in crate::server) url: Option<String>,
    /// Id of the model.
    pub(in crate::server) model: String,
    /// Name of its variant.
    pub(in crate::server) variant: Option<String>,
    /// Whether it stays until it is unloaded.
    pub(in crate::server) pin: bool,
}

pub(in crate::server) fn run(config: &Config, options: &Options) -> Result<ExitCode, CommandError> {
    // A variable or the file says what the server does with every model; the command line says it of this one.
    let given = |key: &str| matches!(config.source(key), Source::Flag(_));
    let body = json!({
        "model_id": options.model,
        "variant": options.variant,
        "device": given("device").then(|| config.device.to_string()),
        "context_length": config.context.filter(|_| given("context")),
        "keep_alive": given("keep-alive").then(|| config.keep_alive.to_string()),
        "pinned": options.pin.then_some(true),
    });
    let answer = Client::new(options.url.as_deref(), config).post("/v1/models/load", &body)?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let seconds = answer.get("load_seconds").and_then(Value::as_f64).unwrap_or_default();
    let how = match text("status").as_str() {
        "already_loaded" => "was in memory".to_owned(),
        _ => format!("is in memory after {seconds:.1} s"),
    };
    output::note(&format!("{} ({}) {how}, on {}", text("model_id"), text("variant"), text("device")));
    Ok(ExitCode::SUCCESS)
}
