//! The files of one model, from a folder or from inside the binary, read through one interface.

use std::{
    borrow::Cow,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{BackendError, Result};

/// Largest JSON file of a model that is read whole (tokenizers of large vocabularies reach 35 MB).
const MAX_TEXT: u64 = 128 << 20;
/// Files listed of one model.
const MAX_FILES: usize = 512;
/// Folders below a model's folder that are looked into, such as `onnx/` and `1_Pooling/`.
const MAX_DEPTH: usize = 2;

/// One file inside the binary: its path below the model's folder, and its bytes.
pub type EmbeddedFile = (&'static str, &'static [u8]);

/// Where a model's files are.
#[derive(Debug, Clone)]
pub enum ModelFiles {
    /// A folder laid out like a Hugging Face repository, canonical path.
    Folder(PathBuf),
    /// Inside the binary.
    Embedded(&'static [EmbeddedFile]),
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelFile {
    /// Path below the model's folder, with `/`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Last change, `None` for a file inside the binary.
    #[serde(skip)]
    pub modified: Option<SystemTime>,
}

impl ModelFiles {
    /// Whether the file exists.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(_) => self.path(name).is_some(),
            Self::Embedded(files) => files.iter().any(|(path, _)| *path == name),
        }
    }

    /// Path of a file on disk that exists and is a regular file inside the models folder's repository.
    ///
    /// A link is followed as long as it stays inside the model's folder: a model cannot make the server read others.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let Self::Folder(folder) = self else { return None };
        let path = folder.join(name).canonicalize().ok()?;
        (path.starts_with(folder) && path.is_file()).then_some(path)
    }

    /// The bytes of a file, `None` where there is no such file.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where it cannot be read, or is too large for what it should be.
    pub fn read(&self, model: &str, name: &str) -> Result<Option<Cow<'static, [u8]>>> {
        match self {
            Self::Embedded(files) => {
                Ok(files.iter().find(|(path, _)| *path == name).map(|(_, bytes)| Cow::Borrowed(*bytes)))
            }
            Self::Folder(_) => {
                let Some(path) = self.path(name) else { return Ok(None) };
                read_bounded(&path).map(|bytes| Some(Cow::Owned(bytes))).map_err(|error| {
                    BackendError::corrupted(model, format!("{name} cannot be read: {error}"))
                })
            }
        }
    }

    /// A JSON file as `T`, `None` where there is no such file.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where it is not the JSON that it should be, with line and column.
    pub fn json<T: DeserializeOwned>(&self, model: &str, name: &str) -> Result<Option<T>> {
        let Some(bytes) = self.read(model, name)? else { return Ok(None) };
        if bytes.starts_with(LFS_POINTER) {
            return Err(BackendError::corrupted(
                model,
                format!("{name} is a Git LFS pointer, not the file itself"),
            ));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            BackendError::corrupted(model, format!("{name} is not what it should be: {error}"))
        })
    }

    /// The files, sorted by path. Hidden files and folders are left out, and what lies deeper than two folders.
    pub fn list(&self) -> Vec<ModelFile> {
        let mut files = Vec::new();
        match self {
            Self::Embedded(embedded) => files.extend(embedded.iter().map(|(path, bytes)| ModelFile {
                path: (*path).to_owned(),
                size: bytes.len() as u64,
                modified: None,
            })),
            Self::Folder(folder) => {
                collect(folder, "", 0, &mut files);
                files.retain(|file| self.path(&file.path).is_some());
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }
}

/// How a Git LFS pointer begins, which stands in place of a large file that was not fetched.
pub(crate) const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// Reads a file whole, up to [`MAX_TEXT`].
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > MAX_TEXT {
        return Err(std::io::Error::other(format!("{size} bytes, at most {MAX_TEXT} are read")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_TEXT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Adds the files of `folder` and its subfolders.
fn collect(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<ModelFile>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        // Links to files are followed (and checked by the caller), links to folders are not: they may form a circle.
        let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
        let path = format!("{prefix}{name}");
        if metadata.is_file() && files.len() < MAX_FILES {
            files.push(ModelFile { path, size: metadata.len(), modified: metadata.modified().ok() });
        } else if metadata.is_dir() && depth < MAX_DEPTH && !entry.path().is_symlink() {
            collect(&entry.path(), &format!("{path}/"), depth + 1, files);
        }
    }
}
