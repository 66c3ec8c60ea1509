//! What tells a model from another one of the same id: a checksum over the files that make its vectors.
//!
//! Of the weights those of the default variant count. Other variants are the same weights with fewer bits: their vectors are
//! near enough to be compared, and a variant that is loaded for an hour is no reason to embed all documents anew.

use std::{
    collections::HashMap,
    io::Read,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{
    error::{BackendError, Result},
    models::{Entry, ModelFile, ModelFiles},
};

/// Fingerprints that are remembered; models in a folder are few.
const MOST: usize = 64;

/// Fingerprints by the files that they were made of, so that weights are read once.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints {
    known: Mutex<HashMap<String, String>>,
    /// Held while files are read: requests that come together read them once.
    reading: Mutex<()>,
}

impl Fingerprints {
    /// The fingerprint of a model, where its files were read before.
    pub(crate) fn known(&self, entry: &Entry) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&stamp(entry)).cloned()
    }

    /// The fingerprint of a model. Blocks while its files are read, the first time.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where one cannot be read.
    pub(crate) fn of(&self, entry: &Entry) -> Result<String> {
        let _one_by_one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.known(entry) {
            return Ok(found);
        }
        let mut whole = Sha256::new();
        for file in files(entry) {
            whole.update(file.path.as_bytes());
            whole.update([0]);
            whole.update(checksum(entry, &file.path)?);
        }
        let found: String = whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(stamp(entry), found.clone());
        Ok(found)
    }
}

/// Which files a fingerprint is of: while these have their sizes and times, it is the same.
fn stamp(entry: &Entry) -> String {
    format!("{} {:?}", entry.id, files(entry).collect::<Vec<_>>())
}

fn files(entry: &Entry) -> impl Iterator<Item = &ModelFile> {
    entry.list.iter().filter(|file| makes_vectors(entry, &file.path))
}

/// Whether a file has a say in the vectors: the weights of the variant that serves, and what is read beside them.
fn makes_vectors(entry: &Entry, path: &str) -> bool {
    let of_variant = |path: &str| {
        let variant = entry.variants.first().map_or("", |variant| variant.file.as_str());
        path.strip_prefix(variant).is_some_and(|rest| matches!(rest, "" | ".data" | "_data"))
    };
    let in_module = path.contains('/') && path.ends_with(".safetensors");
    path.ends_with(".json") || in_module || of_variant(path)
}

fn checksum(entry: &Entry, path: &str) -> Result<[u8; 32]> {
    let failed =
        |reason: String| BackendError::corrupted(&entry.id, format!("{path} cannot be read: {reason}"));
    let mut sum = Sha256::new();
    match &entry.files {
        ModelFiles::Embedded(_) => {
            sum.update(entry.files.read(&entry.id, path)?.unwrap_or_default());
        }
        ModelFiles::Folder(_) => {
            let place = entry.files.path(path).ok_or_else(|| failed("it is gone".to_owned()))?;
            let mut file = std::fs::File::open(place).map_err(|error| failed(error.to_string()))?;
            let mut part = vec![0; 1 << 20];
            loop {
                match file.read(&mut part).map_err(|error| failed(error.to_string()))? {
                    0 => break,
                    count => sum.update(&part[..count]),
                }
            }
        }
    }
    Ok(sum.finalize().into())
}
