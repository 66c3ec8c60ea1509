//! The configuration of the server: a flag, a variable, a line of a TOML file, or a default, in this order.
//!
//! `settings` declares every setting once; the flag, the variable, the key, the default and the help come from there.
//! `sources` reads the four places, `value` and `log` turn text into values, and this module holds what the settings
//! mean together.

mod log;
mod settings;
mod sources;
mod value;

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use tabagent_runtime::device::DeviceOptions;
use tabagent_runtime::hub::HubOptions;
use tabagent_runtime::library::LibraryOptions;
use tabagent_runtime::runtime::RuntimeOptions;

use crate::framework::config::{ApiConfig, Secret};

pub use log::{LogFilter, LogFormat};
pub use settings::{Config, DefaultValue, SETTINGS, Setting};
pub use sources::{Source, Sources, default_data_dir};
pub use value::{ByteSize, Compression, HostName, HubEndpoint, HubHost, OriginName, Scalar, SettingValue};

/// Everything that is wrong with a configuration, in one error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.0))]
pub struct ConfigError(pub Vec<String>);

fn list(reasons: &[String]) -> String {
    match reasons {
        [reason] => reason.clone(),
        reasons => reasons.iter().fold("the configuration cannot be used:".to_owned(), |mut text, reason| {
            let _ = write!(text, "\n  - {reason}");
            text
        }),
    }
}

/// Bytes of the smallest cache that is taken: keys and values of one token are a thousand of them in the smallest models, and
/// a hundred thousand in large ones. Below it the setting lacks its unit.
const SMALLEST_CACHE: usize = 64 << 10;

/// Explains the service in the OpenAPI document.
const DESCRIPTION: &str = "A local AI server: models on ONNX Runtime, behind the routes that OpenAI's clients speak. \
                           Every failure is a problem (RFC 9457) whose `type` is a page of this server.";

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// Every value that cannot be used, every unknown key of the file, and every rule that the values break together.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut config = Self::resolve(sources)?;
        config.read_key_file()?;
        config.check()?;
        Ok(config)
    }

    /// The key may lie in a file, so that it is neither in the list of processes nor in the environment.
    fn read_key_file(&mut self) -> Result<(), ConfigError> {
        let Some(path) = &self.api_key_file else { return Ok(()) };
        if self.api_key.is_some() {
            return Err(ConfigError(vec![format!(
                "`api-key` ({}) and `api-key-file` ({}) are both set; set one",
                self.source("api-key"),
                self.source("api-key-file")
            )]));
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(vec![format!("`api-key-file`: {} cannot be read: {error}", path.display())])
        })?;
        let key = Secret::parse(text.trim())
            .map_err(|reason| ConfigError(vec![format!("`api-key-file`: {}: {reason}", path.display())]))?;
        self.api_key = Some(key);
        Ok(())
    }

    /// The rules between settings.
    fn check(&self) -> Result<(), ConfigError> {
        if !self.host.is_loopback() && self.api_key.is_none() {
            return Err(ConfigError(vec![format!(
                "`host` is {} ({}), which other machines can reach, and there is no API key; set one with \
                 TABAGENT_API_KEY or --api-key-file, or keep --host 127.0.0.1",
                self.host,
                self.source("host")
            )]));
        }
        if self.models_dir.exists() && !self.models_dir.is_dir() {
            return Err(ConfigError(vec![format!(
                "`models-dir` is {} ({}), which is no folder; name one, or one that is to be made",
                self.models_dir.display(),
                self.source("models-dir")
            )]));
        }
        if let Some(cache) = self.cache.filter(|cache| cache.0 < SMALLEST_CACHE) {
            return Err(ConfigError(vec![format!(
                "`cache` is {} bytes ({}), too few for a conversation with any model; give --cache a size such as 2GiB, \
                 at least 64KiB",
                cache.0,
                self.source("cache")
            )]));
        }
        Ok(())
    }

    /// Where the value of a setting came from.
    pub fn source(&self, key: &str) -> &Source {
        self.sources.get(key).unwrap_or(&Source::Default)
    }

    /// Whether responses are compressed: over loopback it costs more time than it saves.
    pub fn compresses(&self) -> bool {
        match self.compression {
            Compression::On => true,
            Compression::Off => false,
            Compression::Auto => !self.host.is_loopback(),
        }
    }

    /// What the runtime needs to know; ONNX Runtime is installed where that is allowed, without progress. What is kept is
    /// kept in memory: one process uses the data folder, and that is the server.
    pub fn runtime(&self) -> RuntimeOptions {
        RuntimeOptions {
            models_dir: self.models_dir.clone(),
            device: self.device,
            device_options: DeviceOptions {
                memory_limit: self.device_memory.map(|size| size.0 as u64),
                arena: self.device_arena,
                graph_capture: self.device_graph,
            },
            threads: self.threads.map(NonZeroUsize::get),
            library: LibraryOptions { install: self.install_onnxruntime, ..LibraryOptions::default() },
            queue: self.queue.get(),
            deadline: self.deadline,
            generation_deadline: self.generation_deadline,
            parallel: self.parallel.get(),
            prompt_part: self.prompt_part.get(),
            generation_queue: self.chat_queue.get(),
            context: self.context.map(NonZeroUsize::get),
            cache_bytes: self.cache.map(|size| size.0 as u64),
            max_loaded: self.max_loaded.map(NonZeroUsize::get),
            memory_limit: self.memory_limit.map(|size| size.0 as u64),
            sessions_limit: self.sessions_limit.0 as u64,
            keep_alive: self.keep_alive,
            autoload: self.autoload,
            hub: self.hub(),
            ..RuntimeOptions::default()
        }
    }

    /// Where models are pulled from.
    pub fn hub(&self) -> HubOptions {
        let options = HubOptions::default();
        HubOptions {
            endpoint: self.hub_endpoint.as_ref().map_or(options.endpoint, |endpoint| endpoint.0.clone()),
            allowed_hosts: self.hub_allow_host.iter().map(|host| host.0.clone()).collect(),
            stall: self.hub_stall,
            ..options
        }
    }

    /// What the framework needs to know.
    pub fn api(&self) -> ApiConfig {
        ApiConfig {
            title: "TabAgent".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: DESCRIPTION.to_owned(),
            api_key: self.api_key.clone(),
            allowed_hosts: self.allow_host.iter().map(|host| host.0.clone()).collect(),
            allow_ip_hosts: !self.host.is_loopback(),
            allowed_origins: self.allow_origin.iter().map(|origin| origin.0.clone()).collect(),
            body_limit: self.body_limit.0,
            body_timeout: self.body_timeout,
            // A little later, so that the runtime, which knows what it was doing, is the one that answers.
            timeout: self.deadline + Duration::from_secs(1),
            compression: self.compresses(),
            ..ApiConfig::default()
        }
    }
}

#[cfg(test)]
mod tests;
