//! Every setting, declared once.
//!
//! A row gives the name, the type, the word for a value in help, the default and the documentation. The name `data_dir`
//! is the flag `--data-dir`, the variable `TABAGENT_DATA_DIR` and the key `data-dir` of the file.

// The docs of a setting are its help on the command line as well, where brackets and addresses are not Markdown.
#![allow(rustdoc::broken_intra_doc_links, rustdoc::bare_urls)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tabagent_runtime::KeepAlive;
use tabagent_runtime::device::{ArenaGrowth, Device};

use super::ConfigError;
use super::log::{LogFilter, LogFormat};
use super::sources::{Source, Sources};
use super::value::{ByteSize, Compression, HostName, HubEndpoint, HubHost, OriginName, SettingValue};
use crate::framework::config::Secret;

/// What is known of a setting before it has a value.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name of the field, in snake case.
    pub field: &'static str,
    /// Word for a value in help.
    pub value_name: &'static str,
    /// Documentation.
    pub help: &'static str,
    /// Its value where no source gives one.
    pub default: DefaultValue,
    /// Whether it takes several values: a repeated flag, commas in the variable, an array in the file.
    pub list: bool,
}

/// Where a default comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// This text, read like any other.
    Fixed(&'static str),
    /// No value; the words say what that means.
    Unset(&'static str),
    /// The user's folder for this program's data.
    DataFolder,
    /// This path below the data folder.
    Below(&'static str),
}

impl Setting {
    /// The key in the file, and the flag without its dashes.
    pub fn key(&self) -> String {
        self.field.replace('_', "-")
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("TABAGENT_{}", self.field.to_ascii_uppercase())
    }

    /// The documentation as one paragraph, with the default and the variable.
    pub fn long_help(&self) -> String {
        let default = match self.default {
            DefaultValue::Fixed(text) => text.to_owned(),
            DefaultValue::Unset(words) => words.to_owned(),
            DefaultValue::DataFolder => super::default_data_dir().display().to_string(),
            DefaultValue::Below(path) => format!("{path} in the data folder"),
        };
        format!("{} [default: {default}] [env: {}]", self.help.trim(), self.variable())
    }
}

macro_rules! settings {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ty, $value_name:literal, $default:expr;)+) => {
        /// The configuration, complete and checked.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($(#[doc = $help])+ pub $field: $kind,)+
            /// Where each value came from, by key; what is not here is the default.
            pub sources: BTreeMap<String, Source>,
            /// What the operator should know and what does not keep the server from starting.
            pub warnings: Vec<String>,
        }

        /// All settings, in the order of the help.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            field: stringify!($field),
            value_name: $value_name,
            help: concat!($($help,)+),
            default: $default,
            list: <$kind as SettingValue>::LIST,
        },)+];

        impl Config {
            /// Reads each setting from its first source.
            pub(super) fn resolve(sources: &Sources) -> Result<Self, ConfigError> {
                let mut reader = sources.reader();
                // Every setting is read before any error is returned, so that one start shows all of them.
                let mut rows = SETTINGS.iter();
                $(let $field: Option<$kind> = rows.next().and_then(|setting| reader.read(setting));)+
                let complete = match ($($field,)+) {
                    ($(Some($field),)+) => Some(($($field,)+)),
                    _ => None,
                };
                let outcome = reader.finish()?;
                let Some(($($field,)+)) = complete else {
                    return Err(ConfigError(vec!["a setting has neither a value nor an error".to_owned()]));
                };
                Ok(Self { $($field,)+ sources: outcome.sources, warnings: outcome.warnings })
            }

            /// Each setting with its value as text; secrets are not shown.
            pub fn rows(&self) -> Vec<(&'static Setting, String)> {
                let values = [$(self.$field.show(),)+];
                SETTINGS.iter().zip(values).collect()
            }
        }
    };
}

use DefaultValue::{Below, DataFolder, Fixed, Unset};

settings! {
    /// Folder of what the server keeps: tabagent.toml, models, tabagent.sqlite with stored responses and parameters. One server a folder.
    data_dir: PathBuf, "FOLDER", DataFolder;
    /// Folder of models; each subfolder laid out like a Hugging Face repository is one.
    models_dir: PathBuf, "FOLDER", Below("models");
    /// Address to listen on; one that other machines can reach needs an API key.
    host: IpAddr, "ADDRESS", Fixed("127.0.0.1");
    /// Port to listen on; 0 picks a free one.
    port: u16, "PORT", Fixed("8080");
    /// What models run on: auto, cpu, cuda[:N], directml[:N], tensorrt[:N], openvino, coreml, rocm[:N], webgpu, ...
    device: Device, "DEVICE", Fixed("auto");
    /// Most memory of the device that each model takes there; cuda, migraphx and rocm know it.
    device_memory: Option<ByteSize>, "SIZE", Unset("what the device has");
    /// How each model's memory on the device grows: doubling, or exact, which holds nothing in reserve; for cuda, migraphx and rocm.
    device_arena: Option<ArenaGrowth>, "GROWTH", Unset("doubling");
    /// Whether runs are captured and replayed as one graph of the device, which suits inputs of one shape; for cuda, tensorrt, rocm and webgpu.
    device_graph: bool, "yes|no", Fixed("no");
    /// Key that clients send as `authorization: Bearer KEY`. On the command line other users can see it: prefer the variable or the file.
    api_key: Option<Secret>, "KEY", Unset("none is asked for");
    /// File that holds the API key and nothing else.
    api_key_file: Option<PathBuf>, "FILE", Unset("none");
    /// Further host name under which clients reach the server, without port.
    allow_host: Vec<HostName>, "NAME", Unset("loopback names and addresses");
    /// Web page or extension that may use the server: https://example.org, chrome-extension://ID.
    allow_origin: Vec<OriginName>, "ORIGIN", Unset("pages on loopback");
    /// Threads that compute the batches of a model.
    threads: Option<NonZeroUsize>, "N", Unset("the number of physical cores");
    /// Texts that may wait for a model before further requests are answered with 429.
    queue: NonZeroUsize, "N", Fixed("8192");
    /// Answers that a chat model generates side by side.
    parallel: NonZeroUsize, "N", Fixed("8");
    /// Most tokens of a prompt that a chat model reads at once, while other answers wait.
    prompt_part: NonZeroUsize, "TOKENS", Fixed("256");
    /// Answers that may wait for a chat model before further requests are answered with 429.
    chat_queue: NonZeroUsize, "N", Fixed("256");
    /// Most tokens of a conversation, prompt and answer together.
    context: Option<NonZeroUsize>, "TOKENS", Unset("what each model takes");
    /// Memory for the keys and values of a chat model's conversations.
    cache: Option<ByteSize>, "SIZE", Unset("a quarter of the memory");
    /// Most models of one kind (chat, embedding, rerank) in memory; the one that was not used for longest leaves for another.
    max_loaded: Option<NonZeroUsize>, "N", Unset("as memory allows");
    /// Memory that models may take together, by their estimates.
    memory_limit: Option<ByteSize>, "SIZE", Unset("what is free");
    /// Bytes that all sessions may take together; a message or an answer beyond is refused.
    sessions_limit: ByteSize, "SIZE", Fixed("8GiB");
    /// Time that a model stays in memory when nobody uses it: 30m, 0 for not at all, forever.
    keep_alive: KeepAlive, "TIME", Fixed("30m");
    /// Whether a request loads the model that it names; else POST /v1/models/load has to.
    autoload: bool, "yes|no", Fixed("yes");
    /// Time that a request may take until its response begins, where its route does not say otherwise.
    deadline: Duration, "TIME", Fixed("2m");
    /// Time that generating an answer may take, at most an hour.
    generation_deadline: Duration, "TIME", Fixed("30m");
    /// Longest request body.
    body_limit: ByteSize, "SIZE", Fixed("16MiB");
    /// Time in which a request's body must have arrived.
    body_timeout: Duration, "TIME", Fixed("30s");
    /// Time that a connection may take to send the head of a request, from its opening or the last response on.
    idle_timeout: Duration, "TIME", Fixed("30s");
    /// Time that a client may take to accept the next bytes of a response.
    write_timeout: Duration, "TIME", Fixed("30s");
    /// Connections that are open at once; further ones wait to be accepted.
    max_connections: NonZeroUsize, "N", Fixed("1024");
    /// Whether responses are compressed; auto compresses beyond loopback.
    compression: Compression, "auto|on|off", Fixed("auto");
    /// Time that requests have to finish once the server is told to stop.
    shutdown_grace: Duration, "TIME", Fixed("20s");
    /// Whether ONNX Runtime is downloaded when none is found.
    install_onnxruntime: bool, "yes|no", Fixed("yes");
    /// Hub that models are pulled from, an address like that of Hugging Face: https, or http on loopback.
    hub_endpoint: Option<HubEndpoint>, "URL", Unset("HF_ENDPOINT, else https://huggingface.co");
    /// Further host that the hub may lead to for its files, with a port where only that one is meant.
    hub_allow_host: Vec<HubHost>, "HOST", Unset("the hub and the hosts of Hugging Face");
    /// Time in which the next bytes of a pull must arrive before another connection is tried.
    hub_stall: Duration, "TIME", Fixed("30s");
    /// What is logged: a level, or a list such as info,tabagent_runtime=debug.
    log: LogFilter, "FILTER", Fixed("info");
    /// How it is logged.
    log_format: LogFormat, "text|json", Fixed("text");
}
