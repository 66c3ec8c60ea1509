//! The index of the documents: how it stands, and building it anew.

use serde::{Deserialize, Serialize};
use tabagent_runtime::{DocumentIndexState, DocumentIndexes, IndexReport, Runtime};

use super::RagError;
use crate::{ApiError, Component, Json, Schema, route};

/// The index of the documents.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RagIndex {
    /// Always `index`.
    pub object: String,
    /// Whether every document is found by vectors of the model that is selected.
    pub state: RagIndexState,
    /// Id of the model that is selected for embeddings, whose index this is or becomes.
    pub model: String,
    /// The index that is searched; null where there are no documents yet.
    pub serving: Option<RagIndexReport>,
    /// The one that is built beside it.
    pub building: Option<RagIndexReport>,
    /// Why the last try to build it failed, where it did. It is tried again.
    pub problem: Option<String>,
}

/// Where the index of the documents stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum RagIndexState {
    /// It is whole, and of the model that is selected.
    Current,
    /// Another one is built, and this one is searched until that is whole.
    Building,
}

/// An index, and what is in it.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RagIndexReport {
    /// Id of its model.
    pub model: String,
    /// Length of its vectors.
    pub dimensions: usize,
    /// Documents that are in it.
    pub indexed: u64,
    /// All documents.
    pub documents: u64,
}

impl From<DocumentIndexes> for RagIndex {
    fn from(indexes: DocumentIndexes) -> Self {
        Self {
            object: "index".to_owned(),
            state: match indexes.state {
                DocumentIndexState::Current => RagIndexState::Current,
                DocumentIndexState::Building => RagIndexState::Building,
            },
            model: indexes.model,
            serving: indexes.serving.map(RagIndexReport::from),
            building: indexes.building.map(RagIndexReport::from),
            problem: indexes.problem,
        }
    }
}

impl From<IndexReport> for RagIndexReport {
    fn from(IndexReport { model, dimensions, progress }: IndexReport) -> Self {
        Self { model, dimensions, indexed: progress.indexed, documents: progress.documents }
    }
}

/// What is to be built anew.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ReindexRequest {
    /// Id of one document; all when absent.
    #[rule(length(min = 1, max = 256))]
    pub document_id: Option<String>,
}

/// Index documents anew.
///
/// All are cut and embedded again, from the texts that are kept, in the background; the index that there is is searched until
/// that is done, and GET /v1/rag/documents shows how far it is. One document is done when the answer comes.
#[route(
    POST, "/v1/rag/reindex",
    tag = "retrieval",
    status = 202,
    timeout = "30m",
    tests = [
        case("all documents", json = {}, status = 202, check = is_of_the_embedded_model),
        case("one document", json = { "document_id": "doc_example" }, status = 202, check = is_of_the_embedded_model),
        case("unknown", json = { "document_id": "doc_nobody" }, problem = RagError::NotFound),
        case("misspelt", json = { "document": "doc_example" }, problem = ApiError::RequestInvalid),
        untested(Invalid, "GET of a document has it"),
        untested(ModelNotFound, "POST /v1/rag/query has it"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn reindex_documents(
    runtime: Component<Runtime>,
    Json(request): Json<ReindexRequest>,
) -> Result<Json<RagIndex>, RagError> {
    let indexes = match request.document_id {
        None => runtime.reindex_documents().await?,
        Some(document_id) => {
            if !runtime.reindex_document(&document_id).await? {
                return Err(RagError::NotFound { document_id });
            }
            runtime.document_indexes().await?
        }
    };
    Ok(Json(indexes.into()))
}

fn is_of_the_embedded_model(index: &RagIndex) -> bool {
    let Some(serving) = &index.serving else { return false };
    index.model == "tabagent-embed" && serving.model == index.model && serving.dimensions == 160
}
