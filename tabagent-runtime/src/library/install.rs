//! Installs a release into the cache: one way after another, until one delivers the pinned file.

use std::path::{Path, PathBuf};

use super::cache::{Cache, InstallLock, Rejection, remove_folder};
use super::release::{Artifact, Release, Way};
use super::verify::sha256_file;
use super::{Attempt, LibraryOptions, extract, fetch, inspect, packages};

/// A library that is in the cache and verified.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
    pub(crate) way: Way,
    /// Whether this call installed it; otherwise it was there, or another process was faster.
    pub(crate) fresh: bool,
}

/// The first artefact of the release that is installed and whole. Damaged ones are added to `attempts`.
pub(crate) fn adopt(cache: &Cache, release: &Release, attempts: &mut Vec<Attempt>) -> Option<Installed> {
    for artifact in &release.artifacts {
        let outcome = cache.adopt(release.flavour, artifact).and_then(|path| {
            inspect::version_of(&path).map(|version| (path, version)).map_err(Rejection::Damaged)
        });
        match outcome {
            Ok((path, version)) => return Some(Installed { path, version, way: artifact.way, fresh: false }),
            Err(Rejection::Absent) => {}
            Err(Rejection::Damaged(reason)) => {
                attempts.push(Attempt::new(
                    format!("cache {}", cache.slot(release.flavour, artifact).display()),
                    reason,
                ));
            }
        }
    }
    None
}

/// Installs the release, or adopts what another process installed meanwhile. Every failed way is added to `attempts`.
pub(crate) fn install(
    cache: &Cache,
    release: &Release,
    options: &LibraryOptions,
    attempts: &mut Vec<Attempt>,
) -> Option<Installed> {
    if release.artifacts.is_empty() {
        attempts.push(Attempt::new(
            "install",
            format!(
                "no {} build of ONNX Runtime is published for {} on {}",
                release.flavour,
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
        ));
        return None;
    }
    let lock = match cache.lock(options.lock_wait) {
        Ok(lock) => lock,
        Err(reason) => {
            attempts.push(Attempt::new("install", reason));
            return None;
        }
    };
    // Found damaged before the lock and found damaged again is one finding.
    let mut again = Vec::new();
    if let Some(installed) = adopt(cache, release, &mut again) {
        return Some(installed);
    }
    for artifact in &release.artifacts {
        let (name, outcome) = install_artifact(cache, release, artifact, options, &lock);
        match outcome {
            Ok(installed) => return Some(installed),
            Err(reason) => {
                tracing::info!(way = %artifact.way, reason, "this way to ONNX Runtime failed");
                options.progress.end(&format!("{name}: {reason}"));
                attempts.push(Attempt::new(name, reason));
            }
        }
    }
    None
}

fn install_artifact(
    cache: &Cache,
    release: &Release,
    artifact: &Artifact,
    options: &LibraryOptions,
    lock: &InstallLock,
) -> (String, Result<Installed, String>) {
    let name = match artifact.way {
        Way::Archive => format!("archive {}", archive_url(artifact, options)),
        Way::Pip => format!("pip download {}=={}", artifact.name, artifact.version),
        Way::Npm => format!("npm pack {}@{}", artifact.name, artifact.version),
    };
    options.progress.begin(&format!("ONNX Runtime {} ({name})", artifact.version), artifact.bytes);
    let outcome = cache.staging(lock).and_then(|staging| {
        let outcome = fill(cache, release, artifact, options, &staging, lock);
        // What is left of a failed way is worth nothing; the reason of the failure is what counts.
        let removed = remove_folder(&staging);
        outcome.and_then(|installed| removed.map(|()| installed))
    });
    if let Ok(installed) = &outcome {
        options.progress.end(&format!(
            "ONNX Runtime {} is in {}",
            installed.version,
            installed.path.display()
        ));
    }
    (name, outcome)
}

fn fill(
    cache: &Cache,
    release: &Release,
    artifact: &Artifact,
    options: &LibraryOptions,
    staging: &Path,
    lock: &InstallLock,
) -> Result<Installed, String> {
    let (progress, limits) = (options.progress.as_ref(), &options.limits);
    let download = match artifact.way {
        Way::Archive => {
            let part = cache.part(artifact);
            fetch::download(&archive_url(artifact, options), &part, &artifact.sha256, limits, progress)?;
            part
        }
        Way::Pip => checked(packages::pip(artifact, staging, limits, progress)?, artifact)?,
        Way::Npm => checked(packages::npm(artifact, staging, limits, progress)?, artifact)?,
    };
    let files = staging.join("files");
    std::fs::create_dir(&files).map_err(|error| format!("cannot create {}: {error}", files.display()))?;
    extract::extract(&download, &artifact.members, &files)?;
    let library = artifact.members.first().ok_or("the pin names no library")?;
    let version = inspect::version_of(&files.join(&library.file_name))
        .map_err(|reason| format!("`{}` {reason}", library.path))?;
    let path = cache.publish(release.flavour, artifact, &files, lock)?;
    if artifact.way == Way::Archive {
        std::fs::remove_file(&download)
            .map_err(|error| format!("cannot remove {}: {error}", download.display()))?;
    }
    Ok(Installed { path, version, way: artifact.way, fresh: true })
}

/// Package managers check what they download against their index; the pin is checked here.
fn checked(download: PathBuf, artifact: &Artifact) -> Result<PathBuf, String> {
    let actual = sha256_file(&download).map_err(|error| format!("cannot read the download back: {error}"))?;
    if actual == artifact.sha256 {
        return Ok(download);
    }
    Err(format!("has the wrong checksum: SHA-256 is {actual}, pinned is {}", artifact.sha256))
}

fn archive_url(artifact: &Artifact, options: &LibraryOptions) -> String {
    format!("{}/v{}/{}", options.archive_url.trim_end_matches('/'), artifact.version, artifact.name)
}
