//! Ingest: a document is read, cut, embedded and kept.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{
    super::{Runtime, encoders::Role},
    Waits,
    serving::Embedder,
};
use crate::{
    compute::compute,
    documents::{
        Block,
        chunk::{Chunk, ChunkSize, chunks},
        parse::{MediaType, Parsed, parse},
    },
    embed::loaded::Loaded,
    error::{BackendError, Result},
    store::{DocumentChanges, NewChunk, NewDocument, PutOutcome, StoredDocument},
};

/// Tokens of a chunk, where its model takes as many.
const TOKENS: usize = 256;
/// Tokens that neighbours share at most.
const OVERLAP: usize = 32;
/// Tokens of the headings that are embedded with a chunk, at most.
const CONTEXT: usize = 48;
/// Chunks of one document, which are kept in one transaction.
const MOST_CHUNKS: usize = 20_000;
/// Bytes of the text of one document.
const MOST_TEXT: usize = 32 << 20;
/// Chunks that are embedded at once.
const BATCH: usize = 64;
/// Longest time for one document.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// Work for the pool of blocking threads, whatever its size.
const LARGE: usize = usize::MAX;

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
        match timeout(DEADLINE, self.ingest_whole(request, &told)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(BackendError::GenerationTimeout { seconds: DEADLINE.as_secs_f64() }),
        }
    }

    async fn ingest_whole(&self, request: IngestRequest, told: &Told<'_>) -> Result<Ingested> {
        let documents = &self.inner.documents;
        told(IngestProgress::default());
        let waits = Waits::enter(&documents.waiting)?;
        let _place = documents
            .ingests
            .acquire()
            .await
            .map_err(|_| BackendError::internal("the queue of documents is closed"))?;
        drop(waits);
        told(IngestProgress { stage: IngestStage::Reading, ..IngestProgress::default() });
        let IngestRequest { id, content, media_type, file_name, title, source, metadata } = request;
        let (content, field) = match content {
            DocumentContent::Text(text) => (text.into_bytes(), "text"),
            DocumentContent::Bytes(bytes, field) => (bytes, field),
        };
        let kind = MediaType::of(media_type.as_deref(), file_name.as_deref(), &content)?;
        let (content, sha256) = compute(&documents.workers, content.len(), move |_| {
            let sum = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            Ok((content, sum))
        })
        .await?;
        let source = source.or_else(|| file_name.clone());
        let store = &self.inner.store;
        let before = match &id {
            Some(id) => {
                let found = store.document(id).await?;
                found.filter(|found| found.sha256 == sha256 && found.media_type == kind.name())
            }
            None => store.document_of(&sha256, kind.name()).await?,
        };
        // A title is embedded with each chunk: another one makes other vectors.
        let same_title = |found: &StoredDocument| title.is_none() || title == found.title;
        if let Some(found) = before.as_ref().filter(|found| same_title(found)) {
            return self.unchanged(found, DocumentChanges { source, metadata }).await;
        }
        let chosen = id.is_some() || before.is_some();
        let (bytes, media_type) = (content.len() as u64, kind.name().to_owned());
        let Parsed { text, blocks, title: own_title, pages } =
            compute(&documents.workers, LARGE, move |abandoned| parse(field, &content, &kind, abandoned))
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
                (id, source, metadata.unwrap_or_default())
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
        let put = loop {
            let (index, embedder, makes_vectors) = self.index_for_ingest().await?;
            let (title, text, blocks) = (title.clone(), text.clone(), blocks.clone());
            let chunks = if makes_vectors {
                self.embedded(field, &embedder, title, text, blocks, told).await?
            } else {
                let prepared = self.prepared(field, &embedder, title, text, blocks).await?;
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

    /// The chunks of a text with their vectors.
    pub(super) async fn embedded(
        &self,
        field: &'static str,
        embedder: &Embedder,
        title: Option<String>,
        text: String,
        blocks: Vec<Block>,
        told: &Told<'_>,
    ) -> Result<Vec<NewChunk>> {
        let prepared = self.prepared(field, embedder, title, text, blocks).await?;
        let total = prepared.len();
        let mut chunks = Vec::with_capacity(total);
        let mut waiting = prepared.into_iter();
        loop {
            told(IngestProgress { stage: IngestStage::Embedding, done: chunks.len(), total });
            let (mut batch, mut texts): (Vec<NewChunk>, Vec<String>) = waiting.by_ref().take(BATCH).unzip();
            if batch.is_empty() {
                return Ok(chunks);
            }
            // What the model has no token for has no vector, and is found by its words alone.
            let mut known = batch.iter().map(|chunk| chunk.tokens > 0);
            texts.retain(|_| known.next() == Some(true));
            let vectors = if texts.is_empty() {
                Vec::new()
            } else {
                self.embed_as(&embedder.model, Role::Document, field, texts, false).await?.rows
            };
            let with_vectors = batch.iter_mut().filter(|chunk| chunk.tokens > 0);
            with_vectors.zip(vectors).for_each(|(chunk, vector)| chunk.vector = vector);
            chunks.append(&mut batch);
        }
    }

    /// The chunks of a text without their vectors, and what is embedded of each.
    async fn prepared(
        &self,
        field: &'static str,
        embedder: &Embedder,
        title: Option<String>,
        text: String,
        blocks: Vec<Block>,
    ) -> Result<Vec<(NewChunk, String)>> {
        let model = Arc::clone(&embedder.model);
        compute(&self.inner.documents.workers, LARGE, move |abandoned| {
            let stopped = || abandoned.is_set();
            cut(field, &model, title.as_deref(), &text, &blocks, &stopped)
        })
        .await
    }
}

/// The chunks of a text without their vectors, and what is embedded of each. Blocks.
fn cut(
    field: &str,
    model: &Loaded,
    title: Option<&str>,
    text: &str,
    blocks: &[Block],
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<(NewChunk, String)>> {
    let count = |text: &str| model.tokenizer.count(field, text, stopped);
    let room = model.room(Role::Document)?;
    // Of a model with a short input the headings take no more than a quarter.
    let context = CONTEXT.min(room / 4);
    let tokens = TOKENS.min(room - context).max(1);
    let size = ChunkSize { tokens, overlap: OVERLAP.min(tokens / 4) };
    let found = chunks(text, blocks, size, &count)?;
    if found.len() > MOST_CHUNKS {
        let reason = format!("has {} chunks and {MOST_CHUNKS} are kept of a document; part it", found.len());
        return Err(BackendError::invalid(field, reason));
    }
    // Chunks of one section stand under the same headings.
    let mut last: Option<(Vec<String>, usize, Option<String>)> = None;
    found
        .into_iter()
        .map(|chunk| {
            let above = above(title, &chunk);
            let own = text.get(chunk.range.clone()).unwrap_or_default();
            let known =
                last.as_ref().filter(|(headings, own, _)| *headings == above && *own == chunk.own_headings);
            let in_front = match known {
                Some((_, _, known)) => known.clone(),
                None => {
                    let made = context_of(&above, chunk.own_headings, context, &count)?;
                    last = Some((above.clone(), chunk.own_headings, made.clone()));
                    made
                }
            };
            let embedded = match in_front {
                Some(context) => format!("{context}\n{own}"),
                None => own.to_owned(),
            };
            let kept = NewChunk {
                text: own.to_owned(),
                headings: above,
                start: chunk.range.start,
                end: chunk.range.end,
                page: chunk.page,
                tokens: chunk.tokens,
                vector: Vec::new(),
            };
            Ok((kept, embedded))
        })
        .collect()
}

/// The title and the headings above a chunk, each once.
fn above(title: Option<&str>, chunk: &Chunk) -> Vec<String> {
    let title = title.filter(|title| chunk.headings.first().is_none_or(|first| first != title));
    title.map(str::to_owned).into_iter().chain(chunk.headings.iter().cloned()).collect()
}

/// What is embedded in front of a chunk: the headings that it does not begin with itself, as many of the inner ones as have
/// room.
fn context_of(
    above: &[String],
    own: usize,
    most: usize,
    count: &impl Fn(&str) -> Result<usize>,
) -> Result<Option<String>> {
    let outer = &above[..above.len().saturating_sub(own)];
    for first in 0..outer.len() {
        let context = outer[first..].join(" > ");
        // A heading of a page is not worth the time that counting it takes.
        if context.len() <= most.saturating_mul(16) && count(&context)? <= most {
            return Ok(Some(context));
        }
    }
    Ok(None)
}
