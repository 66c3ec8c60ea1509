//! `tabagent rm`: deletes a model from the models folder, or from that of a running server.

use std::process::ExitCode;

use tabagent_runtime::hub::Hub;

use crate::server::cli::CommandError;
use crate::server::client::Client;
use crate::server::config::Config;
use crate::server::output;

pub(in crate::server) fn run(
    config: &Config,
    url: Option<&str>,
    model: &str,
) -> Result<ExitCode, CommandError> {
    match url {
        Some(url) => {
            let query =
                form_urlencoded::Serializer::new(String::new()).append_pair("model_id", model).finish();
            Client::instead_of_folder(url, config)?.delete(&format!("/v1/delete?{query}"))?;
        }
        None => {
            let hub = Hub::new(config.models_dir.clone(), config.device, config.hub());
            // A server may have the model in memory, and would not know that its files are gone.
            let _alone = hub.alone().map_err(|error| {
                CommandError::Other(format!(
                    "{error}; ask it with `tabagent rm {model} --url URL`, or stop it first"
                ))
            })?;
            hub.delete(model)?;
        }
    }
    output::note(&format!("{model} is deleted"));
    Ok(ExitCode::SUCCESS)
}
