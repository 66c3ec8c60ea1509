//! `tabagent rm`: deletes a model from the models folder.

use std::process::ExitCode;

use tabagent_runtime::hub::Hub;
use tabagent_runtime::store::SqliteStore;

use crate::server::cli::CommandError;
use crate::server::config::Config;
use crate::server::output;

pub(in crate::server) fn run(config: &Config, model: &str) -> Result<ExitCode, CommandError> {
    // A server may have the model in memory, and would not know that its files are gone.
    if SqliteStore::in_use(&config.data_dir) {
        return Err(CommandError::Other(format!(
            "a server uses the data folder {}; ask it with DELETE /v1/delete?model_id={model}, or stop it first",
            config.data_dir.display()
        )));
    }
    Hub::new(config.models_dir.clone(), config.device, config.hub()).delete(model)?;
    output::note(&format!("{model} is deleted"));
    Ok(ExitCode::SUCCESS)
}
