//! The models folder, looked at again whenever someone asks: a model that is dropped in appears.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::SystemTime,
};

use super::{
    describe::{Description, ModelKind, describe},
    embedded::MODELS,
    files::{ModelFile, ModelFiles},
    id,
    variants::{Variant, variants},
};
use crate::{
    error::{BackendError, Result},
    tokenizer,
};

/// Models listed of one folder; a folder with more is no models folder.
const MAX_MODELS: usize = 2048;

/// One model and what its files say.
#[derive(Debug)]
pub struct Entry {
    /// Id.
    pub id: String,
    /// Where its files are.
    pub files: ModelFiles,
    /// Its files, sorted by path.
    pub list: Vec<ModelFile>,
    /// ONNX files that can run it, the default one first.
    pub variants: Vec<Variant>,
    /// What it is, or why that cannot be said.
    pub description: Result<Description>,
}

impl Entry {
    fn new(id: &str, files: ModelFiles, list: Vec<ModelFile>) -> Self {
        let description = describe(id, &files);
        Self { id: id.to_owned(), variants: variants(&list), description, files, list }
    }

    /// What it does; unknown where its files are damaged.
    pub fn kind(&self) -> ModelKind {
        self.description.as_ref().map_or(ModelKind::Unknown, |description| description.kind)
    }

    /// Whether it is inside the binary.
    pub fn embedded(&self) -> bool {
        matches!(self.files, ModelFiles::Embedded(_))
    }

    /// When it came here: its latest file; for one inside the binary, the binary.
    pub fn created(&self) -> Option<SystemTime> {
        match self.files {
            ModelFiles::Folder(_) => self.list.iter().filter_map(|file| file.modified).max(),
            ModelFiles::Embedded(_) => std::env::current_exe().ok()?.metadata().ok()?.modified().ok(),
        }
    }

    /// Why it cannot be used, as far as its files tell without loading it.
    pub fn problem(&self) -> Option<BackendError> {
        match &self.description {
            Err(error) => Some(error.clone()),
            Ok(_) if self.variants.is_empty() => Some(BackendError::corrupted(
                &self.id,
                "there is no .onnx file in its folder or in onnx/; restore its files, or export it to ONNX",
            )),
            Ok(_) if self.variants.first().is_some_and(|variant| variant.size == 0) => {
                Some(BackendError::corrupted(&self.id, "its ONNX file is empty; restore its files"))
            }
            // A kind that is not known is not used, whatever it lacks.
            Ok(found) if found.kind != ModelKind::Unknown => {
                let has = |name: &str| self.list.iter().any(|file| file.path == name);
                tokenizer::locate(has).err().map(|reason| BackendError::corrupted(&self.id, reason))
            }
            Ok(_) => None,
        }
    }

    /// The variant of this name, or the default one.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] of `variant` with the names that there are, [`BackendError::ModelCorrupted`] where there
    /// is none at all.
    pub fn variant(&self, name: Option<&str>) -> Result<&Variant> {
        let found = match name {
            None => self.variants.first(),
            Some(name) => self.variants.iter().find(|variant| variant.name == name),
        };
        match (found, name) {
            (Some(found), _) => Ok(found),
            (None, Some(name)) if !self.variants.is_empty() => {
                let names: Vec<&str> = self.variants.iter().map(|variant| variant.name.as_str()).collect();
                let reason =
                    format!("`{name}` is none of the variants of model `{}`: {}", self.id, names.join(", "));
                Err(BackendError::invalid("variant", reason))
            }
            _ => Err(BackendError::corrupted(&self.id, "there is no .onnx file")),
        }
    }

    /// The description, once nothing stands against using the model.
    ///
    /// # Errors
    /// What [`Entry::problem`] says.
    pub fn usable(&self) -> Result<&Description> {
        match self.problem() {
            Some(error) => Err(error),
            None => self.description.as_ref().map_err(Clone::clone),
        }
    }
}

/// All models that are here.
#[derive(Debug)]
pub struct Catalog {
    root: PathBuf,
    /// What was read, kept as long as the files stay as they were.
    known: Mutex<HashMap<String, Arc<Entry>>>,
    /// Whether it was said that folders have names of models inside the binary.
    warned: AtomicBool,
}

impl Catalog {
    /// A catalogue of `root`, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root, known: Mutex::default(), warned: AtomicBool::new(false) }
    }

    /// The models folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One model by id. Models inside the binary come first: a folder cannot take their place. A folder inside a model is part
    /// of that model, whatever it looks like.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`] where there is none.
    pub fn get(&self, id: &str) -> Result<Arc<Entry>> {
        if let Some((name, files)) = MODELS.iter().find(|(name, _)| *name == id) {
            return Ok(self.entry(name, ModelFiles::Embedded(files)));
        }
        let folder = id::resolve(&self.root, id)?;
        if is_model(&folder) && !is_inside_model(&self.root, id) {
            Ok(self.entry(id, ModelFiles::Folder(folder)))
        } else {
            Err(BackendError::ModelNotFound { model: id.to_owned() })
        }
    }

    /// All models, sorted by id.
    pub fn scan(&self) -> Vec<Arc<Entry>> {
        let mut ids = Vec::new();
        find(&self.root, "", 0, &mut ids);
        let shadowed = shadowed(&ids);
        if !shadowed.is_empty() && !self.warned.swap(true, Relaxed) {
            tracing::warn!(
                ids = shadowed.join(", "),
                "folders have the names of models inside the binary, which are served in their place; rename the folders"
            );
        }
        ids.extend(MODELS.iter().map(|(id, _)| (*id).to_owned()));
        ids.sort_unstable();
        ids.dedup();
        let entries: Vec<_> = ids.iter().filter_map(|id| self.get(id).ok()).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|id, _| ids.binary_search(id).is_ok());
        entries
    }

    /// The entry of a model, read again where a file has changed.
    fn entry(&self, id: &str, files: ModelFiles) -> Arc<Entry> {
        let list = files.list();
        let known =
            |map: &HashMap<String, Arc<Entry>>| map.get(id).filter(|entry| entry.list == list).cloned();
        if let Some(entry) = known(&self.known.lock().unwrap_or_else(PoisonError::into_inner)) {
            return entry;
        }
        // Read outside of the lock: a slow disk holds up this caller and no other.
        let entry = Arc::new(Entry::new(id, files, list));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), Arc::clone(&entry));
        entry
    }
}

/// Ids of folders that models inside the binary have as well.
fn shadowed(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).filter(|id| MODELS.iter().any(|(name, _)| name == id)).collect()
}

/// Whether a folder holds a model rather than models.
fn is_model(folder: &Path) -> bool {
    ["config.json", "modules.json", "model.onnx", "genai_config.json"]
        .iter()
        .any(|name| folder.join(name).is_file())
        || folder.join("onnx").is_dir()
}

/// Whether a folder above that of `id`, below the models folder, is a model: by the names in the id, and by where links lead.
pub(crate) fn is_inside_model(root: &Path, id: &str) -> bool {
    let Ok(root) = root.canonicalize() else { return false };
    let Some((above, _)) = id.rsplit_once('/') else { return false };
    let named = root.join(above);
    let real = named.canonicalize().unwrap_or_else(|_| named.clone());
    [named, real].iter().any(|folder| folder.ancestors().take_while(|folder| **folder != root).any(is_model))
}

/// Adds the ids of the models below `folder`.
fn find(folder: &Path, prefix: &str, depth: usize, ids: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let id = format!("{prefix}{name}");
        let path = entry.path();
        if id::check(&id).is_err() || !path.is_dir() || ids.len() >= MAX_MODELS {
            continue;
        }
        if is_model(&path) {
            ids.push(id);
        } else if depth + 1 < id::MAX_DEPTH && !path.is_symlink() {
            find(&path, &format!("{id}/"), depth + 1, ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, bytes: &[u8]) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn models_appear_change_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(folder.path().to_owned());
        let ids = |catalog: &Catalog| catalog.scan().iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        let before = ids(&catalog);

        write(folder.path(), "owner/name/config.json", br#"{"architectures": ["BertModel"]}"#);
        write(folder.path(), "owner/name/onnx/model.onnx", b"graph");
        write(folder.path(), "flat/config.json", b"{}");
        write(folder.path(), "notes/readme.txt", b"no model");
        let mut expected = before.clone();
        expected.extend(["flat".to_owned(), "owner/name".to_owned()]);
        expected.sort();
        assert_eq!(ids(&catalog), expected);
        assert_eq!(catalog.get("owner/name").unwrap().kind(), ModelKind::Embedding);
        assert_eq!(catalog.get("owner/name").unwrap().variants[0].file, "onnx/model.onnx");
        assert!(matches!(catalog.get("owner"), Err(BackendError::ModelNotFound { .. })));
        assert!(matches!(catalog.get("notes"), Err(BackendError::ModelNotFound { .. })));

        write(folder.path(), "owner/name/config.json", br#"{"architectures": ["LlamaForCausalLM"]}"#);
        assert_eq!(catalog.get("owner/name").unwrap().kind(), ModelKind::Chat);

        std::fs::remove_dir_all(folder.path().join("owner")).unwrap();
        std::fs::remove_dir_all(folder.path().join("flat")).unwrap();
        assert_eq!(ids(&catalog), before);
    }

    #[test]
    fn a_folder_inside_a_model_is_no_model() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a/config.json", b"{}");
        for inner in ["a/1_Pooling", "a/small/onnx", "a/small", "a/group/b"] {
            write(folder.path(), &format!("{inner}/config.json"), b"{}");
        }
        let catalog = Catalog::new(folder.path().to_owned());
        for inner in ["a/1_Pooling", "a/small/onnx", "a/small", "a/group/b"] {
            assert!(matches!(catalog.get(inner), Err(BackendError::ModelNotFound { .. })), "{inner}");
        }
        assert!(catalog.get("a").is_ok());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path().join("a/group"), folder.path().join("way")).unwrap();
            assert!(matches!(catalog.get("way/b"), Err(BackendError::ModelNotFound { .. })));
        }
    }

    #[test]
    fn a_model_without_a_graph_says_so() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "m/config.json", br#"{"architectures": ["BertModel"]}"#);
        let entry = Catalog::new(folder.path().to_owned()).get("m").unwrap();
        let error = entry.usable().unwrap_err();
        assert!(
            matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains(".onnx")),
            "{error}"
        );
    }

    #[test]
    fn a_model_without_a_tokenizer_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(folder.path().to_owned());
        let problem = || catalog.get("m").unwrap().problem().map(|error| error.to_string());
        write(folder.path(), "m/config.json", br#"{"architectures": ["BertModel"]}"#);
        write(folder.path(), "m/onnx/model.onnx", b"graph");
        assert!(problem().unwrap().contains("tokenizer.json is missing"));
        write(folder.path(), "m/vocab.txt", b"a");
        assert!(problem().unwrap().contains("vocab.txt is there and is not enough"));
        write(folder.path(), "m/0_Transformer/tokenizer.json", b"{}");
        assert_eq!(problem(), None);
    }

    #[test]
    fn a_folder_does_not_take_the_place_of_an_embedded_model() {
        let folder = tempfile::tempdir().unwrap();
        let (id, _) = MODELS[0];
        write(folder.path(), &format!("{id}/config.json"), b"{}");
        write(folder.path(), "other/config.json", b"{}");
        let mut ids = Vec::new();
        find(folder.path(), "", 0, &mut ids);
        assert_eq!(shadowed(&ids), [id]);
        let catalog = Catalog::new(folder.path().to_owned());
        assert_eq!(catalog.scan().len(), MODELS.len() + 1);
        assert!(catalog.warned.load(Relaxed) && catalog.get(id).unwrap().embedded());
    }

    #[test]
    fn a_models_folder_that_is_not_there_holds_the_embedded_models() {
        let catalog = Catalog::new("/nonexistent/models".into());
        assert_eq!(catalog.scan().len(), MODELS.len());
    }
}
