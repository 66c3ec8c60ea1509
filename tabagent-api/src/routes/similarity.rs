//! POST /v1/similarity: how alike texts are, by their embeddings.

use serde::{Deserialize, Serialize};
use tabagent_runtime::Runtime;

use super::inference::{InferenceError, TokenUsage, some_if_any};
use crate::{ApiError, Component, Json, Schema, route};

/// A request to compare texts.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct SimilarityRequest {
    /// Id of the embedding model; the default one when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// A text or a list of texts.
    #[rule(nested)]
    pub text1: SimilarityText,
    /// A text or a list of texts.
    #[rule(nested)]
    pub text2: SimilarityText,
    /// How vectors are compared; by their cosine when absent.
    pub metric: Option<SimilarityMetric>,
    /// Compares by so many leading dimensions, normalised again.
    #[rule(range(min = 1, max = 65_536))]
    pub dimensions: Option<u32>,
    /// Cuts texts that are longer than the model takes, instead of refusing them.
    pub truncate: Option<bool>,
}

/// A text or a list of texts.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum SimilarityText {
    /// One text.
    One(#[rule(length(min = 1, max = 1_048_576))] String),
    /// Several texts.
    Several(#[rule(items(min = 1, max = 1024), each(length(min = 1, max = 1_048_576)))] Vec<String>),
}

/// How vectors are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum SimilarityMetric {
    /// Cosine of the angle: -1 to 1, 1 for the same direction.
    #[default]
    Cosine,
    /// Dot product: unbounded, the cosine for vectors of length 1.
    Dot,
    /// Length of the difference: 0 or more, 0 for equal vectors.
    Euclidean,
    /// Sum of the absolute differences: 0 or more, 0 for equal vectors.
    Manhattan,
}

/// How alike the texts are.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct SimilarityResponse {
    /// Id of the model that answered.
    pub model: String,
    /// The metric of the scores.
    pub metric: SimilarityMetric,
    /// The score, when both sides are one text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// One row for each text of `text1`, one column for each text of `text2`.
    pub similarities: Vec<Vec<f64>>,
    /// Tokens that were read.
    pub usage: TokenUsage,
    /// How many texts were cut to the model's length; only there when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// Compare texts.
///
/// Each text of `text1` is compared with each of `text2`. Cosine is -1 to 1 and dot product unbounded, both larger for
/// texts that are more alike; euclidean and manhattan are distances of 0 or more, smaller for texts that are more alike.
#[route(
    POST, "/v1/similarity",
    tag = "inference",
    tests = [
        case("the same text", json = { "text1": "a cat sleeps", "text2": "a cat sleeps" }, status = 200,
            check = |response: &SimilarityResponse| response.similarity.is_some_and(|score| (score - 1.0).abs() < 1e-3)),
        case("lists", json = { "text1": ["a", "b"], "text2": ["c", "d", "e"], "metric": "euclidean", "truncate": null }, status = 200,
            check = |response: &SimilarityResponse| response.similarities.len() == 2 && response.similarities.iter().all(|row| row.len() == 3)),
        case("fields that are null", json = { "model": null, "text1": "a", "text2": "b", "metric": null, "dimensions": null }, status = 200,
            check = |response: &SimilarityResponse| response.metric == SimilarityMetric::Cosine),
        case("more dimensions than there are", json = { "text1": "a", "text2": "b", "dimensions": 65536 }, problem = InferenceError::Invalid),
        case("unknown metric", json = { "text1": "a", "text2": "b", "metric": "hamming" }, problem = ApiError::RequestInvalid),
        case("unknown model", json = { "model": "nobody/nothing", "text1": "a", "text2": "b" }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a short context; the journeys in tests/ have them"),
    ],
)]
pub async fn similarity(
    runtime: Component<Runtime>,
    Json(request): Json<SimilarityRequest>,
) -> Result<Json<SimilarityResponse>, InferenceError> {
    let metric = request.metric.unwrap_or_default();
    let single = matches!((&request.text1, &request.text2), (SimilarityText::One(_), SimilarityText::One(_)));
    let found = runtime
        .similarity(tabagent_runtime::SimilarityRequest {
            model: request.model,
            left: request.text1.into(),
            right: request.text2.into(),
            metric: metric.into(),
            dimensions: request.dimensions.map(|dimensions| dimensions as usize),
            truncate: request.truncate.unwrap_or(false),
            deadline: None,
        })
        .await?;
    let similarity = if single { found.scores.first().and_then(|row| row.first()).copied() } else { None };
    Ok(Json(SimilarityResponse {
        model: found.model,
        metric,
        similarity,
        similarities: found.scores,
        usage: TokenUsage::of(found.prompt_tokens),
        truncated: some_if_any(found.truncated),
    }))
}

impl From<SimilarityText> for Vec<String> {
    fn from(text: SimilarityText) -> Self {
        match text {
            SimilarityText::One(text) => vec![text],
            SimilarityText::Several(texts) => texts,
        }
    }
}

impl From<SimilarityMetric> for tabagent_runtime::Metric {
    fn from(metric: SimilarityMetric) -> Self {
        match metric {
            SimilarityMetric::Cosine => Self::Cosine,
            SimilarityMetric::Dot => Self::Dot,
            SimilarityMetric::Euclidean => Self::Euclidean,
            SimilarityMetric::Manhattan => Self::Manhattan,
        }
    }
}
