//! The command line of `tabagent`: what its words (`grammar`) make the process do.

mod grammar;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;
pub use grammar::command;

use super::commands;
use super::config::{Config, ConfigError, SETTINGS, Sources};
use super::output::note;

/// The command by which a server has PDFs read apart from itself; it is none for people.
pub(super) const READ_PDF: &str = "read-pdf";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The port cannot be had.
    #[error(transparent)]
    Bind(#[from] super::http::BindError),
    /// The routes cannot be served together.
    #[error(transparent)]
    Start(#[from] crate::framework::StartErrors),
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] tabagent_runtime::BackendError),
    /// The operating system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// Everything else, in words.
    #[error("{0}")]
    Other(String),
}

impl CommandError {
    /// For `map_err`: names what was being done.
    pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

/// Runs the command that the command line names; the whole of the binary's `main`.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    match run(&matches) {
        Ok(code) => code,
        Err(error) => {
            note(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(matches: &ArgMatches) -> Result<ExitCode, CommandError> {
    match matches.subcommand() {
        None => commands::serve::run(load(matches)?),
        Some(("serve", matches)) => commands::serve::run(load(matches)?),
        Some(("run", matches)) => commands::run::run(&load(matches)?, conversation(matches)?),
        Some(("bench", matches)) => commands::bench::run(&load(matches)?, &measurement(matches)),
        Some(("ps", matches)) => {
            commands::ps::run(&load(matches)?, text(matches, "url").as_deref(), json(matches))
        }
        Some(("load", matches)) => commands::load::run(&load(matches)?, &placement(matches)),
        Some(("unload", matches)) => {
            let (url, model) = (text(matches, "url"), text(matches, "model"));
            commands::unload::run(
                &load(matches)?,
                url.as_deref(),
                model.as_deref(),
                matches.get_flag("force"),
            )
        }
        Some(("pull", matches)) => {
            let url = text(matches, "url");
            commands::pull::run(
                &load(matches)?,
                url.as_deref(),
                &required(matches, "reference"),
                json(matches),
            )
        }
        Some(("list", matches)) => {
            let url = text(matches, "url");
            commands::list::run(&load(matches)?, url.as_deref(), matches.get_flag("all"), json(matches))
        }
        Some(("rm", matches)) => {
            let url = text(matches, "url");
            commands::rm::run(&load(matches)?, url.as_deref(), &required(matches, "model"))
        }
        Some(("ingest", matches)) => commands::ingest::run(&load(matches)?, &brought(matches)?),
        Some(("routes", matches)) => commands::routes::run(&load(matches)?, json(matches)),
        Some(("openapi", matches)) => commands::openapi::run(&load(matches)?),
        Some((READ_PDF, _)) => {
            let read = tabagent_runtime::documents::read_pdf(std::io::stdin().lock());
            let written = read.and_then(|text| super::output::print(&text));
            written.map_err(CommandError::system("reading a PDF"))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(("doctor", matches)) => commands::doctor::run(sources(matches), json(matches)),
        Some(("runtime", matches)) => match matches.subcommand() {
            Some(("install", matches)) => {
                let build = matches.get_one::<String>("build").map_or("cpu", String::as_str);
                commands::runtime::install(build)
            }
            Some(("path", _)) => commands::runtime::path(),
            Some((_, matches)) => commands::runtime::status(json(matches)),
            None => commands::runtime::status(false),
        },
        Some((other, _)) => Err(CommandError::Other(format!("there is no command `{other}`"))),
    }
}

fn json(matches: &ArgMatches) -> bool {
    matches.get_flag("json")
}

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

/// What `tabagent load` is told beside the settings.
fn placement(matches: &ArgMatches) -> commands::load::Options {
    commands::load::Options {
        url: text(matches, "url"),
        model: text(matches, "model").unwrap_or_default(),
        variant: text(matches, "variant"),
        pin: matches.get_flag("pin"),
    }
}

/// What `tabagent ingest` is told beside the settings.
fn brought(matches: &ArgMatches) -> Result<commands::ingest::Options, CommandError> {
    Ok(commands::ingest::Options {
        url: text(matches, "url"),
        paths: matches.get_many::<PathBuf>("paths").into_iter().flatten().cloned().collect(),
        metadata: text(matches, "metadata").as_deref().map(commands::ingest::metadata).transpose()?,
        json: json(matches),
    })
}

/// An argument that the grammar asks for.
fn required(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

fn load(matches: &ArgMatches) -> Result<Config, ConfigError> {
    Config::load(&sources(matches)?)
}

/// What `tabagent run` is told beside the settings.
fn conversation(matches: &ArgMatches) -> Result<commands::run::Options, CommandError> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let mut settings = commands::run::Settings::default();
    for name in commands::run::Settings::NAMES {
        if let Some(value) = text(name) {
            settings.set(name, &value).map_err(CommandError::Other)?;
        }
    }
    let words: Vec<&str> =
        matches.get_many::<String>("prompt").into_iter().flatten().map(String::as_str).collect();
    let prompt = Some(words.join(" ")).filter(|prompt| !prompt.trim().is_empty());
    let (model, system, session) = (text("model"), text("system"), text("session"));
    let history_limit = matches.get_one::<u32>("history-limit").copied();
    Ok(commands::run::Options { model, prompt, system, session, history_limit, settings })
}

/// What `tabagent bench` is told beside the settings.
fn measurement(matches: &ArgMatches) -> commands::bench::Options {
    let number = |name: &str| usize::from(matches.get_one::<u16>(name).copied().unwrap_or_default());
    commands::bench::Options {
        model: matches.get_one::<String>("model").cloned(),
        prompt: number("prompt-tokens"),
        tokens: number("tokens"),
        streams: matches.get_many::<u16>("streams").into_iter().flatten().copied().map(usize::from).collect(),
        rounds: number("rounds"),
        json: json(matches),
    }
}

/// What the command line, the environment and the file say.
fn sources(matches: &ArgMatches) -> Result<Sources, ConfigError> {
    let mut flags = BTreeMap::new();
    for setting in SETTINGS {
        // A command that has only some of the settings does not know the others.
        if let Ok(Some(texts)) = matches.try_get_many::<String>(setting.field) {
            flags.insert(setting.key(), texts.cloned().collect());
        }
    }
    Sources::of_process(flags, matches.get_one::<PathBuf>("config").cloned())
}
