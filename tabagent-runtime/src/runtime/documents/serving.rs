//! The index that serves: its vectors in memory, read from the store when they are first needed, and changed with it.

use std::sync::{Arc, PoisonError, RwLock};

use super::super::{Runtime, pool::Leased};
use crate::{
    documents::index::VectorIndex,
    embed::loaded::Loaded,
    error::{BackendError, Result},
    models::{Entry, ModelKind},
    store::{IndexState, StoredIndex},
};

/// Vectors that one call of the store reads.
const READ: usize = 4_096;

/// The index that serves.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) index: StoredIndex,
    pub(super) vectors: RwLock<VectorIndex>,
}

impl Served {
    /// Takes the vectors of a document's chunks, in place of those that it had, and of those of the document whose place it
    /// took.
    ///
    /// # Errors
    /// [`BackendError::VectorStoreError`] where one is of another length.
    pub(super) fn take(
        &self,
        document: i64,
        before: Option<i64>,
        chunks: &[i64],
        vectors: &[Vec<f32>],
    ) -> Result<()> {
        let mut memory = self.vectors.write().unwrap_or_else(PoisonError::into_inner);
        // What was just read from the store has them already.
        [Some(document), before].into_iter().flatten().for_each(|document| memory.remove(document));
        let mut with_vectors = chunks.iter().zip(vectors).filter(|(_, vector)| !vector.is_empty());
        with_vectors.try_for_each(|(chunk, vector)| memory.add(*chunk, document, vector))
    }

    /// Drops the vectors of a document.
    pub(super) fn remove(&self, document: i64) {
        self.vectors.write().unwrap_or_else(PoisonError::into_inner).remove(document);
    }
}

/// A model that embeds for an index.
pub(super) struct Embedder {
    pub(super) model: Leased<Loaded>,
    pub(super) fingerprint: String,
}

impl Runtime {
    /// The index that serves; `None` where there are no documents yet.
    ///
    /// # Errors
    /// Those of the store, and [`BackendError::VectorStoreError`] where vectors are not of the index's length.
    pub(super) async fn served(&self) -> Result<Option<Arc<Served>>> {
        let documents = &self.inner.documents;
        let known = || documents.served.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(served) = known() {
            return Ok(Some(served));
        }
        let _one_by_one = documents.change.lock().await;
        self.read_served().await
    }

    /// The same for whoever holds the change.
    pub(super) async fn read_served(&self) -> Result<Option<Arc<Served>>> {
        let documents = &self.inner.documents;
        if let Some(served) = documents.served.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(Some(served));
        }
        let served = self.read_index().await?;
        self.set_served(served.clone());
        Ok(served)
    }

    /// Reads the index that serves from the store.
    pub(super) async fn read_index(&self) -> Result<Option<Arc<Served>>> {
        let store = &self.inner.store;
        let indexes = store.indexes().await?;
        let Some(index) = indexes.into_iter().find(|index| index.state == IndexState::Serving) else {
            return Ok(None);
        };
        let mut vectors = VectorIndex::new(index.dimensions);
        let mut after = 0;
        loop {
            let part = store.vectors(index.number, after, READ).await?;
            let Some(last) = part.last() else { break };
            after = last.chunk;
            for found in part.iter().filter(|found| !found.vector.is_empty()) {
                vectors.add(found.chunk, found.document, &found.vector)?;
            }
        }
        tracing::info!(model = index.model, vectors = vectors.len(), "the index of documents was read");
        Ok(Some(Arc::new(Served { index, vectors: RwLock::new(vectors) })))
    }

    /// Says which index serves; without one it is read from the store when it is needed next.
    pub(super) fn set_served(&self, served: Option<Arc<Served>>) {
        *self.inner.documents.served.write().unwrap_or_else(PoisonError::into_inner) = served;
    }

    /// A model that embeds, held, with its fingerprint.
    ///
    /// # Errors
    /// As [`Runtime::embed`].
    pub(super) async fn embedder(&self, id: &str) -> Result<Embedder> {
        let model = self
            .within(id, None, async {
                self.encoder(id, |kind| super::super::encoders::embeds(id, kind)).await
            })
            .await?;
        let fingerprint = self.fingerprint(Arc::clone(&model.entry)).await?;
        Ok(Embedder { model, fingerprint })
    }

    /// The model that makes the vectors of the index that serves.
    ///
    /// # Errors
    /// [`BackendError::EmbeddingModelNotAvailable`] where that model is gone, or another one has its id now.
    pub(super) async fn embedder_of(&self, index: &StoredIndex) -> Result<Embedder> {
        let gone = |why: &str| BackendError::EmbeddingModelNotAvailable {
            required_for: format!("documents whose vectors are of `{}`, {why}", index.model),
        };
        match self.embedder(&index.model).await {
            Ok(embedder) if embedder.fingerprint == index.fingerprint => Ok(embedder),
            Ok(_) => Err(gone("whose files are others now")),
            Err(BackendError::ModelNotFound { .. }) => Err(gone("which is not here")),
            Err(error) => Err(error),
        }
    }

    /// What tells a model from another one of its id.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where its files cannot be read.
    pub(super) async fn fingerprint(&self, entry: Arc<Entry>) -> Result<String> {
        let fingerprints = Arc::clone(&self.inner.documents.fingerprints);
        if let Some(known) = fingerprints.known(&entry) {
            return Ok(known);
        }
        let found = tokio::task::spawn_blocking(move || fingerprints.of(&entry)).await;
        found.map_err(|error| {
            BackendError::internal(format!("reading a model's files ended early: {error}"))
        })?
    }

    /// The model that serves where a request names none.
    pub(super) fn default_embedder(&self) -> String {
        self.default_model(ModelKind::Embedding)
    }
}
