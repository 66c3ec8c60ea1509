//! Models that come and go: pulled from the hub, deleted, and the list of those that are here or could be.

use super::Runtime;
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

    /// Takes a model out of memory and deletes it from the models folder.
    ///
    /// # Errors
    /// Those of [`Hub::delete`].
    pub async fn delete(&self, id: &str) -> Result<()> {
        let (runtime, model) = (self.clone(), id.to_owned());
        let deleted = tokio::task::spawn_blocking(move || {
            runtime.inner.hub.deletable(&model)?;
            runtime.unload_for_delete(&model);
            runtime.inner.hub.delete(&model)
        });
        deleted
            .await
            .map_err(|error| BackendError::internal(format!("deleting a model ended early: {error}")))?
    }

    /// Lets a model leave memory once what runs has ended, so that nothing new begins on files that go.
    fn unload_for_delete(&self, id: &str) {
        let encoder = self.inner.encoders.lock().remove(id).map(|slot| slot.queue);
        let decoder = self.inner.decoders.lock().remove(id).map(|slot| slot.queue);
        for queue in encoder.into_iter().chain(decoder) {
            queue.close();
        }
    }
}
