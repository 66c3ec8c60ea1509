//! A change of the embedding model: a second index is built of it while the first one serves, and takes its place once every
//! document is in it.
//!
//! A task of its own looks when a model is selected, and from time to time, since the files of a model may change. What it has
//! done is in the store, so that a restart goes on with it.

use std::{
    sync::{
        Arc, PoisonError, Weak,
        atomic::Ordering::{AcqRel, Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::{
    super::{Inner, Runtime},
    cut::Uncut,
    keep::apart,
    serving::{Embedder, Served},
};
use crate::{
    error::Result,
    store::{DocumentText, IndexProgress, IndexState, StoredIndex},
};

/// How often the model is looked at that is selected.
const LOOK: Duration = Duration::from_secs(60);
/// How long a round that failed waits before the next one.
const AGAIN: Duration = Duration::from_secs(10);
/// Documents that one call of the store names.
const DOCUMENTS: usize = 16;
/// Pause between two parts of an index that is dropped, in which others have the store.
const PAUSE: Duration = Duration::from_millis(20);

/// The index of the documents, and the one that is built beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentIndexes {
    /// Whether every document is found by vectors of the model that is selected.
    pub state: DocumentIndexState,
    /// The model that is selected, whose index this is or becomes.
    pub model: String,
    /// The index that is searched; none where there are no documents yet.
    pub serving: Option<IndexReport>,
    /// The one that is built.
    pub building: Option<IndexReport>,
    /// Why the last round of building it failed, where it did.
    pub problem: Option<String>,
}

/// Where the index of the documents stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentIndexState {
    /// It is whole, and of the model that is selected.
    Current,
    /// Another one is built.
    Building,
}

/// An index, and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexReport {
    /// Id of its model.
    pub model: String,
    /// Length of its vectors.
    pub dimensions: usize,
    /// Documents.
    pub progress: IndexProgress,
}

impl Runtime {
    /// Keeps the index of the documents that of the model which is selected, from now on and as long as the runtime lives.
    /// The methods for documents call it themselves; a server does at its start, so that it goes on with what was begun. Has
    /// to be called within tokio.
    pub fn keep_documents_current(&self) {
        let documents = &self.inner.documents;
        if documents.attended.swap(true, AcqRel) {
            return;
        }
        let looks = Arc::clone(&documents.look);
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                let Some(outcome) = round(&inner).await else { return };
                let pause = if outcome.is_ok() { LOOK } else { AGAIN };
                // Whoever selects a model has this look at once.
                timeout(pause, looks.notified()).await.ok();
            }
        });
    }

    /// The indexes of the documents.
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn document_indexes(&self) -> Result<DocumentIndexes> {
        self.keep_documents_current();
        // Searches go on with the index before for a moment, until the one that took over in the store is read.
        let known = self.inner.documents.served.read().unwrap_or_else(PoisonError::into_inner).clone();
        let searched = known.map(|served| served.index.number);
        let (mut serving, mut building, mut is_read) = (None, None, true);
        for index in self.inner.store.indexes().await? {
            let place = match index.state {
                IndexState::Serving => &mut serving,
                IndexState::Building => &mut building,
                IndexState::Left => continue,
            };
            if index.state == IndexState::Serving {
                is_read = searched.is_none_or(|searched| searched == index.number);
            }
            let progress = self.inner.store.index_progress(index.number).await?;
            *place = Some(IndexReport { model: index.model, dimensions: index.dimensions, progress });
        }
        let model = self.default_embedder();
        let problem = self.inner.documents.problem.read().unwrap_or_else(PoisonError::into_inner).clone();
        let of_another = serving.as_ref().is_some_and(|serving| serving.model != model);
        let state = if building.is_some() || of_another || !is_read || problem.is_some() {
            DocumentIndexState::Building
        } else {
            DocumentIndexState::Current
        };
        Ok(DocumentIndexes { state, model, serving, building, problem })
    }

    /// Builds the index of all documents anew, from their texts, while the present one serves. It has begun when this returns.
    ///
    /// # Errors
    /// As [`Runtime::embed`], and those of [`crate::store::Store`].
    pub async fn reindex_documents(&self) -> Result<DocumentIndexes> {
        let indexes = self.inner.store.indexes().await?;
        if indexes.iter().any(|index| index.state == IndexState::Serving) {
            let embedder = self.embedder(&self.default_embedder()).await?;
            self.begin_index(&embedder, true).await?;
            self.inner.documents.look.notify_one();
        }
        self.document_indexes().await
    }

    /// Cuts and embeds a document anew, from its text, in the index that serves; whether there is one of this id.
    ///
    /// # Errors
    /// As [`Runtime::ingest`].
    pub async fn reindex_document(&self, id: &str) -> Result<bool> {
        // It waits behind those that come in, which have their bytes in hand while they do.
        let _place = self.inner.documents.place(0).await?;
        let Some(served) = self.served().await? else { return Ok(false) };
        let index = served.index.clone();
        // Whoever waits until all have left that index does not wait for this.
        drop(served);
        let embedder = self.embedder_of(&index).await?;
        let Some(found) = self.inner.store.document_text(id).await? else { return Ok(false) };
        let DocumentText { title, text, blocks, .. } = found;
        let chunks = self
            .embedded(
                &embedder,
                Uncut { field: "document_id", title, text, blocks, most: usize::MAX },
                &|_| {},
            )
            .await?;
        let (document, index) = (found.document, index.number);
        self.changing(move |runtime| async move {
            let vectors: Vec<Vec<f32>> = chunks.iter().map(|chunk| chunk.vector.clone()).collect();
            let put = runtime.inner.store.put_chunks(document, &found.sha256, index, chunks).await?;
            // Gone, or replaced meanwhile, which made its chunks anew as well.
            let Some(numbers) = put else { return Ok(()) };
            if let Some(served) = runtime.read_served().await?.filter(|served| served.index.number == index) {
                apart(move || served.take(document, None, &numbers, &vectors)).await?;
            }
            Ok(())
        })
        .await?;
        Ok(true)
    }

    pub(super) async fn begin_index(&self, embedder: &Embedder, anew: bool) -> Result<StoredIndex> {
        let (model, dimensions) = (&embedder.model.entry.id, embedder.model.dimensions);
        self.inner.store.begin_index(model, &embedder.fingerprint, dimensions, anew).await
    }

    /// Builds what has to be built.
    async fn build(&self) -> Result<()> {
        let store = &self.inner.store;
        while store.drop_left().await? {
            sleep(PAUSE).await;
        }
        loop {
            let indexes = store.indexes().await?;
            let of = |state| indexes.iter().find(|index| index.state == state);
            let Some(serving) = of(IndexState::Serving) else { return Ok(()) };
            let building = of(IndexState::Building);
            let wanted = self.default_embedder();
            let entry = self.entry(&wanted).await?;
            entry.usable()?;
            let fingerprint = self.fingerprint(entry).await?;
            let is_wanted = |index: &StoredIndex| index.model == wanted && index.fingerprint == fingerprint;
            match building {
                // Built anew, of the same model or of the one that is selected by now.
                Some(building) if is_wanted(building) => {}
                _ if is_wanted(serving) => {
                    if let Some(building) = building {
                        store.leave_index(building.number).await?;
                    }
                    return Ok(());
                }
                _ => {}
            }
            let embedder = self.embedder(&wanted).await?;
            if embedder.fingerprint != fingerprint {
                // Its files have changed and the model in memory is the old one still: the next load brings the new one.
                return Ok(());
            }
            let index = match building.filter(|building| is_wanted(building)) {
                Some(building) => building.clone(),
                None => self.begin_index(&embedder, false).await?,
            };
            tracing::info!(
                model = wanted,
                "the documents are embedded anew; until that is done they are found by vectors of {}",
                serving.model
            );
            if self.fill(&index, &embedder).await? {
                return Ok(());
            }
        }
    }

    /// Brings all documents into an index and lets it serve; `false` where it is not to be built any more.
    async fn fill(&self, index: &StoredIndex, embedder: &Embedder) -> Result<bool> {
        let store = &self.inner.store;
        loop {
            let indexes = store.indexes().await?;
            let is_built = indexes
                .iter()
                .any(|other| other.number == index.number && other.state == IndexState::Building);
            if !is_built {
                return Ok(false);
            }
            let missing = store.not_indexed(index.number, DOCUMENTS).await?;
            if missing.is_empty() && self.switch(index).await? {
                return Ok(true);
            }
            for id in missing {
                if self.inner.closed.load(Relaxed) || self.default_embedder() != index.model {
                    return Ok(false);
                }
                // One that is gone by now is missed by nobody, and one that was replaced is looked for again.
                let Some(found) = store.document_text(&id).await? else { continue };
                let DocumentText { title, text, blocks, .. } = found;
                // A model that takes less makes more chunks of it than it had when it came: it is kept nevertheless, since
                // the index serves only once every document is in it.
                let chunks = self
                    .embedded(
                        embedder,
                        Uncut { field: "text", title, text, blocks, most: usize::MAX },
                        &|_| {},
                    )
                    .await?;
                store.put_chunks(found.document, &found.sha256, index.number, chunks).await?;
            }
        }
    }

    /// Lets an index serve where every document is in it. Searches go on with the one before until this one is read.
    async fn switch(&self, index: &StoredIndex) -> Result<bool> {
        let number = index.number;
        let before = self
            .changing(move |runtime| async move {
                let before = runtime.read_served().await?.as_ref().map(Arc::downgrade);
                if !runtime.inner.store.serve_index(number).await? {
                    return Ok(None);
                }
                let served = runtime.read_index().await?;
                runtime.set_served(served);
                Ok(Some(before))
            })
            .await?;
        let Some(before) = before else { return Ok(false) };
        tracing::info!(model = index.model, "the documents are found by vectors of this model now");
        self.left_by_all(before.unwrap_or_default()).await;
        while self.inner.store.drop_left().await? {
            sleep(PAUSE).await;
        }
        Ok(true)
    }

    /// Waits until nobody searches an index any more; a search that takes longer than a request may is not waited for.
    async fn left_by_all(&self, index: Weak<Served>) {
        let left = async {
            while index.strong_count() > 0 {
                sleep(PAUSE).await;
            }
        };
        if timeout(self.inner.options.deadline, left).await.is_err() {
            tracing::warn!("an index of documents is dropped that is searched still");
        }
    }
}

/// One look; `None` once the runtime is gone.
async fn round(inner: &Weak<Inner>) -> Option<Result<()>> {
    let runtime = Runtime { inner: inner.upgrade()? };
    if runtime.inner.closed.load(Relaxed) {
        return None;
    }
    let outcome = runtime.build().await;
    let problem = outcome.as_ref().err().map(ToString::to_string);
    if let Some(problem) = &problem {
        tracing::warn!(problem, "the documents cannot be embedded with the model that is selected");
    }
    *runtime.inner.documents.problem.write().unwrap_or_else(PoisonError::into_inner) = problem;
    Some(outcome)
}
