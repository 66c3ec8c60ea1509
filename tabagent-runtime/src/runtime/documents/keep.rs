//! Keeping, listing and dropping documents: each change of the store, and the same change of the vectors in memory.

use super::super::Runtime;
use crate::{
    error::{BackendError, Result},
    store::{
        DocumentQuery, DocumentText, NewChunk, NewDocument, PutDocument, PutOutcome, StoredChunk,
        StoredDocument,
    },
};

impl Runtime {
    /// Keeps a document in an index; `None` where that was left, and nothing is kept.
    pub(super) async fn keep_document(
        &self,
        document: NewDocument,
        index: i64,
        chunks: Vec<NewChunk>,
    ) -> Result<Option<PutDocument>> {
        self.changing(move |runtime| async move {
            let store = &runtime.inner.store;
            let vectors: Vec<Vec<f32>> = chunks.iter().map(|chunk| chunk.vector.clone()).collect();
            let before = store.document(&document.id).await?.map(|found| found.number);
            let Some(put) = store.put_document(document, index, chunks).await? else { return Ok(None) };
            if put.outcome == PutOutcome::Unchanged {
                return Ok(Some(put));
            }
            if let Some(served) = runtime.read_served().await? {
                let (number, chunks) = (put.document.number, put.chunks.clone());
                apart(move || {
                    if served.index.number == index {
                        return served.take(number, before, &chunks, &vectors);
                    }
                    // It came into an index that does not serve; what it replaced is found no more.
                    before.into_iter().for_each(|before| served.remove(before));
                    Ok(())
                })
                .await?;
            }
            Ok(Some(put))
        })
        .await
    }

    /// Drops a document with its chunks and vectors; whether there was one.
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn drop_document(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.changing(move |runtime| async move {
            let Some(number) = runtime.inner.store.delete_document(&id).await? else { return Ok(false) };
            if let Some(served) = runtime.read_served().await? {
                apart(move || {
                    served.remove(number);
                    Ok(())
                })
                .await?;
            }
            Ok(true)
        })
        .await
    }

    /// A document.
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn document(&self, id: &str) -> Result<Option<StoredDocument>> {
        self.inner.store.document(id).await
    }

    /// Documents, the newest first; `None` where the one after which the list is to go on is not there.
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn documents(&self, query: DocumentQuery) -> Result<Option<Vec<StoredDocument>>> {
        self.inner.store.documents(query).await
    }

    /// What was read of a document.
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn document_text(&self, id: &str) -> Result<Option<DocumentText>> {
        self.inner.store.document_text(id).await
    }

    /// Chunks of a document, from a position on.
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn document_chunks(&self, id: &str, from: usize, limit: usize) -> Result<Vec<StoredChunk>> {
        self.inner.store.document_chunks(id, from, limit).await
    }

    /// Does a change of the store and of the vectors, one after the other, in a task of its own: a caller that leaves must not
    /// part them. Where it fails nobody knows what was done, and the vectors are read again when they are needed next.
    pub(super) async fn changing<T: Send + 'static, F>(
        &self,
        change: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let runtime = self.clone();
        let changed = tokio::spawn(async move {
            let _one_by_one = runtime.inner.documents.change.lock().await;
            let outcome = change(runtime.clone()).await;
            if outcome.is_err() {
                runtime.set_served(None);
            }
            outcome
        });
        changed
            .await
            .map_err(|error| BackendError::internal(format!("a change of documents ended early: {error}")))?
    }
}

/// Changes vectors in memory, off the threads that serve requests: a search that runs holds them for its time.
pub(super) async fn apart(change: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    tokio::task::spawn_blocking(change)
        .await
        .map_err(|error| BackendError::internal(format!("a change of vectors ended early: {error}")))?
}
