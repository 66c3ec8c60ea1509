//! Documents as they are kept: their text, their chunks, and the vectors of those.
//!
//! Chunks belong to a vector index, since their size is in tokens of its model. One index serves; another one may be built
//! beside it, of another model, and takes its place once every document is in it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::StoreFuture;
use crate::documents::{Block, Filter};

/// A document, without its text.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDocument {
    /// Its number in the store, never given twice.
    pub number: i64,
    /// Its id.
    pub id: String,
    /// SHA-256 of its content as it came, in hexadecimal.
    pub sha256: String,
    /// Its title, as the client or the document itself says it.
    pub title: Option<String>,
    /// Where it is from, as the client says it.
    pub source: Option<String>,
    /// Media type by which it was read.
    pub media_type: String,
    /// What the client says of it.
    pub metadata: Map<String, Value>,
    /// Bytes of its content as it came.
    pub bytes: u64,
    /// Pages, where it has such.
    pub pages: Option<u32>,
    /// When it came, in seconds since 1970.
    pub created: u64,
    /// When it was changed, in seconds since 1970.
    pub updated: u64,
    /// Chunks in the index that serves.
    pub chunks: u64,
}

/// A document to be kept.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields of StoredDocument")]
pub struct NewDocument {
    pub id: String,
    pub sha256: String,
    pub title: Option<String>,
    pub source: Option<String>,
    pub media_type: String,
    pub metadata: Map<String, Value>,
    pub bytes: u64,
    pub pages: Option<u32>,
    /// What was read of it.
    pub text: String,
    /// How that is made up.
    pub blocks: Vec<Block>,
    /// Whether the client chose the id, so that what stands under it is replaced.
    pub chosen: bool,
}

/// What is said of a document beside its content; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields of StoredDocument")]
pub struct DocumentChanges {
    pub source: Option<String>,
    pub metadata: Option<Map<String, Value>>,
}

/// What was read of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentText {
    /// Number of the document.
    pub document: i64,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Its title.
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// How it is made up.
    pub blocks: Vec<Block>,
}

/// A chunk with its vector, to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChunk {
    /// The text.
    pub text: String,
    /// The headings above it, the outermost first.
    pub headings: Vec<String>,
    /// Where it begins in the text of its document, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Page on which it begins, from 1.
    pub page: Option<u32>,
    /// Its tokens.
    pub tokens: usize,
    /// Its vector.
    pub vector: Vec<f32>,
}

/// A chunk, as it is kept.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields of NewChunk")]
pub struct StoredChunk {
    /// Its number in the store, never given twice.
    pub number: i64,
    /// Id of its document.
    pub document: String,
    /// Title of the document.
    pub title: Option<String>,
    /// Source of the document.
    pub source: Option<String>,
    /// What the client says of the document.
    pub metadata: Map<String, Value>,
    /// Its place among the chunks of the document, from 0.
    pub position: usize,
    pub text: String,
    pub headings: Vec<String>,
    pub start: usize,
    pub end: usize,
    pub page: Option<u32>,
    pub tokens: usize,
}

impl StoredChunk {
    /// What clients know it by: its document, and its place there.
    pub fn id(&self) -> String {
        format!("{}#{}", self.document, self.position)
    }
}

/// What became of a document that was to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct PutDocument {
    /// The document, as it is kept now.
    pub document: StoredDocument,
    /// What was done.
    pub outcome: PutOutcome,
    /// Numbers of its new chunks, in their order; empty where it was there before.
    pub chunks: Vec<i64>,
}

/// What was done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PutOutcome {
    /// It was not there before.
    Created,
    /// Its content took the place of another one.
    Replaced,
    /// It was there.
    Unchanged,
}

/// Where an index of vectors stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexState {
    /// Documents come into it, and it is not searched.
    Building,
    /// It is searched.
    Serving,
    /// Another one took its place; it is being deleted.
    Left,
}

/// An index of vectors: those of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredIndex {
    /// Its number in the store, never given twice.
    pub number: i64,
    /// Id of the model.
    pub model: String,
    /// What tells this model from another one of the same id.
    pub fingerprint: String,
    /// Length of the vectors.
    pub dimensions: usize,
    /// Where it stands.
    pub state: IndexState,
}

/// How many documents there are, and how many of them are in an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexProgress {
    /// Documents in the index.
    pub indexed: u64,
    /// All documents.
    pub documents: u64,
}

/// A vector of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredVector {
    /// Number of the chunk.
    pub chunk: i64,
    /// Number of its document.
    pub document: i64,
    /// The vector.
    pub vector: Vec<f32>,
}

/// Which documents are listed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentQuery {
    /// Id of the document after which the list goes on.
    pub after: Option<String>,
    /// Most documents.
    pub limit: usize,
    /// Only those that pass.
    pub filter: Filter,
}

/// Keeps documents. It fails as [`super::Store`] does.
///
/// A document with its chunks and their vectors is kept in one transaction: whole, or not at all.
pub trait DocumentStore: Send + Sync {
    /// A document by its id.
    fn document(&self, id: &str) -> StoreFuture<'_, Option<StoredDocument>>;

    /// The oldest document of this content.
    fn document_of(&self, sha256: &str, media_type: &str) -> StoreFuture<'_, Option<StoredDocument>>;

    /// What was read of a document.
    fn document_text(&self, id: &str) -> StoreFuture<'_, Option<DocumentText>>;

    /// Chunks of a document in the index that serves, from a position on.
    fn document_chunks(&self, id: &str, from: usize, limit: usize) -> StoreFuture<'_, Vec<StoredChunk>>;

    /// Documents, the newest first; `None` where the one after which the list is to go on is not there.
    fn documents(&self, query: DocumentQuery) -> StoreFuture<'_, Option<Vec<StoredDocument>>>;

    /// Keeps a document with its chunks in an index. Where the same content is there under the same id, or under any where
    /// the client chose none, nothing is changed. Whatever else stands under its id is replaced, in every index. `None`
    /// where the index is gone.
    fn put_document(
        &self,
        document: NewDocument,
        index: i64,
        chunks: Vec<NewChunk>,
    ) -> StoreFuture<'_, Option<PutDocument>>;

    /// Changes what is said of a document; `None` where there is none of this id.
    fn change_document(&self, id: &str, changes: DocumentChanges) -> StoreFuture<'_, Option<StoredDocument>>;

    /// Drops a document with its chunks and vectors; its number where there was one.
    fn delete_document(&self, id: &str) -> StoreFuture<'_, Option<i64>>;

    /// All indexes.
    fn indexes(&self) -> StoreFuture<'_, Vec<StoredIndex>>;

    /// Begins an index: one that serves where there is none that does, else one that is built beside it. Another one that is
    /// being built is left. Where one of this model and fingerprint serves or is built, that is the answer, unless it is to
    /// be built `anew`.
    fn begin_index(
        &self,
        model: &str,
        fingerprint: &str,
        dimensions: usize,
        anew: bool,
    ) -> StoreFuture<'_, StoredIndex>;

    /// Leaves an index that is being built.
    fn leave_index(&self, index: i64) -> StoreFuture<'_, ()>;

    /// Drops a part of what left indexes hold; whether there is more.
    fn drop_left(&self) -> StoreFuture<'_, bool>;

    /// Lets an index that is being built serve in place of the one that does, in one transaction, where every document is in
    /// it; whether it serves.
    fn serve_index(&self, index: i64) -> StoreFuture<'_, bool>;

    /// How many documents are in an index.
    fn index_progress(&self, index: i64) -> StoreFuture<'_, IndexProgress>;

    /// Ids of documents that are not in an index.
    fn not_indexed(&self, index: i64, limit: usize) -> StoreFuture<'_, Vec<String>>;

    /// Keeps chunks of a document in an index, in place of those that it has there; their numbers. `None` where the document
    /// or the index is gone, or the document has another content by now.
    fn put_chunks(
        &self,
        document: i64,
        sha256: &str,
        index: i64,
        chunks: Vec<NewChunk>,
    ) -> StoreFuture<'_, Option<Vec<i64>>>;

    /// Vectors of an index in the order of their chunks, after a chunk.
    fn vectors(&self, index: i64, after: i64, limit: usize) -> StoreFuture<'_, Vec<StoredVector>>;

    /// Numbers of the documents that pass.
    fn passing(&self, filter: Filter) -> StoreFuture<'_, Vec<i64>>;

    /// Chunks of an index that have words of a text, the best first by BM25, and their scores, of which larger is better.
    fn keywords(
        &self,
        index: i64,
        text: &str,
        filter: Filter,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(i64, f64)>>;

    /// Chunks by their numbers, in any order; those that are gone are left out.
    fn chunks(&self, numbers: Vec<i64>) -> StoreFuture<'_, Vec<StoredChunk>>;
}
