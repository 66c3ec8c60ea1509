//! POST /v1/semantic-search: the documents whose meaning is closest to a query.

use serde::{Deserialize, Serialize};
use tabagent_runtime::Runtime;
use tabagent_runtime::analytics::SearchRequest;

use super::texts::{RankedDocument, TextItem, Texts};
use crate::routes::inference::{InferenceError, TokenUsage, some_if_any};
use crate::routes::similarity::SimilarityMetric;
use crate::{ApiError, Component, Json, Schema, route};

/// How many results there are when nobody says.
const K: u32 = 10;

/// A request to search.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct SemanticSearchRequest {
    /// Id of the embedding model; the default one when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What is searched for.
    #[rule(length(min = 1, max = 1_048_576))]
    pub query: String,
    /// Where it is searched: texts, or objects with an id.
    #[rule(items(min = 1, max = 4096), each(nested))]
    pub documents: Vec<TextItem>,
    /// How many results to return; 10 when absent, and all when it is more than there are. `top_k` is another name for it.
    #[serde(alias = "top_k")]
    #[rule(range(min = 1, max = 1_000_000))]
    pub k: Option<u32>,
    /// The least score of a result; of the metrics that are distances, the largest.
    #[rule(range(min = -1_000_000_000, max = 1_000_000_000))]
    pub score_threshold: Option<f64>,
    /// How vectors are compared; by their cosine when absent.
    pub metric: Option<SimilarityMetric>,
    /// Whether results repeat their texts; they do when absent.
    pub return_documents: Option<bool>,
    /// Compares by so many leading dimensions, normalised again.
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
    /// Id of the model that answered.
    pub model: String,
    /// The metric of the scores.
    pub metric: SimilarityMetric,
    /// The closest first, equal ones in the order of the request. Scores of cosine and dot product fall, those of distances rise.
    pub results: Vec<RankedDocument>,
    /// Tokens that were read.
    pub usage: TokenUsage,
    /// How many texts were cut to the model's length; only there when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// Search by meaning.
///
/// The documents of the request are compared with the query by their vectors, as POST /v1/similarity does, and the closest come first.
#[route(
    POST, "/v1/semantic-search",
    tag = "analytics",
    tests = [
        case("the closest first", json = {
            "query": "how do cats sleep?",
            "documents": ["trains leave at noon", { "id": "cats", "text": "cats sleep sixteen hours a day" }, "interest rates rose"],
        }, status = 200, check = finds_the_cat),
        case("what is close enough", json = { "query": "cats sleep", "documents": ["trains leave at noon", "cats sleep"], "score_threshold": 0.9 },
            status = 200, check = |response: &SemanticSearchResponse| matches!(&response.results[..], [RankedDocument { index: 1, .. }])),
        case("a distance that is small enough", json = {
            "query": "cats sleep", "documents": ["trains leave at noon", "cats sleep"], "metric": "euclidean", "score_threshold": 0.1,
        }, status = 200, check = |response: &SemanticSearchResponse| matches!(&response.results[..], [RankedDocument { index: 1, .. }])),
        case("nothing is close enough", json = { "query": "cats sleep", "documents": ["trains leave at noon"], "score_threshold": 0.99 },
            status = 200, check = |response: &SemanticSearchResponse| response.results.is_empty()),
        case("more results than documents", json = { "query": "a", "documents": ["b", "c"], "k": 100 }, status = 200,
            check = |response: &SemanticSearchResponse| response.results.len() == 2),
        case("fields that are null", json = {
            "model": null, "query": "a", "documents": ["a"], "top_k": null, "score_threshold": null, "metric": null, "return_documents": false,
            "dimensions": null, "truncate": null,
        }, status = 200, check = |response: &SemanticSearchResponse| {
            matches!(&response.results[..], [RankedDocument { document: None, score, .. }] if (score - 1.0).abs() < 1e-6)
        }),
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
    Json(request): Json<SemanticSearchRequest>,
) -> Result<Json<SemanticSearchResponse>, InferenceError> {
    search_documents(&runtime, request).await.map(Json)
}

/// Searches the documents of the request: one source of what is searched, as others may be.
async fn search_documents(
    runtime: &Runtime,
    request: SemanticSearchRequest,
) -> Result<SemanticSearchResponse, InferenceError> {
    let documents = Texts::of("documents", request.documents)?;
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
    Ok(SemanticSearchResponse {
        object: "list".to_owned(),
        model: found.model,
        metric,
        results: documents.ranked(&found.results, request.return_documents.unwrap_or(true)),
        usage: TokenUsage::of(found.prompt_tokens),
        truncated: some_if_any(found.truncated),
    })
}

fn finds_the_cat(response: &SemanticSearchResponse) -> Result<(), String> {
    let first = response.results.first();
    let scores: Vec<f64> = response.results.iter().map(|result| result.score).collect();
    match first {
        Some(RankedDocument { index: 1, id: Some(id), document: Some(document), .. })
            if id == "cats"
                && document.text.contains("cats")
                && scores.is_sorted_by(|left, right| left >= right) =>
        {
            Ok(())
        }
        other => Err(format!("{other:?} of {scores:?}")),
    }
}
