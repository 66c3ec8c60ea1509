//! Models that come and go: pulled from the hub, deleted, and the list of those that are here or could be.

use std::{collections::BTreeMap, sync::Arc};

use super::{Runtime, loading::blocking};
use crate::{
    error::{BackendError, Result},
    hub::{Hub, Origin},
    models::{Catalog, Entry, KnownModel, ModelInfo, known_models},
};

/// A model that is here, or that the list of known ones has, or of which a part was pulled.
#[derive(Debug, Clone, Default)]
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
    /// Bytes of a pull that was begun and is not complete.
    pub interrupted: Option<u64>,
}

/// All models that lie in the models folder of a hub and all that are known, sorted by id, none of them in memory. Reads
/// files.
pub fn registered_models(hub: &Hub) -> Vec<RegisteredModel> {
    registered(hub, &Catalog::new(hub.models_dir().to_owned()), |entry| ModelInfo::new(entry, false, None))
}

fn registered(hub: &Hub, catalog: &Catalog, info: impl Fn(&Entry) -> ModelInfo) -> Vec<RegisteredModel> {
    let mut models: BTreeMap<String, RegisteredModel> = BTreeMap::new();
    for entry in &catalog.scan() {
        let model = of(&mut models, &entry.id);
        model.local = Some(info(entry));
        model.variants = entry.variants.iter().map(|variant| variant.name.clone()).collect();
        model.origin = if entry.embedded() { None } else { hub.origin(&entry.id) };
    }
    for known in &known_models().models {
        of(&mut models, &known.id).known = Some(known.clone());
    }
    for interrupted in hub.interrupted() {
        of(&mut models, &interrupted.model).interrupted = Some(interrupted.bytes);
    }
    models.into_values().collect()
}

fn of<'a>(models: &'a mut BTreeMap<String, RegisteredModel>, id: &str) -> &'a mut RegisteredModel {
    models
        .entry(id.to_owned())
        .or_insert_with(|| RegisteredModel { id: id.to_owned(), ..RegisteredModel::default() })
}

impl Runtime {
    /// The hub, and what is pulled from it.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// All models that are here and all that are known, sorted by id. Reads files.
    pub fn registered(&self) -> Vec<RegisteredModel> {
        registered(&self.inner.hub, &self.inner.catalog, |entry| self.info(entry))
    }

    /// Takes a model out of memory, once what runs on it has ended, and deletes it from the models folder, with what an
    /// interrupted pull of it left. Where it was
    /// chosen to serve requests that name none, the server's own does again.
    ///
    /// # Errors
    /// Those of [`Hub::delete`], [`BackendError::ConfigurationError`] where another server uses the models folder, and [`BackendError::GenerationTimeout`] where requests run longer than the deadline: then
    /// nothing is deleted.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let (inner, model) = (Arc::clone(&self.inner), id.to_owned());
        // What cannot be is told before the model leaves memory.
        let deletion = blocking(move || {
            let deletion = inner.hub.prepare_delete(&model)?;
            inner.presence.is_alone(&inner.hub)?;
            Ok(deletion)
        })
        .await?;
        let Some(_going) = self.inner.pool.keep_off(id) else {
            return Err(BackendError::ModelNotFound { model: id.to_owned() });
        };
        if self.inner.pool.ready(id).is_some() {
            self.unload(Some(id), false).await?;
        }
        // Before its files go: what is cut off in between leaves no choice of a model that is gone.
        let kinds = self.deselect(id).await?;
        let deleted = blocking(move || deletion.carry_out()).await;
        if deleted.is_err() {
            for kind in kinds {
                self.select(Some(id), Some(kind)).await?;
            }
        }
        deleted
    }
}
