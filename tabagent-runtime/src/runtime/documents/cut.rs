//! The chunks of a document, and their vectors: a text is cut for the model of an index, and embedded by it.

use std::sync::Arc;

use super::{
    super::{Runtime, encoders::Role},
    LARGE,
    ingest::{IngestProgress, IngestStage, Told},
    serving::Embedder,
};
use crate::{
    compute::compute,
    documents::{
        Block,
        chunk::{Chunk, ChunkSize, chunks},
    },
    embed::loaded::Loaded,
    error::{BackendError, Result},
    store::NewChunk,
};

/// Tokens of a chunk, where its model takes as many.
const TOKENS: usize = 256;
/// Tokens that neighbours share at most.
const OVERLAP: usize = 32;
/// Tokens of the headings that are embedded with a chunk, at most.
const CONTEXT: usize = 48;
/// Chunks that are embedded at once.
const BATCH: usize = 64;

/// A text that is to be cut.
#[derive(Clone)]
pub(super) struct Uncut {
    /// The request's field that it came in.
    pub(super) field: &'static str,
    pub(super) title: Option<String>,
    pub(super) text: String,
    pub(super) blocks: Vec<Block>,
    /// Most chunks of it.
    pub(super) most: usize,
}

impl Runtime {
    /// The chunks of a text with their vectors.
    pub(super) async fn embedded(
        &self,
        embedder: &Embedder,
        uncut: Uncut,
        told: &Told<'_>,
    ) -> Result<Vec<NewChunk>> {
        let field = uncut.field;
        let prepared = self.prepared(embedder, uncut).await?;
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
    pub(super) async fn prepared(
        &self,
        embedder: &Embedder,
        uncut: Uncut,
    ) -> Result<Vec<(NewChunk, String)>> {
        let model = Arc::clone(&embedder.model);
        compute(&self.inner.documents.workers, LARGE, move |abandoned| {
            let stopped = || abandoned.is_set();
            cut(&model, &uncut, &stopped)
        })
        .await
    }
}

/// The chunks of a text without their vectors, and what is embedded of each. Blocks.
fn cut(
    model: &Loaded,
    Uncut { field, title, text, blocks, most }: &Uncut,
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<(NewChunk, String)>> {
    let count = |text: &str| model.tokenizer.count(field, text, stopped);
    let room = model.room(Role::Document)?;
    // Of a model with a short input the headings take no more than a quarter.
    let context = CONTEXT.min(room / 4);
    let tokens = TOKENS.min(room - context).max(1);
    let size = ChunkSize { tokens, overlap: OVERLAP.min(tokens / 4) };
    let found = chunks(text, blocks, size, &count)?;
    // An index serves only once it has every document, and one without a chunk is in none.
    if found.is_empty() {
        return Err(BackendError::invalid(*field, "has no text"));
    }
    if found.len() > *most {
        let reason = format!("has {} chunks and {most} are kept of a document; part it", found.len());
        return Err(BackendError::invalid(*field, reason));
    }
    // Chunks of one section stand under the same headings.
    let mut last: Option<(Vec<String>, usize, Option<String>)> = None;
    found
        .into_iter()
        .map(|chunk| {
            let above = above(title.as_deref(), &chunk);
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

/// The title and the headings above a chunk, each once and a line each.
fn above(title: Option<&str>, chunk: &Chunk) -> Vec<String> {
    let title = title.map(|title| title.lines().collect::<Vec<_>>().join(" "));
    let title = title.filter(|title| chunk.headings.first().is_none_or(|first| first != title));
    title.into_iter().chain(chunk.headings.iter().cloned()).collect()
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
