//! The commands, one a file.

use std::path::PathBuf;

use tabagent_runtime::library::{LibraryOptions, progress};
use tabagent_runtime::runtime::{Runtime, RuntimeOptions};

use super::cli::CommandError;
use super::config::{Config, LogFilter, LogFormat, Source};
use super::logging;

pub(super) mod bench;
pub(super) mod doctor;
pub(super) mod ingest;
pub(super) mod list;
pub(super) mod load;
pub(super) mod openapi;
pub(super) mod ps;
pub(super) mod pull;
pub(super) mod rm;
pub(super) mod routes;
pub(super) mod run;
pub(super) mod runtime;
pub(super) mod serve;
pub(super) mod unload;

/// The runtime of a command that serves nobody: with a bar for what it installs, and without what a server logs unless
/// somebody asks for it.
fn quiet_runtime(config: &Config) -> Result<Runtime, CommandError> {
    quiet_runtime_in(config, None)
}

/// The same, on the store of a data folder, where one is named.
fn quiet_runtime_in(config: &Config, data_dir: Option<PathBuf>) -> Result<Runtime, CommandError> {
    let (filter, format) = quiet_log(config, "warn");
    logging::begin(&filter, format).map_err(CommandError::Other)?;
    let library = LibraryOptions { progress: progress::on_stderr(), ..config.runtime().library };
    Ok(Runtime::start(RuntimeOptions { library, data_dir, ..config.runtime() })?)
}

/// What a command that serves nobody logs: what the operator asks for, else no more than `level`.
fn quiet_log(config: &Config, level: &str) -> (LogFilter, LogFormat) {
    let asked = *config.source("log") != Source::Default;
    let filter = if asked { config.log.clone() } else { LogFilter(level.to_owned()) };
    (filter, config.log_format)
}
