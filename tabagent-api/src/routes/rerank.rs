//! POST /v1/rerank: documents in the order of their relevance to a query, as Cohere's and Jina's clients ask for it.

use serde::{Deserialize, Serialize};
use tabagent_runtime::{RerankRequest as RankRequest, Runtime};

use super::inference::{InferenceError, TokenUsage, some_if_any};
use crate::{ApiError, Component, Json, Schema, route};

/// A request to order documents.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct RerankRequest {
    /// Id of a cross-encoder or of an embedding model; the default embedding model when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What the documents are compared with.
    #[rule(length(min = 1, max = 1_048_576))]
    pub query: String,
    /// The documents; `texts` is another name for them.
    #[serde(alias = "texts")]
    #[rule(items(min = 1, max = 2048), each(nested))]
    pub documents: Vec<RerankDocument>,
    /// How many results to return; all when absent or more than there are.
    #[rule(range(min = 1, max = 1_000_000))]
    pub top_n: Option<u32>,
    /// Whether results repeat their documents.
    pub return_documents: Option<bool>,
    /// Scores as the model gives them, instead of 0 to 1.
    pub raw_scores: Option<bool>,
    /// Cuts documents that are longer than the model takes, instead of refusing them.
    pub truncate: Option<bool>,
}

/// A document: a text, or an object that holds one.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum RerankDocument {
    /// The text.
    Text(#[rule(length(min = 1, max = 1_048_576))] String),
    /// An object with the text.
    Object(#[rule(nested)] DocumentText),
}

/// An object that holds a text.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct DocumentText {
    /// The text.
    #[rule(length(min = 1, max = 1_048_576))]
    pub text: String,
}

/// The documents in the order of their relevance.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RerankResponse {
    /// Always `list`.
    pub object: String,
    /// Id of the model that answered.
    pub model: String,
    /// The most relevant first.
    pub results: Vec<RerankResult>,
    /// Tokens that were read.
    pub usage: TokenUsage,
    /// How many documents were cut to the model's length; only there when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// One document's place.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RerankResult {
    /// Position of the document in the request.
    pub index: usize,
    /// Relevance, 0 to 1 unless raw scores were asked for.
    pub relevance_score: f64,
    /// The document, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentText>,
}

/// Order documents by relevance to a query.
///
/// A cross-encoder reads query and document together; its score passes through the logistic function. An embedding model
/// compares their vectors; its score is (1 + cosine) / 2. `raw_scores` gives the logit or the cosine itself.
#[route(
    POST, "/v1/rerank",
    tag = "inference",
    alias = ["/rerank"],
    tests = [
        case("strings", json = {
            "query": "how do cats sleep?",
            "documents": ["trains leave at noon", "cats sleep sixteen hours a day", "interest rates rose"],
        }, status = 200, check = finds_the_cat),
        case("objects under the other name", json = { "query": "a", "texts": [{ "text": "b" }, { "text": "a" }], "return_documents": true },
            status = 200, check = |response: &RerankResponse| response.results.iter().all(|result| result.document.is_some())),
        case("more results than documents", json = { "query": "a", "documents": ["b"], "top_n": 10 }, status = 200,
            check = |response: &RerankResponse| response.results.len() == 1),
        case("fields that are null", json = { "query": "a", "documents": ["b"], "top_n": null, "return_documents": null, "raw_scores": null, "truncate": null }, status = 200,
            check = |response: &RerankResponse| response.results.len() == 1),
        case("no documents", json = { "query": "a", "documents": [] }, problem = ApiError::RequestInvalid),
        case("unknown model", json = { "model": "nobody/nothing", "query": "a", "documents": ["b"] }, problem = InferenceError::ModelNotFound),
        untested(Invalid, "needs a model that neither ranks nor embeds; none is inside the server"),
        untested(Runtime, "needs a full queue, a damaged model or a short context; the journeys in tests/ have them"),
    ],
)]
pub async fn rerank(
    runtime: Component<Runtime>,
    Json(request): Json<RerankRequest>,
) -> Result<Json<RerankResponse>, InferenceError> {
    let documents: Vec<String> = request
        .documents
        .into_iter()
        .map(|document| match document {
            RerankDocument::Text(text) | RerankDocument::Object(DocumentText { text }) => text,
        })
        .collect();
    let kept = request.return_documents.unwrap_or(false).then(|| documents.clone());
    let ranking = runtime
        .rerank(RankRequest {
            model: request.model,
            query: request.query,
            documents,
            top_n: request.top_n.map(|count| count as usize),
            raw_scores: request.raw_scores.unwrap_or(false),
            truncate: request.truncate.unwrap_or(false),
            deadline: None,
        })
        .await?;
    let results = ranking
        .results
        .into_iter()
        .map(|ranked| RerankResult {
            index: ranked.index,
            relevance_score: ranked.score,
            document: kept
                .as_ref()
                .and_then(|texts| Some(DocumentText { text: texts.get(ranked.index)?.clone() })),
        })
        .collect();
    Ok(Json(RerankResponse {
        object: "list".to_owned(),
        model: ranking.model,
        results,
        usage: TokenUsage::of(ranking.tokens),
        truncated: some_if_any(ranking.truncated),
    }))
}

fn finds_the_cat(response: &RerankResponse) -> Result<(), String> {
    let order: Vec<usize> = response.results.iter().map(|result| result.index).collect();
    if order.first() != Some(&1) || order.len() != 3 {
        return Err(format!("the order is {order:?}"));
    }
    let scores: Vec<f64> = response.results.iter().map(|result| result.relevance_score).collect();
    if !scores.is_sorted_by(|left, right| left >= right)
        || scores.iter().any(|score| !(0.0..=1.0).contains(score))
    {
        return Err(format!("the scores are {scores:?}"));
    }
    Ok(())
}
