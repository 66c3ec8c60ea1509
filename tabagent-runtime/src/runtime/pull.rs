//! Models that come and go: pulled from the hub, deleted, and the list of those that are here or could be.

use super::{Runtime, loading::blocking};
use crate::{
    error::{BackendError, Result},
    hub::{Hub, Origin},
    models::{KnownModel, ModelInfo, known_models},
};

/// A model that is here, or that the list of known ones has.
#[derive(Debug, Clone)]
pub struct RegisteredModel {
    /// Its id.
    pub id: String,
    /// What the list says of it, where it is on it.
    pub known: Option<KnownModel>,
    /// What its files say, where it is here.
    pub local: Option<ModelInfo>,
    /// Names of its variants that are here, the default one first.
    pub variants: Vec<String>,
    /// Where it came from, where it was pulled.
    pub origin: Option<Origin>,
}

impl Runtime {
    /// The hub, and what is pulled from it.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// All models that are here and all that are known, sorted by id. Reads files.
    pub fn registered(&self) -> Vec<RegisteredModel> {
        let mut models: Vec<RegisteredModel> = self
            .inner
            .catalog
            .scan()
            .iter()
            .map(|entry| RegisteredModel {
                id: entry.id.clone(),
                known: None,
                local: Some(self.info(entry)),
                variants: entry.variants.iter().map(|variant| variant.name.clone()).collect(),
                origin: if entry.embedded() { None } else { self.inner.hub.origin(&entry.id) },
            })
            .collect();
        for known in &known_models().models {
            match models.iter_mut().find(|model| model.id == known.id) {
                Some(model) => model.known = Some(known.clone()),
                None => models.push(RegisteredModel {
                    id: known.id.clone(),
                    known: Some(known.clone()),
                    local: None,
                    variants: Vec::new(),
                    origin: None,
                }),
            }
        }
        models.sort_by(|a, b| a.id.cmp(&b.id));
        models
    }

    /// Takes a model out of memory, once what runs on it has ended, and deletes it from the models folder. Where it was
    /// chosen to serve requests that name none, the server's own does again.
    ///
    /// # Errors
    /// Those of [`Hub::delete`], and [`BackendError::GenerationTimeout`] where requests run longer than the deadline: then
    /// nothing is deleted.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let (hub, model) = (self.inner.hub.clone(), id.to_owned());
        blocking(move || hub.deletable(&model).map(drop)).await?;
        let Some(_going) = self.inner.pool.keep_off(id) else {
            return Err(BackendError::ModelNotFound { model: id.to_owned() });
        };
        self.unload(Some(id), false).await?;
        // Before its files go: what is cut off in between leaves no choice of a model that is gone.
        let kinds = self.deselect(id).await?;
        let (hub, model) = (self.inner.hub.clone(), id.to_owned());
        let deleted = blocking(move || hub.delete(&model)).await;
        if deleted.is_err() {
            for kind in kinds {
                self.select(Some(id), Some(kind)).await?;
            }
        }
        deleted
    }
}
