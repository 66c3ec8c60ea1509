//! POST /v1/semantic-search: the texts whose meaning is closest to a query, among documents of the request or the kept ones.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tabagent_runtime::analytics::SearchRequest;
use tabagent_runtime::documents::Filter;
use tabagent_runtime::{Passage, RetrievalMode, RetrievalRequest, Runtime};

use super::texts::{RankedDocument, TextItem, Texts};
use crate::routes::inference::{InferenceError, TokenUsage, some_if_any};
use crate::routes::rerank::DocumentText;
use crate::routes::similarity::SimilarityMetric;
use crate::{ApiError, Component, Json, Schema, route};

/// How many results there are when nobody says.
const K: u32 = 10;

/// A request to search.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct SemanticSearchRequest {
    /// Id of the embedding model; the default one when absent. The kept documents have one, which has to be this one.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What is searched for.
    #[rule(length(min = 1, max = 1_048_576))]
    pub query: String,
    /// Where it is searched: texts, or objects with an id. The kept documents (POST /v1/rag/documents) when absent.
    #[rule(items(min = 1, max = 4096), each(nested))]
    pub documents: Option<Vec<TextItem>>,
    /// Which of the kept documents are searched, as in POST /v1/rag/query; not together with `documents`.
    #[serde(alias = "filter")]
    #[rule(any("which names and values there are is the metadata's to say; it is checked when it is read"))]
    pub filters: Option<Map<String, Value>>,
    /// How many results to return; 10 when absent, and all when it is more than there are, of the kept documents at most 1000.
    /// `top_k` is another name for it.
    #[serde(alias = "top_k")]
    #[rule(range(min = 1, max = 1_000_000))]
    pub k: Option<u32>,
    /// The least score of a result; of the metrics that are distances, the largest.
    #[rule(range(min = -1_000_000_000, max = 1_000_000_000))]
    pub score_threshold: Option<f64>,
    /// How vectors are compared; by their cosine when absent, which is the only way for the kept documents.
    pub metric: Option<SimilarityMetric>,
    /// Whether results repeat their texts; they do when absent.
    pub return_documents: Option<bool>,
    /// Compares by so many leading dimensions, normalised again; not for the kept documents.
    #[rule(range(min = 1, max = 65_536))]
    pub dimensions: Option<u32>,
    /// Cuts texts that are longer than the model takes, instead of refusing them.
    pub truncate: Option<bool>,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct SemanticSearchResponse {
    /// Always `list`.
    pub object: String,
    /// Id of the model that answered; null where no document is kept that could be searched.
    pub model: Option<String>,
    /// The metric of the scores.
    pub metric: SimilarityMetric,
    /// The closest first, equal ones in the order of the request. Scores of cosine and dot product fall, those of distances rise.
    pub results: Vec<SearchResult>,
    /// Tokens that were read.
    pub usage: TokenUsage,
    /// How many texts were cut to the model's length; only there when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// A text that was found.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct SearchResult {
    /// Its place in `documents`; absent for a passage of the kept documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Its id, when it has one; that of a passage is the one of its document, and its place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How close it is.
    pub score: f64,
    /// The text, unless results are not to repeat it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentText>,
    /// Where a passage of the kept documents is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<PassageSource>,
}

/// Where a passage is from.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct PassageSource {
    /// Id of its document.
    pub document_id: String,
    /// Title of the document.
    pub title: Option<String>,
    /// Where the document is from.
    pub source: Option<String>,
    /// What else is said of the document.
    pub metadata: Map<String, Value>,
    /// The title and the headings above the passage, the outermost first.
    pub headings: Vec<String>,
    /// Page on which it begins, from 1, where there are pages.
    pub page: Option<u32>,
}

impl From<RankedDocument> for SearchResult {
    fn from(RankedDocument { index, id, score, document }: RankedDocument) -> Self {
        Self { index: Some(index), id, score, document, passage: None }
    }
}

impl SearchResult {
    /// A passage of the kept documents, with its text where that is wanted.
    fn of(Passage { chunk, score, .. }: Passage, with_text: bool) -> Self {
        Self {
            index: None,
            id: Some(chunk.id()),
            score,
            document: with_text.then_some(DocumentText { text: chunk.text }),
            passage: Some(PassageSource {
                document_id: chunk.document,
                title: chunk.title,
                source: chunk.source,
                metadata: chunk.metadata,
                headings: chunk.headings,
                page: chunk.page,
            }),
        }
    }
}

/// Search by meaning.
///
/// The documents of the request are compared with the query by their vectors, as POST /v1/similarity does, and the closest come first.
/// Without `documents` the passages of the kept documents are, as POST /v1/rag/query does with the mode `vector`.
#[route(
    POST, "/v1/semantic-search",
    tag = "analytics",
    tests = [
        case("the closest first", json = {
            "query": "how do cats sleep?",
            "documents": ["trains leave at noon", { "id": "cats", "text": "cats sleep sixteen hours a day" }, "interest rates rose"],
        }, status = 200, check = finds_the_cat),
        case("what is close enough", json = { "query": "cats sleep", "documents": ["trains leave at noon", "cats sleep"], "score_threshold": 0.9 },
            status = 200, check = |response: &SemanticSearchResponse| matches!(&response.results[..], [SearchResult { index: Some(1), .. }])),
        case("a distance that is small enough", json = {
            "query": "cats sleep", "documents": ["trains leave at noon", "cats sleep"], "metric": "euclidean", "score_threshold": 0.1,
        }, status = 200, check = |response: &SemanticSearchResponse| matches!(&response.results[..], [SearchResult { index: Some(1), .. }])),
        case("nothing is close enough", json = { "query": "cats sleep", "documents": ["trains leave at noon"], "score_threshold": 0.99 },
            status = 200, check = |response: &SemanticSearchResponse| response.results.is_empty()),
        case("more results than documents", json = { "query": "a", "documents": ["b", "c"], "k": 100 }, status = 200,
            check = |response: &SemanticSearchResponse| response.results.len() == 2),
        case("fields that are null", json = {
            "model": null, "query": "a", "documents": ["a"], "top_k": null, "score_threshold": null, "metric": null, "return_documents": false,
            "dimensions": null, "truncate": null,
        }, status = 200, check = |response: &SemanticSearchResponse| {
            matches!(&response.results[..], [SearchResult { document: None, score, .. }] if (score - 1.0).abs() < 1e-6)
        }),
        case("the kept documents", json = { "query": "How do I install the example?", "k": 1, "filters": { "document_id": "doc_example" } },
            status = 200, check = finds_the_example),
        case("the kept documents, with nothing but what is close enough", json = {
            "model": "tabagent-embed", "query": "How do I install the example?", "documents": null, "top_k": 1000000, "filter": { "about": "examples" },
            "score_threshold": 0.99, "metric": "cosine", "truncate": true,
        }, status = 200, check = |response: &SemanticSearchResponse| response.results.is_empty() && response.usage.prompt_tokens > 0),
        case("the kept documents, without their texts", json = { "query": "install", "filters": { "document_id": "doc_example" }, "return_documents": false },
            status = 200, check = |response: &SemanticSearchResponse| {
                response.results.len() > 1 && response.results.iter().all(|result| result.document.is_none() && result.passage.is_some())
            }),
        case("a distance between the kept documents", json = { "query": "install", "metric": "euclidean" }, problem = InferenceError::Invalid),
        case("dimensions of the kept documents", json = { "query": "install", "dimensions": 8 }, problem = InferenceError::Invalid),
        case("another model than that of the kept documents", json = { "model": "nobody/nothing", "query": "install" }, problem = InferenceError::Invalid),
        case("a filter that is none", json = { "query": "install", "filters": { "year": { "above": 2020 } } }, problem = InferenceError::Invalid),
        case("a filter of given documents", json = { "query": "a", "documents": ["a"], "filters": {} }, problem = InferenceError::Invalid),
        case("two documents of one id", json = { "query": "a", "documents": [{ "id": "x", "text": "a" }, { "id": "x", "text": "b" }] },
            problem = InferenceError::Invalid),
        case("no documents", json = { "query": "a", "documents": [] }, problem = ApiError::RequestInvalid),
        case("an empty query", json = { "query": "", "documents": ["a"] }, problem = ApiError::RequestInvalid),
        case("unknown metric", json = { "query": "a", "documents": ["a"], "metric": "hamming" }, problem = ApiError::RequestInvalid),
        case("unknown model", json = { "model": "nobody/nothing", "query": "a", "documents": ["a"] }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a short context; the journeys in tests/ have them"),
    ],
)]
pub async fn semantic_search(
    runtime: Component<Runtime>,
    Json(mut request): Json<SemanticSearchRequest>,
) -> Result<Json<SemanticSearchResponse>, InferenceError> {
    match request.documents.take() {
        Some(documents) => search_given(&runtime, request, documents).await,
        None => search_kept(&runtime, request).await,
    }
    .map(Json)
}

/// Searches the documents of the request.
async fn search_given(
    runtime: &Runtime,
    request: SemanticSearchRequest,
    documents: Vec<TextItem>,
) -> Result<SemanticSearchResponse, InferenceError> {
    InferenceError::refuse(&[(
        "filters",
        request.filters.is_some(),
        "is for the kept documents; leave it out, or leave `documents` out",
    )])?;
    let documents = Texts::of("documents", documents)?;
    let metric = request.metric.unwrap_or_default();
    let found = runtime
        .semantic_search(SearchRequest {
            model: request.model,
            query: request.query,
            documents: documents.texts.clone(),
            k: Some(request.k.unwrap_or(K) as usize),
            score_threshold: request.score_threshold,
            metric: metric.into(),
            dimensions: request.dimensions.map(|dimensions| dimensions as usize),
            truncate: request.truncate.unwrap_or(false),
            deadline: None,
        })
        .await?;
    let ranked = documents.ranked(&found.results, request.return_documents.unwrap_or(true));
    Ok(SemanticSearchResponse {
        object: "list".to_owned(),
        model: Some(found.model),
        metric,
        results: ranked.into_iter().map(SearchResult::from).collect(),
        usage: TokenUsage::of(found.prompt_tokens),
        truncated: some_if_any(found.truncated),
    })
}

/// Searches the documents that are kept.
async fn search_kept(
    runtime: &Runtime,
    request: SemanticSearchRequest,
) -> Result<SemanticSearchResponse, InferenceError> {
    let metric = request.metric.unwrap_or_default();
    InferenceError::refuse(&[
        (
            "metric",
            metric != SimilarityMetric::Cosine,
            "the kept documents are compared by their cosine; leave it out, or send `documents`",
        ),
        (
            "dimensions",
            request.dimensions.is_some(),
            "the vectors of the kept documents are compared whole; leave it out, or send `documents`",
        ),
    ])?;
    let filter = request.filters.as_ref().map(|filters| Filter::read("filters", filters)).transpose()?;
    let found = runtime
        .retrieve(RetrievalRequest {
            query: request.query,
            model: request.model,
            truncate: request.truncate.unwrap_or(false),
            count: request.k.unwrap_or(K) as usize,
            filter: filter.unwrap_or_default(),
            mode: RetrievalMode::Vector,
            least_score: request.score_threshold,
            ..RetrievalRequest::default()
        })
        .await?;
    let with_texts = request.return_documents.unwrap_or(true);
    Ok(SemanticSearchResponse {
        object: "list".to_owned(),
        model: found.model,
        metric,
        results: found.passages.into_iter().map(|passage| SearchResult::of(passage, with_texts)).collect(),
        usage: TokenUsage::of(found.prompt_tokens),
        truncated: found.truncated.then_some(1),
    })
}

fn finds_the_example(response: &SemanticSearchResponse) -> Result<(), String> {
    match &response.results[..] {
        [SearchResult { index: None, document: Some(document), passage: Some(passage), .. }]
            if passage.document_id == "doc_example" && document.text.contains("Unpack") =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

fn finds_the_cat(response: &SemanticSearchResponse) -> Result<(), String> {
    let first = response.results.first();
    let scores: Vec<f64> = response.results.iter().map(|result| result.score).collect();
    match first {
        Some(SearchResult { index: Some(1), id: Some(id), document: Some(document), .. })
            if id == "cats"
                && document.text.contains("cats")
                && scores.is_sorted_by(|left, right| left >= right) =>
        {
            Ok(())
        }
        other => Err(format!("{other:?} of {scores:?}")),
    }
}
