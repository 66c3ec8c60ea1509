//! Repositories of the hub, with what it states of their files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A repository.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    pub(super) files: BTreeMap<String, File>,
}

#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) content: Arc<Vec<u8>>,
    /// Whether it is in LFS, and so on the second port.
    pub(super) lfs: bool,
    /// What is stated of it.
    size: u64,
    pub(super) sha256: String,
    pub(super) git_blob: String,
}

impl Repository {
    /// Adds a file; ONNX files and others with weights are in LFS.
    #[must_use]
    pub fn with(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        let (size, sha256) = (content.len() as u64, sha256(&content));
        self.with_stated(path, content, size, &sha256)
    }

    /// Adds a file of which another checksum or size is stated than it has.
    #[must_use]
    pub fn with_stated(mut self, path: &str, content: impl Into<Vec<u8>>, size: u64, sha256: &str) -> Self {
        let content = content.into();
        let file = File {
            lfs: [".onnx", "_data", ".data", ".safetensors"].iter().any(|end| path.ends_with(end)),
            size,
            sha256: sha256.to_owned(),
            git_blob: git_blob(&content),
            content: Arc::new(content),
        };
        self.files.insert(path.to_owned(), file);
        self
    }

    /// All files of a folder.
    pub fn of_folder(folder: &Path) -> Self {
        fn walk(root: &Path, folder: &Path, mut repository: Repository) -> Repository {
            for entry in std::fs::read_dir(folder).expect("the folder can be read") {
                let path = entry.expect("an entry").path();
                repository = if path.is_dir() {
                    walk(root, &path, repository)
                } else {
                    let name =
                        path.strip_prefix(root).expect("below it").to_string_lossy().replace('\\', "/");
                    repository.with(&name, std::fs::read(&path).expect("the file can be read"))
                };
            }
            repository
        }
        walk(folder, folder, Self::default())
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.values().map(|file| file.content.len() as u64).sum()
    }

    /// A commit of this content.
    pub(super) fn commit(&self) -> String {
        let mut hash = Sha1::new();
        for (path, file) in &self.files {
            hash.update(path);
            hash.update(&file.git_blob);
        }
        hex(&hash.finalize())
    }

    pub(super) fn info(&self, name: &str) -> Value {
        let siblings: Vec<Value> = self
            .files
            .iter()
            .map(|(path, file)| {
                let size = file.size;
                let mut sibling = json!({ "rfilename": path, "size": size, "blobId": file.git_blob });
                if file.lfs {
                    sibling["lfs"] = json!({ "sha256": file.sha256, "size": size, "pointerSize": 134 });
                }
                sibling
            })
            .collect();
        json!({ "id": name, "modelId": name, "sha": self.commit(), "private": false, "gated": false, "siblings": siblings })
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The name that Git gives to a content.
pub fn git_blob(bytes: &[u8]) -> String {
    let mut hash = Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
