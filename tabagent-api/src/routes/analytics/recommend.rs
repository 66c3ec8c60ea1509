//! POST /v1/recommend: items that are like what is wanted, and on request unlike each other.

use serde::{Deserialize, Serialize};
use tabagent_runtime::Runtime;

use super::texts::{RankedDocument, TextItem, Texts};
use crate::routes::inference::{InferenceError, TokenUsage, some_if_any};
use crate::{ApiError, Component, Json, Schema, route};

/// How many results there are when nobody says.
const TOP_N: u32 = 10;

/// A request for recommendations: by `query`, by `liked` items, or by both.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct RecommendRequest {
    /// Id of the embedding model; the default one when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What is wanted, in words.
    #[rule(length(min = 1, max = 1_048_576))]
    pub query: Option<String>,
    /// Texts, or objects with an id, that are like what is wanted. Candidates among them are recommended as others are.
    #[rule(items(max = 1024), each(nested))]
    pub liked: Option<Vec<TextItem>>,
    /// Texts, or objects with an id, that are unlike what is wanted.
    #[rule(items(max = 1024), each(nested))]
    pub disliked: Option<Vec<TextItem>>,
    /// What can be recommended: texts, or objects with an id. `items` is another name for them.
    #[serde(alias = "items")]
    #[rule(items(min = 1, max = 4096), each(nested))]
    pub candidates: Vec<TextItem>,
    /// How many results to return; 10 when absent, and all when it is more than there are.
    #[rule(range(min = 1, max = 1_000_000))]
    pub top_n: Option<u32>,
    /// How much results are to differ from each other, 0 when absent: at 0 relevance alone counts, at 1 difference alone.
    #[rule(range(min = 0, max = 1))]
    pub diversity: Option<f64>,
    /// Whether results repeat their texts; they do when absent.
    pub return_documents: Option<bool>,
    /// Compares by so many leading dimensions, normalised again.
    #[rule(range(min = 1, max = 65_536))]
    pub dimensions: Option<u32>,
    /// Cuts texts that are longer than the model takes, instead of refusing them.
    pub truncate: Option<bool>,
}

/// What is recommended.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RecommendResponse {
    /// Always `list`.
    pub object: String,
    /// Id of the model that answered.
    pub model: String,
    /// In the order in which they are recommended. Scores are the cosine with what is wanted, -1 to 1; with `diversity` they need not
    /// fall along the list.
    pub results: Vec<RankedDocument>,
    /// Tokens that were read.
    pub usage: TokenUsage,
    /// How many texts were cut to the model's length; only there when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// Recommend items.
///
/// What is wanted is the mean of the vectors of `query` and `liked`, less half the mean of those of `disliked`, all at unit length
/// (Rocchio's formula). Candidates are chosen one after the other by maximal marginal relevance: next is the one with the largest
/// (1 - diversity) · cosine with what is wanted - diversity · cosine with that chosen one which it is most like; the first of equal ones.
#[route(
    POST, "/v1/recommend",
    tag = "analytics",
    tests = [
        case("by a query", json = {
            "query": "how do cats sleep?",
            "candidates": ["trains leave at noon", { "id": "cats", "text": "cats sleep sixteen hours a day" }, "interest rates rose"],
            "top_n": 2,
        }, status = 200, check = recommends_the_cat),
        case("by what is liked, under the other name", json = {
            "liked": ["cats sleep a lot"], "disliked": ["trains leave at noon"],
            "items": ["the train leaves", "the cat sleeps"], "return_documents": false,
        }, status = 200, check = |response: &RecommendResponse| {
            order(response) == [1, 0] && response.results.iter().all(|result| result.document.is_none())
        }),
        case("a copy comes last with diversity", json = {
            "query": "cats sleep", "candidates": ["cats sleep", "cats sleep", "trains leave at noon"], "diversity": 0.6,
        }, status = 200, check = |response: &RecommendResponse| order(response) == [0, 2, 1]),
        case("more results than candidates", json = { "query": "a", "candidates": ["b"], "top_n": 10 }, status = 200,
            check = |response: &RecommendResponse| response.results.len() == 1),
        case("fields that are null", json = {
            "model": null, "query": "a", "liked": null, "disliked": [], "candidates": ["a", "b"], "top_n": null, "diversity": null,
            "return_documents": null, "dimensions": null, "truncate": null,
        }, status = 200, check = |response: &RecommendResponse| order(response).first() == Some(&0)),
        case("nothing is wanted", json = { "disliked": ["a"], "candidates": ["b"] }, problem = InferenceError::Invalid),
        case("two candidates of one id", json = { "query": "a", "candidates": [{ "id": "x", "text": "a" }, { "id": "x", "text": "b" }] },
            problem = InferenceError::Invalid),
        case("more dimensions than there are", json = { "query": "a", "candidates": ["b"], "dimensions": 65536 }, problem = InferenceError::Invalid),
        case("no candidates", json = { "query": "a", "candidates": [] }, problem = ApiError::RequestInvalid),
        case("too diverse", json = { "query": "a", "candidates": ["b"], "diversity": 1.5 }, problem = ApiError::RequestInvalid),
        case("unknown model", json = { "model": "nobody/nothing", "query": "a", "candidates": ["b"] }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a short context; the journeys in tests/ have them"),
    ],
)]
pub async fn recommend(
    runtime: Component<Runtime>,
    Json(request): Json<RecommendRequest>,
) -> Result<Json<RecommendResponse>, InferenceError> {
    let candidates = Texts::of("candidates", request.candidates)?;
    let liked = Texts::of("liked", request.liked.unwrap_or_default())?;
    let disliked = Texts::of("disliked", request.disliked.unwrap_or_default())?;
    let found = runtime
        .recommend(tabagent_runtime::analytics::RecommendRequest {
            model: request.model,
            query: request.query,
            liked: liked.texts,
            disliked: disliked.texts,
            candidates: candidates.texts.clone(),
            top_n: Some(request.top_n.unwrap_or(TOP_N) as usize),
            diversity: request.diversity.unwrap_or_default(),
            dimensions: request.dimensions.map(|dimensions| dimensions as usize),
            truncate: request.truncate.unwrap_or(false),
            deadline: None,
        })
        .await?;
    Ok(Json(RecommendResponse {
        object: "list".to_owned(),
        model: found.model,
        results: candidates.ranked(&found.results, request.return_documents.unwrap_or(true)),
        usage: TokenUsage::of(found.prompt_tokens),
        truncated: some_if_any(found.truncated),
    }))
}

fn order(response: &RecommendResponse) -> Vec<usize> {
    response.results.iter().map(|result| result.index).collect()
}

fn recommends_the_cat(response: &RecommendResponse) -> Result<(), String> {
    match &response.results[..] {
        [RankedDocument { index: 1, id: Some(id), document: Some(_), score }, other]
            if id == "cats" && *score <= 1.0 && *score > other.score =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}
