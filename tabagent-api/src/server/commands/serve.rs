//! `tabagent serve`: takes the port, starts the runtime, serves until it is told to stop, and stops in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tabagent_runtime::documents::PdfReader;
use tabagent_runtime::library::{LibraryOptions, progress};
use tabagent_runtime::runtime::{Runtime, RuntimeOptions};
use tokio::sync::Mutex;

use crate::server::cli::{CommandError, READ_PDF};
use crate::server::config::{Config, Source};
use crate::server::http::{BoundPort, ConnectionLimits, OpenConnections, Server};
use crate::server::pages::metrics;
use crate::server::readiness::Readiness;
use crate::server::{assemble, logging, output};

/// How often the recorder of metrics folds what it collected.
const UPKEEP: Duration = Duration::from_secs(5);
/// Time that engines have to leave; no request waits for them any more.
const RUNTIME_GRACE: Duration = Duration::from_secs(5);
/// Exit code of a process that was told to stop a second time.
const INTERRUPTED: u8 = 130;

pub(in crate::server) fn run(config: Config) -> Result<ExitCode, CommandError> {
    logging::begin(&config.log, config.log_format).map_err(CommandError::Other)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if !config.models_dir.exists() && *config.source("models-dir") != Source::Default {
        let folder = config.models_dir.display();
        tracing::warn!(%folder, "the models folder does not exist; models inside the server are served");
    }
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(http_threads())
        .thread_name("http")
        .build()
        .map_err(CommandError::system("the threads of the server cannot be started"))?;
    let outcome = tokio.block_on(serve(&config));
    // Whatever still blocks, such as an install that was interrupted, must not hold up the exit.
    tokio.shutdown_background();
    outcome
}

/// Threads that serve HTTP. Their work is small beside that of the models, which has all processors; and the more threads
/// sleep, the more of them each token of a stream wakes.
fn http_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

async fn serve(config: &Config) -> Result<ExitCode, CommandError> {
    let mut signals = Signals::listen().map_err(CommandError::system("signals cannot be received"))?;
    let readiness = Readiness::starting();
    let port = BoundPort::take(SocketAddr::new(config.host, config.port))?;
    let options = runtime_options(config);
    let start = tokio::task::spawn_blocking(move || Runtime::start(options));
    let runtime = tokio::select! {
        started = start => started.map_err(|error| CommandError::Other(format!("the runtime ended: {error}")))??,
        () = signals.next() => {
            tracing::info!("stopped before the runtime was there");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let open = OpenConnections::default();
    let app = assemble(config, runtime.clone(), readiness.clone(), open.clone()).mount()?;
    let listener = port.listen()?;
    let address =
        listener.local_addr().map_err(CommandError::system("the address of the listener is not known"))?;
    tokio::spawn(upkeep());
    runtime.keep_documents_current();
    let server = Server::new(app.router, connection_limits(config), open);
    readiness.set_ready();
    output::print(&format!("listening on http://{address}\n"))
        .map_err(CommandError::system("stdout cannot be written"))?;
    tracing::info!(%address, routes = app.routes.len(), onnxruntime = runtime.library().version, "serving");

    // Waited for twice, the second time once the first is over.
    let signals = Mutex::new(signals);
    let grace = config.shutdown_grace;
    let stop = async {
        signals.lock().await.next().await;
        readiness.drain();
        tracing::info!(grace_seconds = grace.as_secs_f64(), "told to stop: finishing what has begun");
    };
    let mut code = ExitCode::SUCCESS;
    let grace = async {
        tokio::select! {
            () = tokio::time::sleep(grace) => tracing::warn!("the grace is over: what still runs is cancelled"),
            () = async { signals.lock().await.next().await } => {
                tracing::warn!("told again: what still runs is cancelled");
                code = ExitCode::from(INTERRUPTED);
            }
        }
    };
    // Also with a second signal the engines leave first: a process that exits under a run of ONNX Runtime may crash.
    let drained = server.run(listener, stop, grace, runtime.shutdown(Duration::ZERO)).await;
    if drained.cancelled > 0 {
        tracing::warn!(requests = drained.cancelled, unanswered = drained.cut_off, "requests were cancelled");
    }
    runtime.shutdown(RUNTIME_GRACE).await;
    tracing::info!("stopped");
    Ok(code)
}

fn runtime_options(config: &Config) -> RuntimeOptions {
    let options = config.runtime();
    let library = LibraryOptions { progress: progress::on_stderr(), ..options.library };
    RuntimeOptions { library, data_dir: Some(config.data_dir.clone()), pdf_reader: pdf_reader(), ..options }
}

/// This program again, for reading a PDF.
fn pdf_reader() -> Option<PdfReader> {
    // On Linux this stays the program that runs where another one was put in its place since.
    let own =
        if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() };
    match own {
        Ok(program) => Some(PdfReader { program, arguments: vec![READ_PDF.into()] }),
        Err(error) => {
            tracing::warn!(%error, "where this program is cannot be told; PDFs are read by the server itself");
            None
        }
    }
}

fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        idle: config.idle_timeout,
        write: config.write_timeout,
        connections: config.max_connections.get(),
    }
}

/// Folds the recorder's observations from time to time, so that they do not pile up when nobody reads the metrics.
async fn upkeep() {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        if let Some(recorder) = metrics::recorder() {
            recorder.run_upkeep();
        }
    }
}

/// The signals that end the server.
#[derive(Debug)]
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        // An error means that Ctrl-C cannot be received; the server then ends with its process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
