//! The one ONNX Runtime of the process: loaded once, with its environment, for as long as the process lives.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::{Library, LibraryOptions, PATH_VARIABLE, locate};
use crate::{BackendError, Result};

struct Loaded {
    library: Library,
    /// Never dropped: sessions outlive every scope, and ONNX Runtime is not asked to clean up while the process exits.
    environment: Environment,
}

static LOADED: OnceLock<Loaded> = OnceLock::new();
/// Threads that ask at once wait for one search instead of each doing their own.
static LOADING: Mutex<()> = Mutex::new(());

/// Finds or installs ONNX Runtime and loads it into the process. The first success counts: later calls return the same
/// library, whatever their options. This blocks, for minutes when it has to install; call it off the async threads.
///
/// # Errors
///
/// As [`locate`]; [`BackendError::CudaError`] when ONNX Runtime cannot make its environment.
pub fn ensure(options: &LibraryOptions) -> Result<&'static Library> {
    if let Some(loaded) = LOADED.get() {
        return Ok(&loaded.library);
    }
    let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = LOADED.get() {
        return Ok(&loaded.library);
    }
    let library = locate(options)?;
    let environment = ort::init_from(&library.path)
        .map_err(|error| BackendError::configuration(PATH_VARIABLE, error.to_string()))?
        .with_name("tabagent")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|error| ort_failure("CPU", &error))?;
    // With a logger of our own ONNX Runtime reports every allocation; what matters begins at warnings.
    environment.set_log_level(LogLevel::Warning);
    tracing::info!(version = library.version, path = %library.path.display(), origin = %library.origin, "loaded ONNX Runtime");
    Ok(&LOADED.get_or_init(|| Loaded { library, environment }).library)
}

/// The library of the process, if [`ensure`] succeeded before.
pub fn loaded() -> Option<&'static Library> {
    LOADED.get().map(|loaded| &loaded.library)
}

/// The environment that sessions are made in.
pub(crate) fn environment() -> Result<&'static Environment> {
    LOADED.get().map(|loaded| &loaded.environment).ok_or_else(|| {
        BackendError::internal(
            "a session was opened before ONNX Runtime was loaded: call library::ensure first",
        )
    })
}

/// ONNX Runtime's own error, for the provider that it came from.
pub(crate) fn ort_failure(provider: &str, error: &ort::Error) -> BackendError {
    BackendError::CudaError {
        provider: provider.to_owned(),
        code: error_code(error.code()),
        message: super::inspect::one_line(error.message()),
    }
}

/// The number of the code in ONNX Runtime's C API (`OrtErrorCode`).
fn error_code(code: ort::ErrorCode) -> i32 {
    use ort::ErrorCode as Code;
    match code {
        Code::Ok => 0,
        Code::InvalidArgument => 2,
        Code::NoSuchFile => 3,
        Code::NoModel => 4,
        Code::EngineError => 5,
        Code::RuntimeException => 6,
        Code::InvalidProtobuf => 7,
        Code::ModelLoaded => 8,
        Code::NotImplemented => 9,
        Code::InvalidGraph => 10,
        Code::ExecutionProviderFailure => 11,
        Code::ModelLoadCanceled => 12,
        Code::CompilationRequired => 13,
        Code::NotFound => 14,
        Code::DeviceReset => 15,
        _ => 1,
    }
}

/// ONNX Runtime's messages go where ours go.
fn log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => {
            tracing::error!(target: "onnxruntime", category, location, "{message}");
        }
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", category, location, "{message}"),
        LogLevel::Info => tracing::debug!(target: "onnxruntime", category, location, "{message}"),
        LogLevel::Verbose => tracing::trace!(target: "onnxruntime", category, location, "{message}"),
    }
}
