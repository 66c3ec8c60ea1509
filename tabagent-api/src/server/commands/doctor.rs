//! `tabagent doctor`: would serving work here, and what helps where it would not.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use tabagent_runtime::device::{Device, ProviderReport, ProviderState};
use tabagent_runtime::hardware::{self, SystemInfo};
use tabagent_runtime::library::{self, LibraryOptions, Status};
use tabagent_runtime::models::ModelInfo;
use tabagent_runtime::runtime::{Runtime, RuntimeOptions};
use tabagent_runtime::store::SqliteStore;

use super::runtime::candidate_rows;
use crate::server::cli::CommandError;
use crate::server::config::{Config, ConfigError, DefaultValue, Sources};
use crate::server::{build_app, output};

/// Everything that was looked at.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether serving would work.
    ok: bool,
    checks: Vec<Check>,
    settings: Vec<Value>,
    library: Status,
    system: SystemInfo,
    models: Vec<ModelInfo>,
}

/// One thing that must be right.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Serving works; something is not as it could be.
    Warning,
    /// Serving would not work.
    Failed,
}

/// A setting and where its value came from.
#[derive(Debug, Serialize)]
struct Value {
    key: String,
    /// None where the setting has no value; the words of its default say what that means.
    value: Option<String>,
    #[serde(skip)]
    shown: String,
    source: String,
}

impl Check {
    fn of(name: &'static str, outcome: Result<String, String>) -> Self {
        match outcome {
            Ok(detail) => Self { name, state: State::Ok, detail },
            Err(detail) => Self { name, state: State::Failed, detail },
        }
    }

    fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, state: State::Warning, detail: detail.into() }
    }
}

pub(in crate::server) fn run(
    sources: Result<Sources, ConfigError>,
    json: bool,
) -> Result<ExitCode, CommandError> {
    let report = examine(sources);
    let written = if json { output::print_json(&report) } else { output::print(&text(&report)) };
    written.map_err(CommandError::system("the report cannot be written"))?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(sources: Result<Sources, ConfigError>) -> Report {
    let file = sources.as_ref().ok().and_then(|sources| sources.file.as_ref().map(|(path, _)| path.clone()));
    let config = sources.and_then(|sources| Config::load(&sources));
    let mut checks = vec![Check::of(
        "configuration",
        match &config {
            Ok(_) => Ok(file.map_or_else(|| "no file".to_owned(), |path| path.display().to_string())),
            Err(error) => Err(error.to_string()),
        },
    )];
    let mut settings = Vec::new();
    let mut models = Vec::new();
    let mut options = RuntimeOptions::default();
    if let Ok(config) = &config {
        checks.extend(config.warnings.iter().map(|warning| Check::warning("configuration", warning)));
        settings = config
            .rows()
            .into_iter()
            .map(|(setting, value)| Value {
                key: setting.key(),
                shown: match setting.default {
                    DefaultValue::Unset(words) if value.is_empty() => format!("({words})"),
                    _ => value.clone(),
                },
                value: Some(value).filter(|value| !value.is_empty()),
                source: config.source(&setting.key()).to_string(),
            })
            .collect();
        checks
            .push(Check::of("data folder", data_folder(&config.data_dir).map_err(|error| error.to_string())));
        checks.push(models_folder(&config.models_dir));
        checks.push(Check::of("port", port(config)));
        options = config.runtime();
    }
    let may_install = options.library.install;
    let library_options = LibraryOptions { install: false, ..options.library.clone() };
    let found = library::locate(&library_options);
    checks.push(onnx_runtime(&found, library_options.path.is_some(), may_install));
    if found.is_ok() {
        match Runtime::start(RuntimeOptions { library: library_options.clone(), ..options.clone() }) {
            Ok(runtime) => {
                if let Ok(config) = &config {
                    let mounted = build_app(config, runtime.clone()).mount();
                    let outcome = mounted.map(|app| format!("{} routes", app.routes.len()));
                    checks.push(Check::of("routes", outcome.map_err(|errors| errors.to_string())));
                }
                models = runtime.models();
                let health = runtime.health();
                checks.push(Check::of(
                    "models",
                    if health.usable {
                        Ok(format!("{} found", models.len()))
                    } else {
                        Err(health.problems.join("; "))
                    },
                ));
                let broken = models.iter().filter_map(|model| Some((model, model.problem.as_ref()?)));
                checks
                    .extend(broken.map(|(model, problem)| {
                        Check::warning("models", format!("{}: {problem}", model.id))
                    }));
            }
            Err(error) => checks.push(Check::of("models", Err(error.to_string()))),
        }
    }
    let system = hardware::system(&options.models_dir);
    if found.is_ok() {
        checks.push(Check::of("device", device_usable(options.device, &system.execution_providers)));
    }
    Report {
        ok: checks.iter().all(|check| check.state != State::Failed),
        checks,
        settings,
        library: library::status(&library_options),
        system,
        models,
    }
}

/// The folder and the store in it; neither is used.
fn data_folder(folder: &Path) -> tabagent_runtime::Result<String> {
    let store = SqliteStore::examine(folder)?;
    let folder_is = folder.display();
    Ok(match store {
        Some(bytes) => format!("{folder_is}, with a store of {}", size(bytes)),
        None if folder.exists() => format!("{folder_is}, without a store yet"),
        None => format!("{folder_is} is not there yet; the server makes it when it starts"),
    })
}

fn models_folder(folder: &Path) -> Check {
    let name = "models folder";
    match std::fs::read_dir(folder) {
        Ok(_) => Check::of(name, Ok(folder.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Check::warning(
            name,
            format!("{} is not there: only the models in the binary are served", folder.display()),
        ),
        Err(error) => Check::of(name, Err(format!("{} cannot be read: {error}", folder.display()))),
    }
}

fn port(config: &Config) -> Result<String, String> {
    let address = SocketAddr::new(config.host, config.port);
    match TcpListener::bind(address) {
        Ok(_) if config.port == 0 => Ok(format!("a free one on {}", config.host)),
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(format!(
            "{address} is in use by another program; choose another with --port, or --port 0 for a free one"
        )),
        Err(error) => {
            Err(format!("{address} cannot be listened on: {error}; --host takes an address of this machine"))
        }
    }
}

fn onnx_runtime(found: &tabagent_runtime::Result<library::Library>, named: bool, may_install: bool) -> Check {
    let name = "ONNX Runtime";
    match found {
        Ok(library) => Check::of(
            name,
            Ok(format!("{} at {} ({})", library.version, library.path.display(), library.origin)),
        ),
        Err(error) if named => Check::of(name, Err(error.to_string())),
        Err(_) if may_install => Check::warning(
            name,
            "not here; the first start downloads it, or do it now with `tabagent runtime install`",
        ),
        Err(_) => Check::of(
            name,
            Err("not here; install it with `tabagent runtime install`, or allow the start to do it with \
                 --install-onnxruntime yes"
                .to_owned()),
        ),
    }
}

fn device_usable(device: Device, providers: &[ProviderReport]) -> Result<String, String> {
    let text = device.to_string();
    let name = text.split(':').next().unwrap_or_default();
    if matches!(device, Device::Auto) {
        let usable: Vec<&str> = providers
            .iter()
            .filter(|report| report.state == ProviderState::Usable && report.name != "cpu")
            .map(|report| report.name.as_str())
            .chain(["cpu"])
            .collect();
        return Ok(format!("auto tries {}", usable.join(", then ")));
    }
    let report = providers.iter().find(|report| report.name == name);
    match report {
        _ if matches!(device, Device::Cpu) => Ok(text),
        Some(report) if matches!(report.state, ProviderState::Usable | ProviderState::OnRequest) => Ok(text),
        Some(report) => Err(format!("{text} cannot be used: {}", why(report))),
        None => Err(format!("{text} cannot be used: the loaded ONNX Runtime does not know it")),
    }
}

/// The reason, what is needed and what helps, as far as they are known.
fn why(report: &ProviderReport) -> String {
    let parts = [
        report.reason.clone(),
        Some(format!("needs {}", report.needs)),
        report.remedy.as_ref().map(|remedy| format!("try: {remedy}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The line about a provider in the list: what would help, else why it is as it is.
fn remark(report: &ProviderReport) -> String {
    match (&report.state, &report.remedy, &report.reason) {
        (ProviderState::NotOffered, Some(remedy), _) => remedy.clone(),
        (_, Some(remedy), Some(reason)) => format!("{reason}; {remedy}"),
        (_, _, reason) => reason.clone().unwrap_or_default(),
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n{title}\n"));
            text.extend(body.lines().map(|line| format!("  {line}\n")));
        }
    };
    section("CHECKS", checks(&report.checks));
    section("SETTINGS", {
        let rows = report.settings.iter().map(|row| [&row.key, &row.shown, &row.source].map(Clone::clone));
        output::table(&rows.collect::<Vec<_>>())
    });
    section("ONNX RUNTIME", output::table(&candidate_rows(&report.library)));
    section("DEVICES", {
        let rows = report.system.execution_providers.iter().map(|provider| {
            let state = match provider.state {
                ProviderState::Usable => "usable",
                ProviderState::OnRequest => "on request",
                ProviderState::NotOffered => "not offered",
                ProviderState::Failed => "failed",
            };
            [provider.name.clone(), state.to_owned(), remark(provider)]
        });
        output::table(&rows.collect::<Vec<_>>())
    });
    section("MODELS", {
        let rows = report.models.iter().map(|model| {
            let place = if model.embedded { "in the binary" } else { "in the models folder" };
            [model.id.clone(), format!("{:?}", model.kind).to_lowercase(), size(model.size), place.to_owned()]
        });
        output::table(&rows.collect::<Vec<_>>())
    });
    section("MACHINE", machine(&report.system));
    text.push_str(if report.ok { "\nserving would work\n" } else { "\nserving would not work\n" });
    text.trim_start().to_owned()
}

fn checks(checks: &[Check]) -> String {
    let rows = checks.iter().map(|check| {
        let state = match check.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
        };
        [state.to_owned(), check.name.to_owned(), check.detail.clone()]
    });
    output::table(&rows.collect::<Vec<_>>())
}

fn machine(system: &SystemInfo) -> String {
    let mut rows = vec![
        ["system".to_owned(), system.os.version.clone().unwrap_or_else(|| system.os.name.clone())],
        [
            "processor".to_owned(),
            format!(
                "{} ({}), {} of {} cores usable",
                system.cpu.name.as_deref().unwrap_or("unknown"),
                system.cpu.architecture,
                system.cpu.usable_cores,
                system.cpu.logical_cores
            ),
        ],
        ["features".to_owned(), system.cpu.features.join(" ")],
        [
            "memory".to_owned(),
            format!("{} of {} available", size(system.memory.available), size(system.memory.total)),
        ],
    ];
    let gpus = system.gpus.iter().map(|gpu| {
        let memory = gpu.memory.map_or_else(String::new, |bytes| format!(", {}", size(bytes)));
        ["gpu".to_owned(), format!("{}{memory}", gpu.name.as_deref().unwrap_or("unknown"))]
    });
    rows.extend(gpus);
    output::table(&rows)
}

/// Bytes for people, to a tenth.
fn size(bytes: u64) -> String {
    let (unit, factor) = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)]
        .into_iter()
        .find(|(_, factor)| bytes >= *factor)
        .unwrap_or(("bytes", 1));
    if factor == 1 {
        format!("{bytes} {unit}")
    } else {
        format!("{}.{} {unit}", bytes / factor, bytes % factor / (factor / 10))
    }
}
