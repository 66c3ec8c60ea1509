//! Ingest: a document is read, cut, embedded and kept.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{super::Runtime, INGESTS, LARGE, RETRY, cut::Uncut, serving::Embedder};
use crate::{
    compute::compute,
    documents::parse::{MediaType, Parsed, parse},
    error::{BackendError, Result},
    store::{DocumentChanges, NewDocument, PutOutcome, StoredDocument},
};

/// Chunks of one document, which are kept in one transaction.
const MOST_CHUNKS: usize = 20_000;
/// Bytes of the text of one document.
const MOST_TEXT: usize = 32 << 20;
/// Longest time for one document; less than the route has for it, so that this says what took so long.
const DEADLINE: Duration = Duration::from_secs(29 * 60);

/// A document that is brought in.
#[derive(Debug, Clone, Default)]
pub struct IngestRequest {
    /// Its id, chosen by the client; what stands under it is replaced. One made of the content where there is none.
    pub id: Option<String>,
    /// The content.
    pub content: DocumentContent,
    /// Media type, as it was declared.
    pub media_type: Option<String>,
    /// Name of its file.
    pub file_name: Option<String>,
    /// Title; the document's own where there is none, and else the name of its file.
    pub title: Option<String>,
    /// Where it is from.
    pub source: Option<String>,
    /// What is said of it.
    pub metadata: Option<Map<String, Value>>,
}

/// What a document holds.
#[derive(Debug, Clone)]
pub enum DocumentContent {
    /// A text.
    Text(String),
    /// The bytes of a file, and the request's field that they came in.
    Bytes(Vec<u8>, &'static str),
}

impl DocumentContent {
    /// The request's field that it came in.
    fn field(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Bytes(_, field) => field,
        }
    }

    /// Its bytes.
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes, _) => bytes.len(),
        }
    }
}

impl Default for DocumentContent {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    /// The document, as it is kept.
    pub document: StoredDocument,
    /// What was done.
    pub outcome: PutOutcome,
}

/// What is being done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestStage {
    /// It waits for others.
    #[default]
    Waiting,
    /// Its text is read.
    Reading,
    /// Its chunks are embedded.
    Embedding,
    /// It is stored.
    Storing,
}

/// How far a document is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct IngestProgress {
    /// What is being done.
    pub stage: IngestStage,
    /// Chunks that are embedded.
    pub done: usize,
    /// All chunks, once they are known.
    pub total: usize,
}

/// Told of each step.
pub(super) type Told<'a> = dyn Fn(IngestProgress) + Sync + 'a;

impl Runtime {
    /// Brings a document in: when this returns it is kept and found. The same content again changes what is said of it, and
    /// nothing else. `told` hears how far it is. Dropping the future cancels, unless the document is being kept already.
    ///
    /// # Errors
    /// - [`BackendError::InvalidInput`]: it cannot be read, has no text, or is too long.
    /// - [`BackendError::ResourceLimitExceeded`]: too many wait.
    /// - [`BackendError::EmbeddingModelNotAvailable`]: the model of the index is gone.
    /// - Those of [`Runtime::embed`] and of [`crate::store::Store`].
    pub async fn ingest(
        &self,
        request: IngestRequest,
        told: impl Fn(IngestProgress) + Sync,
    ) -> Result<Ingested> {
        self.keep_documents_current();
        let field = request.content.field();
        let last = Mutex::new(IngestProgress::default());
        let told = |progress| {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = progress;
            told(progress);
        };
        match timeout(DEADLINE, self.ingest_whole(request, &told)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(late(field, *last.lock().unwrap_or_else(PoisonError::into_inner))),
        }
    }

    async fn ingest_whole(&self, request: IngestRequest, told: &Told<'_>) -> Result<Ingested> {
        let documents = &self.inner.documents;
        told(IngestProgress::default());
        let _place = documents.place(request.content.len()).await?;
        told(IngestProgress { stage: IngestStage::Reading, ..IngestProgress::default() });
        let IngestRequest { id, content, media_type, file_name, title, source, metadata } = request;
        let field = content.field();
        let content = match content {
            DocumentContent::Text(text) => text.into_bytes(),
            DocumentContent::Bytes(bytes, _) => bytes,
        };
        let kind = MediaType::of(media_type.as_deref(), file_name.as_deref(), &content)?;
        let (content, sha256) = compute(&documents.workers, content.len(), move |_| {
            let sum = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            Ok((content, sum))
        })
        .await?;
        let source = source.or_else(|| file_name.clone());
        let store = &self.inner.store;
        let found = match &id {
            Some(id) => store.document(id).await?,
            None => store.document_of(&sha256, kind.name()).await?,
        };
        // What is said of a document stays where other content takes its place.
        let said = found.as_ref().map(|found| found.metadata.clone());
        let before = found.filter(|found| found.sha256 == sha256 && found.media_type == kind.name());
        // A title is embedded with each chunk: another one makes other vectors.
        let same_title = |found: &StoredDocument| title.is_none() || title == found.title;
        if let Some(found) = before.as_ref().filter(|found| same_title(found)) {
            return self.unchanged(found, DocumentChanges { source, metadata }).await;
        }
        let chosen = id.is_some() || before.is_some();
        let (bytes, media_type) = (content.len() as u64, kind.name().to_owned());
        let readers = if kind == MediaType::Pdf { &documents.pdfs } else { &documents.workers };
        let reader = self.inner.options.pdf_reader.clone();
        let Parsed { text, blocks, title: own_title, pages } = compute(readers, LARGE, move |abandoned| {
            parse(field, &content, &kind, reader.as_ref(), abandoned)
        })
        .await?;
        if text.is_empty() {
            let reason = "has no text; a scanned page has to go through text recognition first";
            return Err(BackendError::invalid(field, reason));
        }
        if text.len() > MOST_TEXT {
            let reason = format!("has {} bytes of text and {MOST_TEXT} are taken; part it", text.len());
            return Err(BackendError::invalid(field, reason));
        }
        // A name often says what a text is about that has no title: a question names the program, the file is named after it.
        let title = title.or(own_title).or(file_name);
        let (id, source, metadata) = match before {
            Some(found) => (found.id, source.or(found.source), metadata.unwrap_or(found.metadata)),
            None => {
                let id = id.unwrap_or_else(|| format!("doc_{}", &sha256[..24]));
                (id, source, metadata.or(said).unwrap_or_default())
            }
        };
        let document = NewDocument {
            id,
            sha256,
            title: title.clone(),
            source: source.clone(),
            media_type,
            metadata: metadata.clone(),
            bytes,
            pages,
            text: text.clone(),
            blocks: blocks.clone(),
            chosen,
        };
        let uncut = Uncut { field, title, text, blocks, most: MOST_CHUNKS };
        let put = loop {
            let (index, embedder, makes_vectors) = self.index_for_ingest().await?;
            let chunks = if makes_vectors {
                self.embedded(&embedder, uncut.clone(), told).await?
            } else {
                let prepared = self.prepared(&embedder, uncut.clone()).await?;
                prepared.into_iter().map(|(chunk, _)| chunk).collect()
            };
            told(IngestProgress { stage: IngestStage::Storing, done: chunks.len(), total: chunks.len() });
            if let Some(put) = self.keep_document(document.clone(), index, chunks).await? {
                break put;
            }
            // Another index serves since the document was embedded, and this one is left: it comes into that one.
        };
        if put.outcome == PutOutcome::Unchanged {
            // Somebody else brought the same in the meantime.
            return self.unchanged(&put.document, DocumentChanges { source, metadata: Some(metadata) }).await;
        }
        Ok(Ingested { document: put.document, outcome: put.outcome })
    }

    async fn unchanged(&self, found: &StoredDocument, changes: DocumentChanges) -> Result<Ingested> {
        let outcome = PutOutcome::Unchanged;
        let says_more = changes.source.as_ref().is_some_and(|source| Some(source) != found.source.as_ref())
            || changes.metadata.as_ref().is_some_and(|metadata| *metadata != found.metadata);
        if !says_more {
            return Ok(Ingested { document: found.clone(), outcome });
        }
        let changed = self.inner.store.change_document(&found.id, changes).await?;
        // One that was deleted meanwhile is as good as brought in before that.
        Ok(Ingested { document: changed.unwrap_or_else(|| found.clone()), outcome })
    }

    /// The index that documents come into, the model that cuts them, and whether that makes its vectors as well. The first
    /// document begins an index of the model that is selected.
    ///
    /// Where the model of the index is gone, the one that is selected cuts documents; they are found by their words until its
    /// own index serves.
    async fn index_for_ingest(&self) -> Result<(i64, Embedder, bool)> {
        let selected = self.default_embedder();
        let index = match self.served().await? {
            Some(served) => served.index.clone(),
            None => self.begin_index(&self.embedder(&selected).await?, false).await?,
        };
        match self.embedder_of(&index).await {
            Ok(embedder) => Ok((index.number, embedder, true)),
            Err(BackendError::EmbeddingModelNotAvailable { .. }) => {
                Ok((index.number, self.embedder(&selected).await?, false))
            }
            Err(error) => Err(error),
        }
    }
}

/// Why a document was not kept in time.
fn late(field: &str, IngestProgress { stage, done, total }: IngestProgress) -> BackendError {
    if stage == IngestStage::Waiting {
        return BackendError::ResourceLimitExceeded {
            resource: "what is ingested at the same time".to_owned(),
            limit: INGESTS as u64,
            current: INGESTS as u64,
            retry_after: RETRY,
        };
    }
    let minutes = DEADLINE.as_secs() / 60;
    let reason = match total {
        0 => format!(
            "was not read within {minutes} minutes; part it, or bring it in while less is done beside it"
        ),
        total => format!(
            "was not embedded within {minutes} minutes, {done} of its {total} chunks were; part it, or select a model that \
             is faster with POST /v1/models/select"
        ),
    };
    BackendError::invalid(field, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_takes_too_long_is_told_what_took_so_long() {
        let at = |stage, done, total| late("file", IngestProgress { stage, done, total });
        assert!(matches!(at(IngestStage::Waiting, 0, 0), BackendError::ResourceLimitExceeded { .. }));
        let BackendError::InvalidInput { field, reason, .. } = at(IngestStage::Embedding, 64, 900) else {
            panic!("another failure");
        };
        assert_eq!(field, "file");
        assert!(reason.contains("64 of its 900 chunks"), "{reason}");
    }
}
