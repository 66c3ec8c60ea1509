//! `tabagent openapi`: the document, as the server with these settings would answer it.

use std::process::ExitCode;

use crate::server::cli::CommandError;
use crate::server::config::Config;
use crate::server::{output, routes};

pub(in crate::server) fn run(config: &Config) -> Result<ExitCode, CommandError> {
    let document = routes(config).document()?;
    output::print_json(&document).map_err(CommandError::system("the document cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}
