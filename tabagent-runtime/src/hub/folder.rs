//! Where a pull keeps what it has, and how that becomes a model: one rename into the models folder.
//!
//! ```text
//! models/.pull/.lock-owner--name    held by the process that pulls or deletes it
//! models/.pull/.gone-owner--name    a model that is being deleted
//! models/.pull/owner--name/parts/   what is being downloaded, by checksum
//! models/.pull/owner--name/files/   what is whole and checked, as it will lie in the model's folder
//! models/.pull/owner--name/state    the commit and the checksums of `files`
//! models/.pull/owner--name/old      the model that is being replaced, between two renames
//! ```
//! Names that begin with a dot are no ids, so nothing of this is a model.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::lock::Lock;
use crate::{
    error::{BackendError, Result},
    hardware,
    models::is_inside_model,
};

/// Folder of all pulls, below the models folder.
const PULL: &str = ".pull";
/// How the names of locks and of models that are being deleted begin; no owner's name begins with a dot.
const LOCK: &str = ".lock-";
const GONE: &str = ".gone-";
/// What a model that was pulled says of its origin, in its folder.
const ORIGIN: &str = ".tabagent.json";

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The repository: `owner/name`.
    pub repository: String,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that it meant.
    pub commit: String,
    /// The variant.
    pub variant: String,
    /// The content of each file, by its path: the checksum that the hub stated, which it had when it was pulled.
    pub files: BTreeMap<String, String>,
}

/// A model of which a pull was begun and is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// Id that the model would have.
    pub model: String,
    /// Bytes that are here of it.
    pub bytes: u64,
}

/// What lies in `files`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) commit: String,
    /// Checksum by path.
    pub(crate) files: BTreeMap<String, String>,
}

/// The places of one model.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The models folder, links resolved.
    root: PathBuf,
    id: String,
    base: PathBuf,
}

/// A folder or file that cannot be written, as the setting that names it.
pub(crate) fn unusable(path: &Path, error: &io::Error) -> BackendError {
    BackendError::configuration("models-dir", format!("{} cannot be written: {error}", path.display()))
}

impl Folder {
    /// The places of the model `id`, which was checked; the models folder is made where it is not there.
    ///
    /// # Errors
    /// [`BackendError::ConfigurationError`] where folders cannot be made, or links lie in their place.
    pub(crate) fn open(models_dir: &Path, id: &str) -> Result<Self> {
        let failed = |error: io::Error| unusable(models_dir, &error);
        fs::create_dir_all(models_dir).map_err(failed)?;
        let root = models_dir.canonicalize().map_err(failed)?;
        make_dir(&root, PULL)?;
        let base = root.join(PULL).join(key(id));
        Ok(Self { root, id: id.to_owned(), base })
    }

    /// Takes the right to change this model.
    ///
    /// # Errors
    /// [`BackendError::ResourceLimitExceeded`] where another process has it.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.base.with_file_name(format!("{LOCK}{}", key(&self.id)));
        Lock::take(&path, &self.id)
    }

    /// Makes the folders of a pull.
    pub(crate) fn prepare(&self, _lock: &Lock) -> Result<()> {
        for name in ["parts", "files"] {
            make_dir(&self.root, &format!("{PULL}/{}/{name}", key(&self.id)))?;
        }
        Ok(())
    }

    /// Where parts lie.
    pub(crate) fn parts(&self) -> PathBuf {
        self.base.join("parts")
    }

    /// Where files lie that are whole.
    pub(crate) fn files(&self) -> PathBuf {
        self.base.join("files")
    }

    /// The place of a file among those that are whole, with the folder that it lies in.
    pub(crate) fn place(&self, path: &str) -> Result<PathBuf> {
        let below = format!("{PULL}/{}/files", key(&self.id));
        match path.rsplit_once('/') {
            Some((folder, _)) => make_dir(&self.root, &format!("{below}/{folder}"))?,
            None => make_dir(&self.root, &below)?,
        }
        Ok(self.files().join(path))
    }

    /// Where the model lies once it is whole.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join(&self.id)
    }

    pub(crate) fn state(&self) -> State {
        let text = fs::read(self.base.join("state")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(crate) fn keep_state(&self, state: &State) -> Result<()> {
        let text = serde_json::to_vec(state).map_err(|error| BackendError::internal(error.to_string()))?;
        write_whole(&self.base.join("state"), &text)
    }

    /// Where the model that lies there came from; `None` where nothing lies there, or nothing that was pulled.
    pub(crate) fn origin(&self) -> Option<Origin> {
        origin(&self.target())
    }

    /// Whether something lies in the model's place that was not pulled, and must not be replaced.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] of `model`.
    pub(crate) fn may_replace(&self) -> Result<()> {
        if let Some((owner, _)) = self.id.split_once('/') {
            let path = self.root.join(owner);
            match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(&path, &error)),
                Ok(found) => check_dir(&path, &found)?,
            }
        }
        if is_inside_model(&self.root, &self.id) {
            let reason = format!("`{}` would lie inside another model; move that one away", self.id);
            return Err(BackendError::invalid("model", reason));
        }
        let refuse = |what: &str| {
            let place = self.target();
            Err(BackendError::invalid(
                "model",
                format!(
                    "{} {what}, and is not replaced; move it away, or delete it with `tabagent rm {}`",
                    place.display(),
                    self.id
                ),
            ))
        };
        match fs::symlink_metadata(self.target()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unusable(&self.target(), &error)),
            Ok(found) if found.is_symlink() => refuse("is a link"),
            Ok(found) if !found.is_dir() => refuse("is a file"),
            Ok(_) if self.origin().is_none() => refuse("was not pulled"),
            Ok(_) => Ok(()),
        }
    }

    /// Makes a model of the files: they go into its place in one rename.
    pub(crate) fn publish(&self, origin: &Origin, lock: &Lock) -> Result<()> {
        self.may_replace()?;
        let text =
            serde_json::to_vec_pretty(origin).map_err(|error| BackendError::internal(error.to_string()))?;
        let (files, target, old) = (self.files(), self.target(), self.base.join("old"));
        write_whole(&files.join(ORIGIN), &text)?;
        let failed = |error: io::Error| unusable(&target, &error);
        sync_tree(&files).map_err(failed)?;
        // Not before: a pull that fails leaves no folder of an owner without models.
        self.make_owner()?;
        if target.exists() {
            // Between these two renames the model is not there; `repair` puts the old one back.
            fs::rename(&target, &old).map_err(failed)?;
            if let Err(error) = fs::rename(&files, &target) {
                fs::rename(&old, &target).map_err(failed)?;
                return Err(failed(error));
            }
        } else {
            fs::rename(&files, &target).map_err(failed)?;
        }
        if let Some(parent) = target.parent() {
            sync_folder(parent).map_err(failed)?;
        }
        self.clear(lock)
    }

    /// Puts right what a process left that was killed between the two renames that replace a model.
    pub(crate) fn mend(&self, _lock: &Lock) -> Result<()> {
        let (old, target) = (self.base.join("old"), self.target());
        if !old.exists() {
            return Ok(());
        }
        if target.exists() {
            return remove(&old);
        }
        tracing::warn!(
            model = self.id,
            "a pull was cut off while it replaced the model: the old one is back"
        );
        // It may have gone meanwhile, with another model of the owner.
        self.make_owner()?;
        fs::rename(&old, &target).map_err(|error| unusable(&target, &error))
    }

    /// Makes the folder that the model lies in.
    fn make_owner(&self) -> Result<()> {
        match self.id.split_once('/') {
            Some((owner, _)) => make_dir(&self.root, owner),
            None => Ok(()),
        }
    }

    /// Removes what was pulled and is no model.
    pub(crate) fn clear(&self, _lock: &Lock) -> Result<()> {
        remove(&self.base)
    }

    /// Takes a model away: out of sight in one rename, then from the disk. `place` lies below the models folder.
    pub(crate) fn delete(&self, place: &Path, _lock: &Lock) -> Result<()> {
        let gone = self.base.with_file_name(format!("{GONE}{}", key(&self.id)));
        remove(&gone)?;
        fs::rename(place, &gone).map_err(|error| unusable(place, &error))?;
        remove(&gone)?;
        // The folder of the owner goes with its last model; one that is not empty stays.
        let mut above = place.parent();
        while let Some(folder) =
            above.filter(|folder| **folder != self.root && folder.starts_with(&self.root))
        {
            if fs::remove_dir(folder).is_err() {
                break;
            }
            above = folder.parent();
        }
        Ok(())
    }

    /// The models folder, links resolved.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

/// Where the model in a folder came from.
pub(crate) fn origin(folder: &Path) -> Option<Origin> {
    serde_json::from_slice(&fs::read(folder.join(ORIGIN)).ok()?).ok()
}

/// Whether a pull of a model was begun and is not complete.
pub(crate) fn has_remains(models_dir: &Path, id: &str) -> bool {
    models_dir.join(PULL).join(key(id)).exists()
}

/// Models of which a pull was begun and is not complete, and the bytes that are there of them.
pub(crate) fn interrupted(models_dir: &Path) -> Vec<Interrupted> {
    let Ok(entries) = fs::read_dir(models_dir.join(PULL)) else { return Vec::new() };
    let mut found: Vec<Interrupted> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let model = (!name.starts_with('.')).then(|| name.replace("--", "/"))?;
            Some(Interrupted { model, bytes: hardware::size_below(&entry.path()) })
        })
        .collect();
    found.sort_by(|a, b| a.model.cmp(&b.model));
    found
}

/// When the model in a folder was pulled; `None` where it was not.
pub(crate) fn pulled_at(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder.join(ORIGIN)).and_then(|origin| origin.modified()).ok()
}

/// Puts right what a process left that was killed while it put a model in its place or took one away.
pub(crate) fn repair(models_dir: &Path) {
    let Ok(entries) = fs::read_dir(models_dir.join(PULL)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with(LOCK)) else { continue };
        let id = name.trim_start_matches(GONE).replace("--", "/");
        let outcome = Folder::open(models_dir, &id).and_then(|folder| {
            // Whoever holds the lock is at it.
            let Ok(lock) = folder.lock() else { return Ok(()) };
            if name.starts_with(GONE) { remove(&entry.path()) } else { folder.mend(&lock) }
        });
        if let Err(error) = outcome {
            tracing::warn!(model = id, %error, "what an earlier pull left cannot be put right");
        }
    }
}

/// The name of a model's folder among the pulls. Names of the hub have no two hyphens in a row.
fn key(id: &str) -> String {
    id.replace('/', "--")
}

/// Makes the folders of a relative path, and refuses links on the way: what is pulled stays below `root`.
fn make_dir(root: &Path, relative: &str) -> Result<()> {
    let mut path = root.to_owned();
    for part in relative.split('/') {
        path.push(part);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(&path).map_err(|error| unusable(&path, &error))?;
                check_dir(&path, &found)?;
            }
            Err(error) => return Err(unusable(&path, &error)),
        }
    }
    Ok(())
}

/// Refuses what is in the place of a folder and is none.
fn check_dir(path: &Path, found: &fs::Metadata) -> Result<()> {
    if found.is_dir() {
        return Ok(());
    }
    let what = if found.is_symlink() { "is a link, which is not followed" } else { "is a file" };
    let reason = format!("{} {what}; put a folder in its place", path.display());
    Err(BackendError::configuration("models-dir", reason))
}

/// Makes an empty file in the place of what is there. That is removed and not written: it may be a hard link to a file of the
/// model in its place or of Hugging Face's cache.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new().write(true).create_new(true).open(path),
    }
}

/// Writes a file that is there whole or as it was.
fn write_whole(path: &Path, text: &[u8]) -> Result<()> {
    let failed = |error: io::Error| unusable(path, &error);
    let fresh = path.with_extension("new");
    let mut file = create(&fresh).map_err(failed)?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)
}

/// Removes a folder with all that is in it; links in it are removed and not followed.
fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(path, &error)),
        _ => Ok(()),
    }
}

/// Makes the names in a folder and its subfolders survive a power cut.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_folder(folder)
}

/// Folders cannot be opened for this on Windows, whose file system needs no such call.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}
