//! The user's cache of installed libraries: one folder an artefact, adopted only when its files match its manifest.
//!
//! A folder appears by one rename, after its files and its manifest are on disk. The manifest records the pin that the
//! files came from and the SHA-256 of each; a start hashes the files (some 20 ms) before it loads them, so that neither a
//! killed install nor a damaged disk is ever trusted.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::release::{Artifact, Flavour};
use super::verify::sha256_file;

const MANIFEST: &str = "manifest.json";
const STAGING: &str = ".staging-";
/// How often a process that waits for another one's install looks again.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// The cache below one folder.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// What an installed folder says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: String,
    way: String,
    /// SHA-256 of the artefact that the files were taken from.
    artifact: String,
    files: Vec<ManifestFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ManifestFile {
    name: String,
    sha256: String,
}

/// Why an installed folder is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// It is not there.
    Absent,
    /// It is there and not to be trusted.
    Damaged(String),
}

/// Holds the right to install; the operating system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct InstallLock {
    _file: File,
}

/// The user's cache folder of this program: `TABAGENT_CACHE_DIR`, else the platform's place for caches. Empty when the
/// environment names no home at all.
pub fn default_cache_dir() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(chosen) = variable("TABAGENT_CACHE_DIR") {
        return chosen;
    }
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library").join("Caches"))
    } else {
        variable("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    base.map(|base| base.join("tabagent")).unwrap_or_default()
}

impl Cache {
    pub(crate) fn below(cache_dir: &Path) -> Result<Self, String> {
        if cache_dir.as_os_str().is_empty() {
            return Err("no cache folder is known: set TABAGENT_CACHE_DIR to a folder of yours".to_owned());
        }
        Ok(Self { root: cache_dir.join("onnxruntime") })
    }

    /// Where the artefact is installed. The pin is in the name: another build never meets the folder of this one.
    pub(crate) fn slot(&self, flavour: Flavour, artifact: &Artifact) -> PathBuf {
        let pin: String = artifact.sha256.chars().take(12).collect();
        self.root.join(format!("{}-{flavour}-{}-{pin}", artifact.version, artifact.way))
    }

    /// Where the download of the artefact lies while it is incomplete.
    pub(crate) fn part(&self, artifact: &Artifact) -> PathBuf {
        let pin: String = artifact.sha256.chars().take(12).collect();
        self.root.join(format!("{}-{pin}.part", artifact.name))
    }

    /// The installed library, if every file of the folder is what the manifest says and the manifest names this pin.
    pub(crate) fn adopt(&self, flavour: Flavour, artifact: &Artifact) -> Result<PathBuf, Rejection> {
        let slot = self.slot(flavour, artifact);
        if !slot.exists() {
            return Err(Rejection::Absent);
        }
        let damaged = |reason: String| Rejection::Damaged(reason);
        let text =
            fs::read(slot.join(MANIFEST)).map_err(|error| damaged(format!("has no manifest: {error}")))?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| damaged(format!("has an unreadable manifest: {error}")))?;
        if manifest.artifact != artifact.sha256 {
            return Err(damaged("comes from another download than the pinned one".to_owned()));
        }
        let Some(library) = artifact.members.first() else {
            return Err(damaged("belongs to a pin that names no library".to_owned()));
        };
        for member in &artifact.members {
            let Some(recorded) = manifest.files.iter().find(|file| file.name == member.file_name) else {
                return Err(damaged(format!("does not list `{}`", member.file_name)));
            };
            let actual = sha256_file(&slot.join(&member.file_name))
                .map_err(|error| damaged(format!("`{}` cannot be read: {error}", member.file_name)))?;
            if actual != recorded.sha256 {
                return Err(damaged(format!(
                    "`{}` was changed or cut off after it was installed",
                    member.file_name
                )));
            }
        }
        Ok(slot.join(&library.file_name))
    }

    /// Waits for the right to install, at most `patience`.
    pub(crate) fn lock(&self, patience: Duration) -> Result<InstallLock, String> {
        fs::create_dir_all(&self.root)
            .map_err(|error| format!("cannot create {}: {error}", self.root.display()))?;
        let path = self.root.join(".lock");
        let failed = |error: io::Error| format!("cannot lock {}: {error}", path.display());
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(InstallLock { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL),
                Err(TryLockError::WouldBlock) => {
                    return Err(format!(
                        "another process is installing and did not finish within {} seconds (lock: {})",
                        patience.as_secs(),
                        path.display()
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// An empty folder on the cache's file system to prepare an install in. Whoever holds the lock is alone: folders of
    /// this kind that lie around are of killed processes and are removed.
    pub(crate) fn staging(&self, _lock: &InstallLock) -> Result<PathBuf, String> {
        let entries = fs::read_dir(&self.root)
            .map_err(|error| format!("cannot list {}: {error}", self.root.display()))?;
        for entry in entries.filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(STAGING)
                && let Err(reason) = remove_folder(&entry.path())
            {
                // A package manager that outlived the process which started it may still write there.
                tracing::warn!(reason, "the rest of an earlier install is left for the next one to remove");
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let folder = self.root.join(format!("{STAGING}{}-{now}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        Ok(folder)
    }

    /// Publishes the members of the artefact that lie in `folder`: manifest, sync, rename.
    pub(crate) fn publish(
        &self,
        flavour: Flavour,
        artifact: &Artifact,
        folder: &Path,
        _lock: &InstallLock,
    ) -> Result<PathBuf, String> {
        let failed = |error: io::Error| format!("cannot write {}: {error}", folder.display());
        let mut files = Vec::new();
        for member in &artifact.members {
            let sha256 = sha256_file(&folder.join(&member.file_name)).map_err(failed)?;
            files.push(ManifestFile { name: member.file_name.clone(), sha256 });
        }
        let manifest = Manifest {
            version: artifact.version.clone(),
            way: artifact.way.to_string(),
            artifact: artifact.sha256.clone(),
            files,
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| error.to_string())?;
        let mut file = File::create(folder.join(MANIFEST)).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        sync_folder(folder).map_err(failed)?;
        let slot = self.slot(flavour, artifact);
        if slot.exists() {
            remove_folder(&slot)?;
        }
        fs::rename(folder, &slot).map_err(|error| format!("cannot create {}: {error}", slot.display()))?;
        sync_folder(&self.root).map_err(failed)?;
        artifact
            .members
            .first()
            .map(|library| slot.join(&library.file_name))
            .ok_or_else(|| "the pin names no library".to_owned())
    }

    /// Removes an installed artefact; nothing happens when it is not there.
    pub(crate) fn remove(
        &self,
        flavour: Flavour,
        artifact: &Artifact,
        _lock: &InstallLock,
    ) -> Result<bool, String> {
        let slot = self.slot(flavour, artifact);
        if !slot.exists() {
            return Ok(false);
        }
        remove_folder(&slot).map(|()| true)
    }
}

pub(crate) fn remove_folder(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Makes a rename survive a power cut. Folders cannot be opened for this on Windows, whose file system needs no such call.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}
