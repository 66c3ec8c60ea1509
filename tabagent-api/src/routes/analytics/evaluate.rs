//! POST /v1/evaluate-embeddings: how well a model finds what is relevant, or how alike pairs of vectors are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tabagent_runtime::Runtime;
use tabagent_runtime::analytics::{EvaluateRequest, Evaluation, Pairs, PairsRequest, RankingMetrics};

use super::relevance::Relevance;
use super::texts::{TextItem, Texts};
use crate::routes::inference::{InferenceError, TokenUsage, some_if_any};
use crate::routes::similarity::SimilarityMetric;
use crate::{ApiError, Component, Json, Schema, route};

/// Places up to which metrics are taken where none are given.
const CUTOFFS: &[u32] = &[1, 3, 5, 10];

/// A request to evaluate: `queries`, `documents` and `relevance` for a model, or `embeddings1` and `embeddings2`.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateEmbeddingsRequest {
    /// Id of the embedding model; the default one when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What is asked: texts, or objects with an id.
    #[rule(items(min = 1, max = 1024), each(nested))]
    pub queries: Option<Vec<TextItem>>,
    /// What is ranked for each query: texts, or objects with an id.
    #[rule(items(min = 1, max = 4096), each(nested))]
    pub documents: Option<Vec<TextItem>>,
    /// Which documents are relevant to which query: a list in the order of the queries or a map of queries; in it lists of
    /// documents or maps of their grades. Documents and queries are named by id or by place, counted from 0.
    #[rule(nested)]
    pub relevance: Option<Relevance>,
    /// Places up to which recall, precision and nDCG are taken; 1, 3, 5 and 10 when absent.
    #[rule(items(min = 1, max = 16), each(range(min = 1, max = 10_000)))]
    pub k: Option<Vec<u32>>,
    /// Vectors of one side, instead of texts.
    #[rule(items(min = 1, max = 4096), each(items(min = 1, max = 65_536), each(range(min = -1_000_000, max = 1_000_000))))]
    pub embeddings1: Option<Vec<Vec<f32>>>,
    /// Vectors of the other side: the first is compared with the first, and so on.
    #[rule(items(min = 1, max = 4096), each(items(min = 1, max = 65_536), each(range(min = -1_000_000, max = 1_000_000))))]
    pub embeddings2: Option<Vec<Vec<f32>>>,
    /// How alike each pair of vectors is known to be, larger for what is more alike.
    #[rule(items(min = 1, max = 4096), each(range(min = -1_000_000, max = 1_000_000)))]
    pub labels: Option<Vec<f64>>,
    /// How vectors are compared; by their cosine when absent.
    pub metric: Option<SimilarityMetric>,
    /// Compares by so many leading dimensions, normalised again.
    #[rule(range(min = 1, max = 65_536))]
    pub dimensions: Option<u32>,
    /// Cuts texts that are longer than the model takes, instead of refusing them.
    pub truncate: Option<bool>,
}

/// What was evaluated.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct EvaluateEmbeddingsResponse {
    /// Always `evaluation`.
    pub object: String,
    /// The metric by which vectors were compared.
    pub metric: SimilarityMetric,
    /// How well the model ranks; there when texts were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<RankingEvaluation>,
    /// How alike the pairs are; there when embeddings were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairEvaluation>,
}

/// How well a model ranks.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RankingEvaluation {
    /// Id of the model that was evaluated.
    pub model: String,
    /// Means over the queries: `mrr`, `map`, and for each k `recall@k`, `precision@k` and `ndcg@k`; all 0 to 1.
    pub metrics: BTreeMap<String, f64>,
    /// How many queries are in the means: those with a relevant document.
    pub evaluated: usize,
    /// Each query, in the order of the request.
    pub per_query: Vec<EvaluatedQuery>,
    /// Tokens that were read.
    pub usage: TokenUsage,
    /// How many texts were cut to the model's length; only there when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// One query of an evaluation.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct EvaluatedQuery {
    /// Its place in the request.
    pub index: usize,
    /// Its id, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its metrics, named as the means are, with `mrr` and `map` of this query alone; none when no document is relevant to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<BTreeMap<String, f64>>,
    /// The first documents of its ranking, up to the largest k.
    pub ranking: Vec<EvaluatedDocument>,
}

/// A document in the ranking of a query.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct EvaluatedDocument {
    /// Its place in the request.
    pub index: usize,
    /// Its id, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// By the metric: similarities fall along the ranking, distances rise.
    pub score: f64,
}

/// How alike pairs of vectors are.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct PairEvaluation {
    /// The metric of each pair.
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Pearson's r with the labels, -1 to 1, of distances with the opposite sign; absent without labels or where one side is constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pearson: Option<f64>,
    /// Spearman's ρ with the labels, -1 to 1, of distances with the opposite sign; absent without labels or where one side is constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spearman: Option<f64>,
}

/// Evaluate embeddings.
///
/// With `queries`, `documents` and `relevance`, the model ranks all documents for each query, equal ones in their order, and
/// the rankings are judged as trec_eval does. A document is relevant where its grade is above 0. All metrics are 0 to 1, 1 is best:
/// `recall@k` = relevant documents in the first k places / relevant documents; `precision@k` = relevant documents in the first k
/// places / k, also where there are fewer documents than k; `mrr` = mean of 1 / rank of the first relevant document; `map` =
/// mean of the average precision, Σ precision at the rank of each relevant document / relevant documents; `ndcg@k` = DCG /
/// DCG of the best order, with DCG = Σ grade / log2(1 + rank) over the first k places. Queries without a relevant document are
/// ranked and are not in the means.
///
/// With `embeddings1` and `embeddings2`, vectors are compared pair by pair, without a model; with `labels` as well, Pearson's and
/// Spearman's correlation tell how well the values follow them, 1 best for distances too.
#[route(
    POST, "/v1/evaluate-embeddings",
    tag = "analytics",
    tests = [
        case("relevance by place", json = {
            "queries": ["how do cats sleep?", "when do trains leave?"],
            "documents": ["trains leave at noon", "cats sleep sixteen hours a day", "interest rates rose"],
            "relevance": [[1], [0]],
            "k": [1, 3],
        }, status = 200, check = finds_both),
        case("grades by id", json = {
            "queries": [{ "id": "cats", "text": "how do cats sleep?" }, { "text": "no document answers this" }],
            "documents": [{ "id": "train", "text": "trains leave at noon" }, { "id": "cat", "text": "cats sleep sixteen hours a day" }],
            "relevance": { "cats": { "cat": 3, "train": 0 } },
        }, status = 200, check = evaluates_one_of_two),
        case("fields that are null", json = {
            "model": null, "queries": ["a"], "documents": ["a", "b"], "relevance": { "0": ["0"] }, "k": null, "metric": "euclidean",
            "embeddings1": null, "embeddings2": null, "labels": null, "dimensions": null, "truncate": null,
        }, status = 200, check = |response: &EvaluateEmbeddingsResponse| mean(response, "mrr") == Some(1.0)),
        case("pairs with labels", json = {
            "embeddings1": [[1, 0], [1, 0], [1, 0]], "embeddings2": [[1, 0], [1, 1], [0, 1]], "labels": [1, 0.5, 0],
        }, status = 200, check = follows_the_labels),
        case("pairs that are equal", json = { "embeddings1": [[0, 0]], "embeddings2": [[0, 0]], "labels": [1], "metric": "manhattan" },
            status = 200, check = |response: &EvaluateEmbeddingsResponse| {
                response.pairs.as_ref().is_some_and(|pairs| pairs.values == [0.0] && pairs.pearson.is_none())
            }),
        case("nothing", json = {}, problem = InferenceError::Invalid),
        case("texts and vectors", json = { "queries": ["a"], "embeddings1": [[1]] }, problem = InferenceError::Invalid),
        case("no relevance", json = { "queries": ["a"], "documents": ["a"] }, problem = InferenceError::Invalid),
        case("an unknown document", json = { "queries": ["a"], "documents": ["a"], "relevance": [[1]] }, problem = InferenceError::Invalid),
        case("an unknown query", json = { "queries": ["a"], "documents": ["a"], "relevance": { "b": [0] } }, problem = InferenceError::Invalid),
        case("a document by id and by place", json = { "queries": ["a"], "documents": [{ "id": "x", "text": "a" }], "relevance": [{ "x": 1, "0": 2 }] },
            problem = InferenceError::Invalid),
        case("nothing is relevant", json = { "queries": ["a"], "documents": ["a"], "relevance": [[]] }, problem = InferenceError::Invalid),
        case("two documents of one id", json = {
            "queries": ["a"], "documents": [{ "id": "x", "text": "a" }, { "id": "x", "text": "b" }], "relevance": [["x"]],
        }, problem = InferenceError::Invalid),
        case("one side of pairs", json = { "embeddings1": [[1, 0]] }, problem = InferenceError::Invalid),
        case("pairs of other lengths", json = { "embeddings1": [[1, 0]], "embeddings2": [[1, 0, 0]] }, problem = InferenceError::Invalid),
        case("an empty text", json = { "queries": [""], "documents": ["a"], "relevance": [[0]] }, problem = ApiError::RequestInvalid),
        case("a place before the first", json = { "queries": ["a"], "documents": ["a"], "relevance": [[0]], "k": [0] }, problem = ApiError::RequestInvalid),
        case("a vector that is too large", json = { "embeddings1": [[1e39]], "embeddings2": [[1]] }, problem = ApiError::RequestInvalid),
        case("unknown model", json = { "model": "nobody/nothing", "queries": ["a"], "documents": ["a"], "relevance": [[0]] },
            problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a short context; the journeys in tests/ have them"),
    ],
)]
pub async fn evaluate_embeddings(
    runtime: Component<Runtime>,
    Json(request): Json<EvaluateEmbeddingsRequest>,
) -> Result<Json<EvaluateEmbeddingsResponse>, InferenceError> {
    let metric = request.metric.unwrap_or_default();
    let (ranking, pairs) = if request.embeddings1.is_some() || request.embeddings2.is_some() {
        (None, Some(pairs(&runtime, request).await?.into()))
    } else {
        (Some(rankings(&runtime, request).await?), None)
    };
    Ok(Json(EvaluateEmbeddingsResponse { object: "evaluation".to_owned(), metric, ranking, pairs }))
}

/// Compares the vectors of a request.
async fn pairs(runtime: &Runtime, request: EvaluateEmbeddingsRequest) -> Result<Pairs, InferenceError> {
    const ALONE: &str = "goes with texts; leave it out, or leave out `embeddings1` and `embeddings2`";
    InferenceError::refuse(&[
        ("model", request.model.is_some(), ALONE),
        ("queries", request.queries.is_some(), ALONE),
        ("documents", request.documents.is_some(), ALONE),
        ("relevance", request.relevance.is_some(), ALONE),
        ("k", request.k.is_some(), ALONE),
        ("dimensions", request.dimensions.is_some(), ALONE),
        ("truncate", request.truncate.is_some(), ALONE),
    ])?;
    InferenceError::refuse(&[
        ("embeddings1", request.embeddings1.is_none(), "is missing beside `embeddings2`"),
        ("embeddings2", request.embeddings2.is_none(), "is missing beside `embeddings1`"),
    ])?;
    let pairs = PairsRequest {
        left: request.embeddings1.unwrap_or_default(),
        right: request.embeddings2.unwrap_or_default(),
        metric: request.metric.unwrap_or_default().into(),
        labels: request.labels,
        deadline: None,
    };
    Ok(runtime.evaluate_pairs(pairs).await?)
}

/// Judges the rankings of a model.
async fn rankings(
    runtime: &Runtime,
    request: EvaluateEmbeddingsRequest,
) -> Result<RankingEvaluation, InferenceError> {
    const NEEDED: &str =
        "is missing: give `queries`, `documents` and `relevance`, or else `embeddings1` and `embeddings2`";
    InferenceError::refuse(&[
        ("queries", request.queries.is_none(), NEEDED),
        ("documents", request.documents.is_none(), NEEDED),
        ("relevance", request.relevance.is_none(), NEEDED),
        (
            "labels",
            request.labels.is_some(),
            "goes with `embeddings1` and `embeddings2`; texts have `relevance`",
        ),
    ])?;
    let queries = Texts::of("queries", request.queries.unwrap_or_default())?;
    let documents = Texts::of("documents", request.documents.unwrap_or_default())?;
    let relevance = request.relevance.map(|relevance| relevance.grades(&queries, &documents)).transpose()?;
    let mut cutoffs: Vec<usize> =
        request.k.as_deref().unwrap_or(CUTOFFS).iter().map(|k| *k as usize).collect();
    cutoffs.sort_unstable();
    cutoffs.dedup();
    let evaluation = runtime
        .evaluate_embeddings(EvaluateRequest {
            model: request.model,
            queries: queries.texts.clone(),
            documents: documents.texts.clone(),
            relevance: relevance.unwrap_or_default(),
            cutoffs,
            metric: request.metric.unwrap_or_default().into(),
            dimensions: request.dimensions.map(|dimensions| dimensions as usize),
            truncate: request.truncate.unwrap_or(false),
            deadline: None,
        })
        .await?;
    Ok(RankingEvaluation::new(evaluation, &queries, &documents))
}

impl RankingEvaluation {
    fn new(evaluation: Evaluation, queries: &Texts, documents: &Texts) -> Self {
        let per_query: Vec<EvaluatedQuery> = evaluation
            .queries
            .into_iter()
            .enumerate()
            .map(|(index, query)| EvaluatedQuery {
                index,
                id: queries.id(index),
                metrics: query.metrics.as_ref().map(named),
                ranking: query
                    .ranking
                    .into_iter()
                    .map(|ranked| EvaluatedDocument {
                        index: ranked.index,
                        id: documents.id(ranked.index),
                        score: ranked.score,
                    })
                    .collect(),
            })
            .collect();
        Self {
            model: evaluation.model,
            metrics: named(&evaluation.mean),
            evaluated: per_query.iter().filter(|query| query.metrics.is_some()).count(),
            per_query,
            usage: TokenUsage::of(evaluation.prompt_tokens),
            truncated: some_if_any(evaluation.truncated),
        }
    }
}

impl From<Pairs> for PairEvaluation {
    fn from(pairs: Pairs) -> Self {
        Self {
            values: pairs.values,
            mean: pairs.mean,
            pearson: pairs.correlation.and_then(|correlation| correlation.pearson),
            spearman: pairs.correlation.and_then(|correlation| correlation.spearman),
        }
    }
}

/// Metrics by their names.
fn named(metrics: &RankingMetrics) -> BTreeMap<String, f64> {
    let mut named = BTreeMap::from([
        ("mrr".to_owned(), metrics.reciprocal_rank),
        ("map".to_owned(), metrics.average_precision),
    ]);
    for at in &metrics.at {
        named.insert(format!("recall@{}", at.k), at.recall);
        named.insert(format!("precision@{}", at.k), at.precision);
        named.insert(format!("ndcg@{}", at.k), at.ndcg);
    }
    named
}

fn mean(response: &EvaluateEmbeddingsResponse, name: &str) -> Option<f64> {
    response.ranking.as_ref()?.metrics.get(name).copied()
}

fn finds_both(response: &EvaluateEmbeddingsResponse) -> Result<(), String> {
    for (name, wanted) in [
        ("mrr", 1.0),
        ("map", 1.0),
        ("recall@1", 1.0),
        ("precision@1", 1.0),
        ("precision@3", 1.0 / 3.0),
        ("ndcg@3", 1.0),
    ] {
        let found = mean(response, name);
        if found.is_none_or(|found| (found - wanted).abs() > 1e-12) {
            return Err(format!("{name} is {found:?}, not {wanted}"));
        }
    }
    match &response.ranking {
        Some(ranking)
            if ranking.evaluated == 2 && ranking.metrics.len() == 8 && ranking.usage.prompt_tokens > 0 =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

fn evaluates_one_of_two(response: &EvaluateEmbeddingsResponse) -> bool {
    let Some(ranking) = &response.ranking else { return false };
    let [cats, other] = &ranking.per_query[..] else { return false };
    let first = cats.ranking.first().and_then(|document| document.id.as_deref());
    ranking.evaluated == 1
        && cats.id.as_deref() == Some("cats")
        && first == Some("cat")
        && other.metrics.is_none()
        && other.ranking.len() == 2
}

fn follows_the_labels(response: &EvaluateEmbeddingsResponse) -> bool {
    response.pairs.as_ref().is_some_and(|pairs| {
        pairs.spearman.is_some_and(|rho| (rho - 1.0).abs() < 1e-12)
            && pairs.pearson.is_some_and(|r| r > 0.9 && r <= 1.0)
            && (pairs.values.iter().sum::<f64>() / 3.0 - pairs.mean).abs() < 1e-12
    })
}
