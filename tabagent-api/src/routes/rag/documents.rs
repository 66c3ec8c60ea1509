//! Documents that are kept: the list, one of them, and its end.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tabagent_runtime::Runtime;
use tabagent_runtime::documents::Filter;
use tabagent_runtime::store::{DocumentQuery, StoredChunk, StoredDocument};

use super::RagError;
use super::index::RagIndex;
use crate::{ApiError, Component, Json, Path, Query, Schema, route};

/// A document that is kept.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// Always `document`.
    pub object: String,
    /// Its title.
    pub title: Option<String>,
    /// Where it is from.
    pub source: Option<String>,
    /// As what it was read.
    pub media_type: String,
    /// What else is said of it.
    pub metadata: Map<String, Value>,
    /// Bytes of its content.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// Its pages, where it has such.
    pub pages: Option<u32>,
    /// Chunks that are searched.
    pub chunks: u64,
    /// When it came, in seconds since 1970.
    pub created: u64,
    /// When it was changed, in seconds since 1970.
    pub updated: u64,
}

impl From<StoredDocument> for Document {
    fn from(document: StoredDocument) -> Self {
        Self {
            id: document.id,
            object: "document".to_owned(),
            title: document.title,
            source: document.source,
            media_type: document.media_type,
            metadata: document.metadata,
            bytes: document.bytes,
            sha256: document.sha256,
            pages: document.pages,
            chunks: document.chunks,
            created: document.created,
            updated: document.updated,
        }
    }
}

/// A chunk of a document.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct DocumentChunk {
    /// Its place among the chunks, from 0.
    pub index: usize,
    /// The text.
    pub text: String,
    /// The title and the headings above it, the outermost first.
    pub headings: Vec<String>,
    /// Where it begins in the text of the document, in bytes of UTF-8.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Page on which it begins, from 1, where there are pages.
    pub page: Option<u32>,
    /// Tokens of the model that embeds it.
    pub tokens: usize,
}

impl From<StoredChunk> for DocumentChunk {
    fn from(chunk: StoredChunk) -> Self {
        Self {
            index: chunk.position,
            text: chunk.text,
            headings: chunk.headings,
            start: chunk.start,
            end: chunk.end,
            page: chunk.page,
            tokens: chunk.tokens,
        }
    }
}

/// Which part of a list.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct DocumentsQuery {
    /// Most documents; 20 when absent.
    #[rule(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// Id of the document after which the list goes on.
    #[rule(length(min = 1, max = 256))]
    pub after: Option<String>,
    /// A filter, as JSON: see POST /v1/rag/query.
    #[rule(length(min = 1, max = 2_048))]
    pub filters: Option<String>,
}

/// Documents.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct DocumentList {
    /// Always `list`.
    pub object: String,
    /// The newest first.
    pub data: Vec<Document>,
    /// Id of the first one.
    pub first_id: Option<String>,
    /// Id of the last one, after which the next page begins.
    pub last_id: Option<String>,
    /// Whether there are more.
    pub has_more: bool,
    /// The index by which documents are found.
    pub index: RagIndex,
}

/// List the documents.
///
/// The newest first, a page at a time, all or those that pass a filter. `index` tells by which model they are found. Where
/// another one was selected (POST /v1/models/select), documents are embedded anew in the background, and `index` tells how far
/// that is; they are found by the model before until it is done.
#[route(
    GET, "/v1/rag/documents",
    tag = "retrieval",
    tests = [
        case("a page", query = { limit: "1" }, status = 200,
            check = |list: &DocumentList| list.data.len() == 1 && list.has_more && list.last_id == list.first_id),
        case("by metadata", query = { filters: "{\"about\": \"examples\"}", limit: "1000" }, status = 200,
            check = |list: &DocumentList| list.data.iter().any(|document| document.id == "doc_example") && !list.has_more),
        case("a filter that is none", query = { filters: "{\"year\": {\"above\": 3}}" }, problem = RagError::Invalid),
        case("too many", query = { limit: "1001" }, problem = ApiError::RequestInvalid),
        case("after an unknown document", query = { after: "doc_nobody" }, problem = RagError::Invalid),
        untested(NotFound, "GET of a document has it"),
        untested(ModelNotFound, "POST /v1/rag/query has it"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn list_documents(
    runtime: Component<Runtime>,
    Query(query): Query<DocumentsQuery>,
) -> Result<Json<DocumentList>, RagError> {
    let filter = match &query.filters {
        None => Filter::default(),
        Some(text) => {
            let filter: Map<String, Value> = serde_json::from_str(text)
                .map_err(|error| RagError::invalid("filters", format!("is no JSON object: {error}")))?;
            Filter::read("filters", &filter)?
        }
    };
    let limit = query.limit.unwrap_or(20) as usize;
    let wanted = DocumentQuery { after: query.after.clone(), limit: limit + 1, filter };
    let Some(mut found) = runtime.documents(wanted).await? else {
        let after = query.after.unwrap_or_default();
        let reason = format!("there is no document `{after}` here; send `last_id` of the page before");
        return Err(RagError::invalid("after", reason));
    };
    let has_more = found.len() > limit;
    found.truncate(limit);
    let id = |document: Option<&StoredDocument>| document.map(|document| document.id.clone());
    Ok(Json(DocumentList {
        object: "list".to_owned(),
        first_id: id(found.first()),
        last_id: id(found.last()),
        data: found.into_iter().map(Document::from).collect(),
        has_more,
        index: runtime.document_indexes().await?.into(),
    }))
}

/// Which document.
#[derive(Debug, Deserialize, Schema)]
pub struct DocumentPath {
    /// Its id.
    #[rule(length(min = 1, max = 256))]
    pub document_id: String,
}

/// What of a document is shown.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct DocumentQueryParameters {
    /// Parts that are shown as well, with commas between them: `text`, `chunks`.
    #[rule(length(min = 1, max = 64))]
    pub include: Option<String>,
    /// Place of the first chunk that is shown, where `include` has them; 0 when absent.
    #[rule(range(max = 1_000_000))]
    pub chunks_from: Option<u32>,
    /// Most chunks that are shown, where `include` has them; 100 when absent.
    #[rule(range(min = 1, max = 1000))]
    pub chunks_limit: Option<u32>,
}

/// A document with what was asked for.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ShownDocument {
    /// The document.
    pub document: Document,
    /// What was read of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Vec<DocumentChunk>>,
}

/// Show a document.
///
/// With `include`, its text as it was read, and its chunks.
#[route(
    GET, "/v1/rag/documents/{document_id}",
    tag = "retrieval",
    tests = [
        case("one", path = { document_id: "doc_example" }, status = 200,
            check = |shown: &ShownDocument| shown.document.id == "doc_example" && shown.text.is_none() && shown.chunks.is_none()),
        case("with its parts", path = { document_id: "doc_example" }, query = { include: "text,chunks" }, status = 200, check = has_its_parts),
        case("with another part", path = { document_id: "doc_example" }, query = { include: "vectors" }, problem = RagError::Invalid),
        case("a page of its chunks", path = { document_id: "doc_example" }, query = { include: "chunks", chunks_from: "1", chunks_limit: "1" }, status = 200,
            check = |shown: &ShownDocument| shown.chunks.as_ref().is_some_and(|chunks| matches!(&chunks[..], [chunk] if chunk.index == 1))),
        case("a page of chunks that are not shown", path = { document_id: "doc_example" }, query = { chunks_from: "1" }, problem = RagError::Invalid),
        case("unknown", path = { document_id: "doc_nobody" }, problem = RagError::NotFound),
        untested(ModelNotFound, "POST /v1/rag/query has it"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn show_document(
    runtime: Component<Runtime>,
    Path(DocumentPath { document_id }): Path<DocumentPath>,
    Query(query): Query<DocumentQueryParameters>,
) -> Result<Json<ShownDocument>, RagError> {
    let (mut with_text, mut with_chunks) = (false, false);
    for part in query.include.iter().flat_map(|parts| parts.split(',')).map(str::trim) {
        match part {
            "text" => with_text = true,
            "chunks" => with_chunks = true,
            part => {
                let reason =
                    format!("has `{part}`, which is no part of a document; it has `text` and `chunks`");
                return Err(RagError::invalid("include", reason));
            }
        }
    }
    let of_chunks =
        [("chunks_from", query.chunks_from.is_some()), ("chunks_limit", query.chunks_limit.is_some())];
    if let Some((field, _)) = of_chunks.into_iter().find(|(_, given)| *given && !with_chunks) {
        let reason = "is for the chunks; send `chunks` in `include` with it, or leave it out";
        return Err(RagError::invalid(field, reason));
    }
    let Some(document) = runtime.document(&document_id).await? else {
        return Err(RagError::NotFound { document_id });
    };
    let text = match with_text {
        true => runtime.document_text(&document_id).await?.map(|found| found.text),
        false => None,
    };
    let (from, limit) = (query.chunks_from.unwrap_or(0) as usize, query.chunks_limit.unwrap_or(100) as usize);
    let chunks = match with_chunks {
        true => {
            let chunks = runtime.document_chunks(&document_id, from, limit).await?;
            Some(chunks.into_iter().map(DocumentChunk::from).collect())
        }
        false => None,
    };
    Ok(Json(ShownDocument { document: document.into(), text, chunks }))
}

fn has_its_parts(shown: &ShownDocument) -> Result<(), String> {
    let (Some(text), Some(chunks)) = (&shown.text, &shown.chunks) else {
        return Err("a part is missing".to_owned());
    };
    let whole = chunks.iter().all(|chunk| text.get(chunk.start..chunk.end) == Some(&chunk.text));
    if whole && chunks.len() as u64 == shown.document.chunks {
        Ok(())
    } else {
        Err("the chunks are not those of the text".to_owned())
    }
}

/// A document that is gone.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct DeletedDocument {
    /// Its id.
    pub id: String,
    /// Always `document`.
    pub object: String,
    /// Always true.
    pub deleted: bool,
}

/// Delete a document.
///
/// With its chunks and their vectors: it is found no more when the answer comes.
#[route(
    DELETE, "/v1/rag/documents/{document_id}",
    tag = "retrieval",
    tests = [
        case("one", path = { document_id: "doc_to_delete" }, status = 200,
            check = |deleted: &DeletedDocument| deleted.deleted && deleted.id == "doc_to_delete"),
        case("unknown", path = { document_id: "doc_nobody" }, problem = RagError::NotFound),
        untested(Invalid, "GET of a document has it"),
        untested(ModelNotFound, "POST /v1/rag/query has it"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn delete_document(
    runtime: Component<Runtime>,
    Path(DocumentPath { document_id }): Path<DocumentPath>,
) -> Result<Json<DeletedDocument>, RagError> {
    if !runtime.drop_document(&document_id).await? {
        return Err(RagError::NotFound { document_id });
    }
    Ok(Json(DeletedDocument { id: document_id, object: "document".to_owned(), deleted: true }))
}
