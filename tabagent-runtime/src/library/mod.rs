//! Finds ONNX Runtime, or installs it, and loads it into the process once.
//!
//! The order is fixed: `ORT_DYLIB_PATH`, beside the executable, the user's cache, the system's folders; then, where
//! [`LibraryOptions::install`] allows it, an install into the cache: from the archive of the official release, else
//! through pip, else through npm. A path that the operator names is used or is an error; whatever else does not fit is
//! skipped with its reason, and when nothing fits the error lists every place and every way.

mod cache;
mod extract;
mod fetch;
mod find;
mod inspect;
mod install;
mod load;
mod packages;
mod pins;
pub mod progress;
mod release;
mod status;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use cache::default_cache_dir;
pub use fetch::Limits;
pub(crate) use inspect::one_line;
pub use load::{ensure, loaded};
pub(crate) use load::{environment, ort_failure};
pub use progress::Progress;
pub use release::{Artifact, Flavour, MINIMUM_MINOR, Member, Release, WHEEL_PYTHON, Way};
pub use status::{Candidate, CandidateState, Status, status};

use crate::{BackendError, Result};
use cache::Cache;

/// Variable with which the operator names the library to use.
pub const PATH_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Variable with which the operator names another place for the release archives, such as a mirror of their own.
pub const ARCHIVE_URL_VARIABLE: &str = "TABAGENT_ONNXRUNTIME_URL";
/// Where the official releases are.
pub const ARCHIVE_URL: &str = "https://github.com/microsoft/onnxruntime/releases/download";

/// A usable ONNX Runtime.
#[derive(Debug, Clone, Serialize)]
pub struct Library {
    /// The file.
    pub path: PathBuf,
    /// Its version, as it says itself.
    pub version: String,
    /// Where it was found.
    pub origin: Origin,
}

/// Where a library was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Named by the operator, with `ORT_DYLIB_PATH` or [`LibraryOptions::path`].
    Env,
    /// Beside the executable, or in `lib` beside it.
    BesideExecutable,
    /// In the user's cache, from an earlier install.
    Cache,
    /// In a folder of the system.
    System,
    /// Installed by this process, in this way.
    Installed(Way),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env => f.write_str(PATH_VARIABLE),
            Self::BesideExecutable => f.write_str("beside the executable"),
            Self::Cache => f.write_str("cache"),
            Self::System => f.write_str("system"),
            Self::Installed(way) => write!(f, "installed now ({way})"),
        }
    }
}

impl Serialize for Origin {
    /// One word, for programs: `env`, `beside_executable`, `cache`, `system`, `installed`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Env => "env",
            Self::BesideExecutable => "beside_executable",
            Self::Cache => "cache",
            Self::System => "system",
            Self::Installed(_) => "installed",
        })
    }
}

/// How to find or install the library. [`LibraryOptions::default`] is what the server uses.
#[derive(Debug, Clone)]
pub struct LibraryOptions {
    /// The library to use, whatever else is there. Default: `ORT_DYLIB_PATH`.
    pub path: Option<PathBuf>,
    /// The cache of this program; the library lies in `onnxruntime` below it. Default: [`default_cache_dir`].
    pub cache_dir: PathBuf,
    /// Whether to look beside the executable and in the system's folders. Default: yes.
    pub search: bool,
    /// Whether to install when nothing is found. Default: yes.
    pub install: bool,
    /// The releases to adopt from the cache, best first. Default: the pinned CUDA build, which is there only when the
    /// operator installed it, then the pinned CPU build. [`ensure`] installs the last one.
    pub releases: Vec<Release>,
    /// Where the archives are: `BASE/vVERSION/NAME` is fetched. Default: `TABAGENT_ONNXRUNTIME_URL`, else
    /// [`ARCHIVE_URL`].
    pub archive_url: String,
    /// Bounds of each way.
    pub limits: Limits,
    /// Longest wait for another process that is installing. Default: 15 minutes.
    pub lock_wait: Duration,
    /// Receives the progress of an install. Default: nothing is shown.
    pub progress: Arc<dyn Progress>,
}

impl Default for LibraryOptions {
    fn default() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            path: variable(PATH_VARIABLE).map(PathBuf::from),
            cache_dir: default_cache_dir(),
            search: true,
            install: true,
            releases: vec![Release::pinned(Flavour::Cuda), Release::pinned(Flavour::Cpu)],
            archive_url: variable(ARCHIVE_URL_VARIABLE)
                .and_then(|value| value.into_string().ok())
                .unwrap_or_else(|| ARCHIVE_URL.to_owned()),
            limits: Limits::default(),
            lock_wait: Duration::from_secs(900),
            progress: Arc::new(progress::Silent),
        }
    }
}

impl LibraryOptions {
    /// The path that the operator names, made absolute: loaders resolve a relative one in ways of their own.
    fn named_path(&self) -> Option<PathBuf> {
        self.path.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
    }
}

/// One place that was looked at or one way that was tried, and why it did not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    what: String,
    reason: String,
}

impl Attempt {
    pub(crate) fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what: what.into(), reason: reason.into() }
    }
}

/// Finds the library without loading it for good, and installs it where that is allowed and needed.
///
/// # Errors
///
/// [`BackendError::ConfigurationError`] when the path that the operator names cannot be used, or when nothing was found
/// and nothing could be installed; its reason lists every place and way, and what to do.
pub fn locate(options: &LibraryOptions) -> Result<Library> {
    if let Some(path) = options.named_path() {
        return inspect::version_of(&path)
            .map(|version| Library { path: path.clone(), version, origin: Origin::Env })
            .map_err(|reason| {
                BackendError::configuration(
                    PATH_VARIABLE,
                    format!(
                        "`{}` {reason}; name a shared library of ONNX Runtime 1.{MINIMUM_MINOR} or newer, or unset it and \
                         one is found or installed",
                        path.display()
                    ),
                )
            });
    }
    let mut attempts = Vec::new();
    if options.search
        && let Some(library) =
            first_usable(find::beside_executable(), Origin::BesideExecutable, &mut attempts)
    {
        return Ok(library);
    }
    let cache = Cache::below(&options.cache_dir);
    if let Ok(cache) = &cache {
        for release in &options.releases {
            if let Some(installed) = install::adopt(cache, release, &mut attempts) {
                return Ok(library_of(installed));
            }
        }
    }
    if options.search
        && let Some(library) = first_usable(find::in_system(), Origin::System, &mut attempts)
    {
        return Ok(library);
    }
    if !options.install {
        attempts.push(Attempt::new("install", "is switched off"));
        return Err(not_available(&attempts));
    }
    let (cache, release) = match (cache, options.releases.last()) {
        (Ok(cache), Some(release)) => (cache, release),
        (Err(reason), _) => {
            attempts.push(Attempt::new("install", reason));
            return Err(not_available(&attempts));
        }
        (_, None) => {
            attempts.push(Attempt::new("install", "no release is named"));
            return Err(not_available(&attempts));
        }
    };
    let installed = install::install(&cache, release, options, &mut attempts);
    installed.map(library_of).ok_or_else(|| not_available(&attempts))
}

/// Installs one flavour into the cache, whatever else is there, and returns it. It is used from the next start on.
///
/// # Errors
///
/// [`BackendError::NotImplemented`] when no such build is published for this platform, else
/// [`BackendError::ConfigurationError`] with every way and why it failed.
pub fn install(flavour: Flavour, options: &LibraryOptions) -> Result<Library> {
    let release = release_of(flavour, options)?;
    let cache = cache_of(options)?;
    let mut attempts = Vec::new();
    if let Some(installed) = install::adopt(&cache, release, &mut attempts) {
        return Ok(library_of(installed));
    }
    let installed = install::install(&cache, release, options, &mut attempts);
    installed.map(library_of).ok_or_else(|| not_available(&attempts))
}

/// Removes one flavour from the cache. Returns whether anything was there.
///
/// # Errors
///
/// [`BackendError::ConfigurationError`] when the cache cannot be written.
pub fn remove(flavour: Flavour, options: &LibraryOptions) -> Result<bool> {
    let failed = |reason: String| BackendError::configuration("TABAGENT_CACHE_DIR", reason);
    let release = release_of(flavour, options)?;
    let cache = cache_of(options)?;
    let lock = cache.lock(options.lock_wait).map_err(failed)?;
    let mut removed = false;
    for artifact in &release.artifacts {
        removed |= cache.remove(flavour, artifact, &lock).map_err(failed)?;
    }
    Ok(removed)
}

fn release_of(flavour: Flavour, options: &LibraryOptions) -> Result<&Release> {
    options.releases.iter().find(|release| release.flavour == flavour && !release.artifacts.is_empty()).ok_or_else(|| {
        BackendError::NotImplemented {
            feature: format!(
                "installing the {flavour} build of ONNX Runtime on {} {} (none is published; build one and set \
                 {PATH_VARIABLE} to its library)",
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
        }
    })
}

fn cache_of(options: &LibraryOptions) -> Result<Cache> {
    Cache::below(&options.cache_dir)
        .map_err(|reason| BackendError::configuration("TABAGENT_CACHE_DIR", reason))
}

fn library_of(installed: install::Installed) -> Library {
    let origin = if installed.fresh { Origin::Installed(installed.way) } else { Origin::Cache };
    Library { path: installed.path, version: installed.version, origin }
}

fn first_usable(files: Vec<PathBuf>, origin: Origin, attempts: &mut Vec<Attempt>) -> Option<Library> {
    for path in files {
        match inspect::version_of(&path) {
            Ok(version) => return Some(Library { path, version, origin }),
            Err(reason) => attempts.push(Attempt::new(format!("{origin} {}", path.display()), reason)),
        }
    }
    None
}

/// The error that ends the search: every place and way with its reason, and what the operator can do.
fn not_available(attempts: &[Attempt]) -> BackendError {
    let mut reason = String::from("ONNX Runtime was not found and could not be installed");
    for attempt in attempts {
        reason.push_str(&format!("\n  {}: {}", attempt.what, attempt.reason));
    }
    reason.push_str(&format!(
        "\neither make one of these ways work and start again, or get the library of ONNX Runtime 1.{MINIMUM_MINOR} or \
         newer yourself (the wheel `onnxruntime` and the release archives hold it) and set {PATH_VARIABLE} to its path"
    ));
    BackendError::configuration(PATH_VARIABLE, reason)
}
