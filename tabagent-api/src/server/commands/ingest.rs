//! `tabagent ingest`: sends files and folders to a running server, which keeps them as documents.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use self::files::{File, Gathered, Passed};
use crate::routes::rag::ingest::{IngestOutcome, IngestResponse};
use crate::server::cli::CommandError;
use crate::server::client::Client;
use crate::server::config::Config;
use crate::server::output;

mod files;

/// The route that takes documents.
const ROUTE: &str = "/v1/rag/documents";
/// Documents that are sent at once: as many as the server reads at once.
const IN_FLIGHT: usize = 4;
/// Most bytes of a file: in base64 they are what the route takes.
const LARGEST: u64 = 32 << 20;
/// How often a line is written where there is no terminal.
const TELL: Duration = Duration::from_secs(2);

/// What the command line says beside the settings.
#[derive(Debug)]
pub(in crate::server) struct Options {
    /// Where the server is, where that is not what the settings say.
    pub(in crate::server) url: Option<String>,
    /// Files and folders.
    pub(in crate::server) paths: Vec<PathBuf>,
    /// What is said of each document.
    pub(in crate::server) metadata: Option<Map<String, Value>>,
    /// Whether the summary is JSON.
    pub(in crate::server) json: bool,
}

/// What became of all.
#[derive(Debug, Default, Serialize)]
struct Summary {
    created: u64,
    replaced: u64,
    unchanged: u64,
    chunks: u64,
    skipped: Vec<Passed>,
    failed: Vec<Passed>,
}

impl Summary {
    fn text(&self) -> String {
        format!(
            "{} documents with {} chunks: {} new, {} replaced, {} unchanged; skipped: {}, failed: {}\n",
            self.created + self.replaced + self.unchanged,
            self.chunks,
            self.created,
            self.replaced,
            self.unchanged,
            self.skipped.len(),
            self.failed.len()
        )
    }
}

pub(in crate::server) fn run(config: &Config, options: &Options) -> Result<ExitCode, CommandError> {
    let client = Client::new(options.url.as_deref(), config);
    // Before a folder is read, and so that its absence is told once and not of each file.
    client.get(&format!("{ROUTE}?limit=1"))?;
    let Gathered { files, skipped, failed } = files::gather(&options.paths);
    for passed in &skipped {
        output::note(&format!("skipped: {passed}"));
    }
    for passed in &failed {
        output::note(&format!("failed: {passed}"));
    }
    let mut summary = Summary { skipped, failed, ..Summary::default() };
    send(&client, options.metadata.as_ref(), files, &mut summary)?;
    let written = if options.json { output::print_json(&summary) } else { output::print(&summary.text()) };
    written.map_err(CommandError::system("the summary cannot be written"))?;
    Ok(if summary.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is told of a file: the answer of the server, or why there is none.
type Told = (File, Result<IngestResponse, CommandError>);

/// Sends all files, a few at a time.
///
/// # Errors
/// The server is gone.
fn send(
    client: &Client,
    metadata: Option<&Map<String, Value>>,
    files: VecDeque<File>,
    summary: &mut Summary,
) -> Result<(), CommandError> {
    let mut shown = Shown::new(files.len());
    let waiting = Mutex::new(files);
    std::thread::scope(|scope| {
        let (tell, told) = channel();
        for _ in 0..IN_FLIGHT {
            let tell = tell.clone();
            scope.spawn(|| send_from(&waiting, client, metadata, tell));
        }
        drop(tell);
        for (file, outcome) in told {
            shown.next(&file);
            match outcome {
                Ok(answer) => {
                    let count = match answer.outcome {
                        IngestOutcome::Created => &mut summary.created,
                        IngestOutcome::Replaced => &mut summary.replaced,
                        IngestOutcome::Unchanged => &mut summary.unchanged,
                    };
                    *count += 1;
                    summary.chunks += answer.document.chunks;
                }
                Err(error) => {
                    // A server that is gone has not refused this one, and takes none of the others.
                    if let Err(gone) = client.get("/live") {
                        waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
                        return Err(gone);
                    }
                    let passed = Passed::new(&file.path, error);
                    shown.say(&format!("failed: {passed}"));
                    summary.failed.push(passed);
                }
            }
        }
        Ok(())
    })
}

/// Sends what waits, until nothing does or nobody listens.
fn send_from(
    waiting: &Mutex<VecDeque<File>>,
    client: &Client,
    metadata: Option<&Map<String, Value>>,
    tell: Sender<Told>,
) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(file) = next else { return };
        let outcome = send_one(client, metadata, &file);
        if tell.send((file, outcome)).is_err() {
            return;
        }
    }
}

fn send_one(
    client: &Client,
    metadata: Option<&Map<String, Value>>,
    file: &File,
) -> Result<IngestResponse, CommandError> {
    let cannot = |error: io::Error| CommandError::Other(format!("cannot be read: {error}"));
    let size = std::fs::metadata(&file.path).map_err(cannot)?.len();
    if size > LARGEST {
        let reason = format!("has {size} bytes, and a document may have {LARGEST}; part it");
        return Err(CommandError::Other(reason));
    }
    let content = std::fs::read(&file.path).map_err(cannot)?;
    let name = file.path.file_name().map(|name| name.to_string_lossy());
    // A client that reads results can open it.
    let source = file.place.to_string_lossy();
    let mut body = json!({
        "id": id(&source),
        "data": STANDARD.encode(content),
        "file_name": name,
        "source": source,
    });
    if let Some(metadata) = metadata {
        body["metadata"] = Value::Object(metadata.clone());
    }
    client.known(client.post_patiently(ROUTE, &body)?)
}

/// The id of the document that is a file: what the file says next takes its place.
fn id(path: &str) -> String {
    let sum = Sha256::digest(path);
    let digits: String = sum.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("file_{digits}")
}

/// How far it is: a bar in a terminal, else a line from time to time.
struct Shown {
    bar: Option<ProgressBar>,
    done: usize,
    total: usize,
    last: Instant,
}

impl Shown {
    fn new(total: usize) -> Self {
        let bar = output::is_watched().then(|| {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(total as u64), target);
            // A constant that indicatif accepts; should it not, its own style is as good.
            if let Ok(style) = ProgressStyle::with_template("[{bar:24}] {pos}/{len} {eta} {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self { bar, done: 0, total, last: Instant::now() }
    }

    /// One file more is done.
    fn next(&mut self, file: &File) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.set_message(file.path.display().to_string());
            bar.inc(1);
        } else if self.last.elapsed() >= TELL {
            self.last = Instant::now();
            output::note(&format!("{} of {} files", self.done, self.total));
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(text)),
            None => output::note(text),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What `--metadata` says.
///
/// # Errors
/// It is no JSON object.
pub(in crate::server) fn metadata(text: &str) -> Result<Map<String, Value>, CommandError> {
    serde_json::from_str(text).map_err(|error| {
        CommandError::Other(format!(
            "--metadata `{text}` is no JSON object: {error}; write it like '{{\"kind\": \"manual\"}}'"
        ))
    })
}
