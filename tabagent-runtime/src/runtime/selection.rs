//! Which models serve where a request names none: by kind, chosen by the operator and kept over restarts.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::Mutex;

use super::Runtime;
use crate::{
    error::{BackendError, Result},
    models::{CHAT_ID, ModelKind},
};

/// What was chosen, as it is stored, for requests to read without a wait.
#[derive(Debug, Default)]
pub(super) struct Selected {
    known: RwLock<BTreeMap<String, String>>,
    /// Held over a change in the store and the same change here.
    change: Mutex<()>,
}

/// The models that serve where a request names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultModels {
    /// Generates text.
    pub chat: String,
    /// Embeds.
    pub embedding: String,
    /// Ranks.
    pub rerank: String,
}

impl Selected {
    pub(super) fn new(known: BTreeMap<String, String>) -> Self {
        Self { known: RwLock::new(known), change: Mutex::default() }
    }

    fn of(&self, kind: ModelKind) -> Option<String> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name(kind)).cloned()
    }

    fn set(&self, kind: ModelKind, model: Option<String>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match model {
            Some(model) => known.insert(name(kind).to_owned(), model),
            None => known.remove(name(kind)),
        };
    }
}

/// The name of a kind in the store.
fn name(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::Chat => "chat",
        ModelKind::Embedding => "embedding",
        ModelKind::Rerank => "rerank",
        ModelKind::Unknown => "unknown",
    }
}

impl Runtime {
    /// The models that serve where a request names none.
    pub fn default_models(&self) -> DefaultModels {
        DefaultModels {
            chat: self.default_model(ModelKind::Chat),
            embedding: self.default_model(ModelKind::Embedding),
            rerank: self.default_model(ModelKind::Rerank),
        }
    }

    /// The model of a kind that serves where a request names none. Where nobody chose one that ranks, the one that embeds does.
    pub(super) fn default_model(&self, kind: ModelKind) -> String {
        let selected = |kind| self.inner.selected.of(kind);
        let embedding =
            || selected(ModelKind::Embedding).unwrap_or_else(|| self.inner.options.default_model.clone());
        match kind {
            ModelKind::Chat => selected(kind).unwrap_or_else(|| CHAT_ID.to_owned()),
            ModelKind::Rerank => selected(kind).unwrap_or_else(embedding),
            ModelKind::Embedding | ModelKind::Unknown => embedding(),
        }
    }

    /// Chooses the model that serves where a request of a kind names none; the kind is the model's own where none is given.
    /// Without a model it is the server's own again. It is kept when this returns.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`], [`BackendError::ModelCorrupted`], [`BackendError::InvalidInput`] for a model that is of
    /// another kind, and those of [`crate::store::SelectionStore::put_selected`].
    pub async fn select(&self, model: Option<&str>, kind: Option<ModelKind>) -> Result<DefaultModels> {
        let own = match model {
            Some(id) => Some(self.entry(id).await?.usable()?.kind),
            None => None,
        };
        let kind = kind.or(own).filter(|kind| *kind != ModelKind::Unknown).ok_or_else(|| match model {
            Some(id) => {
                BackendError::invalid("model_id", format!("`{id}` is of a kind that its files do not tell"))
            }
            None => BackendError::invalid(
                "kind",
                "is missing; name a model, or the kind that is to have its default again",
            ),
        })?;
        if let (Some(id), Some(own)) = (model, own)
            && own != kind
            // Those rank by the cosine of their vectors.
            && (own, kind) != (ModelKind::Embedding, ModelKind::Rerank)
        {
            let reason = format!("is {}, and `{id}` is of the kind {}", name(kind), name(own));
            return Err(BackendError::invalid("kind", reason));
        }
        let (runtime, model) = (self.clone(), model.map(str::to_owned));
        // A task of its own: a caller that leaves must not part what is stored from what is known.
        let changed = tokio::spawn(async move {
            let selected = &runtime.inner.selected;
            let _one_by_one = selected.change.lock().await;
            if let Some(id) = model.as_ref().filter(|id| runtime.inner.pool.is_going(id)) {
                return Err(BackendError::ModelNotFound { model: id.clone() });
            }
            runtime.inner.store.put_selected(name(kind), model.as_deref()).await?;
            selected.set(kind, model);
            if kind == ModelKind::Embedding {
                runtime.inner.documents.model_changed();
            }
            Ok(runtime.default_models())
        });
        changed
            .await
            .map_err(|error| BackendError::internal(format!("a choice of a model ended early: {error}")))?
    }

    /// Gives the kinds their defaults again for which a model was chosen; which they are.
    ///
    /// # Errors
    /// Those of [`crate::store::SelectionStore::put_selected`].
    pub(super) async fn deselect(&self, model: &str) -> Result<Vec<ModelKind>> {
        let mut kinds = Vec::new();
        for kind in [ModelKind::Chat, ModelKind::Embedding, ModelKind::Rerank] {
            if self.inner.selected.of(kind).as_deref() == Some(model) {
                self.select(None, Some(kind)).await?;
                tracing::warn!(
                    model,
                    kind = name(kind),
                    "a model is deleted that was chosen to serve requests without one"
                );
                kinds.push(kind);
            }
        }
        Ok(kinds)
    }
}

/// What was chosen before, from the store.
pub(super) fn known(store: &Arc<dyn crate::store::Store>) -> Selected {
    Selected::new(store.selected_at_start().clone())
}
