//! POST /v1/cluster: which texts or vectors belong together.

use serde::{Deserialize, Serialize};
use tabagent_runtime::Runtime;
use tabagent_runtime::analytics::{Algorithm, ClusterInput, Clustering, Distance};

use super::texts::{TextItem, Texts};
use crate::routes::inference::{InferenceError, TokenUsage, some_if_any};
use crate::{ApiError, Component, Json, Schema, route};

/// A request to group `texts` or `embeddings`.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct ClusterRequest {
    /// Id of the embedding model; the default one when absent. `embeddings` need none.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// The texts, or objects with an id; `documents` is another name for them.
    #[serde(alias = "documents")]
    #[rule(items(min = 1, max = 4096), each(nested))]
    pub texts: Option<Vec<TextItem>>,
    /// Vectors of one length, instead of texts.
    #[rule(items(min = 1, max = 4096), each(items(min = 1, max = 65_536), each(range(min = -1_000_000, max = 1_000_000))))]
    pub embeddings: Option<Vec<Vec<f32>>>,
    /// How many clusters `kmeans` and `hierarchical` make: at most as many as there are different vectors. When absent, that number
    /// of 2 to 10, below the number of texts, which has the best silhouette.
    #[rule(range(min = 1, max = 4096))]
    pub n_clusters: Option<u32>,
    /// The algorithm; `kmeans` when absent. `method` is another name for it.
    #[serde(alias = "method")]
    pub algorithm: Option<ClusterAlgorithm>,
    /// How far vectors are from each other; `cosine` when absent.
    pub metric: Option<ClusterMetric>,
    /// What `kmeans` draws its first centres with, 0 when absent: the same request has the same answer.
    pub seed: Option<u32>,
    /// Distance within which `dbscan` takes vectors for neighbours; 0.5 when absent.
    #[rule(range(min = 0, max = 1_000_000_000))]
    pub eps: Option<f64>,
    /// Neighbours, itself among them, of a vector at the core of a cluster of `dbscan` or `hdbscan`, at most all of `hdbscan`'s. When
    /// absent 5 for `dbscan`, or half of the texts, at least 2, where that is less; for `hdbscan` as many as `min_cluster_size`.
    #[rule(range(min = 1, max = 4096))]
    pub min_samples: Option<u32>,
    /// Texts that make a cluster of `hdbscan`; when absent 5, or half of the texts, at least 2, where that is less.
    #[rule(range(min = 2, max = 4096))]
    pub min_cluster_size: Option<u32>,
    /// Groups texts by so many leading dimensions, normalised again.
    #[rule(range(min = 1, max = 65_536))]
    pub dimensions: Option<u32>,
    /// Cuts texts that are longer than the model takes, instead of refusing them.
    pub truncate: Option<bool>,
}

/// How vectors are grouped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ClusterAlgorithm {
    /// k-means: k-means++ and Lloyd's algorithm, the best of several starts.
    #[default]
    Kmeans,
    /// Agglomerative clustering with Ward's criterion.
    Hierarchical,
    /// DBSCAN: dense regions of one density, of any number and form; the rest is noise.
    Dbscan,
    /// HDBSCAN: dense regions of any density; the rest is noise. Takes up to 2048 texts.
    Hdbscan,
}

/// How far vectors are from each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ClusterMetric {
    /// 1 - the cosine of the angle: 0 to 2. k-means and Ward's criterion take the vectors at unit length.
    #[default]
    Cosine,
    /// Length of the difference: 0 or more.
    Euclidean,
    /// Sum of the absolute differences: 0 or more. Not for `kmeans` and `hierarchical`.
    Manhattan,
}

/// The groups.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ClusterResponse {
    /// Always `clustering`.
    pub object: String,
    /// Id of the model that read the texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The algorithm that was used.
    pub algorithm: ClusterAlgorithm,
    /// The metric that was used.
    pub metric: ClusterMetric,
    /// How many clusters there are.
    pub n_clusters: usize,
    /// The cluster of each text, in the order of the request: 0 for that of the first text that has one, and so on; -1 for noise.
    pub labels: Vec<i64>,
    /// How many texts each cluster has.
    pub sizes: Vec<usize>,
    /// The text of each cluster that is closest to the mean of its vectors.
    pub centroids: Vec<Centroid>,
    /// How many texts are noise.
    pub noise: usize,
    /// Mean silhouette of what is in clusters, -1 to 1, 1 is best; absent where there are not two clusters, or as many as texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silhouette: Option<f64>,
    /// Sum of the squared distances to the centres, 0 or more; `kmeans` alone has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inertia: Option<f64>,
    /// The numbers of clusters that were tried, of which the one with the best silhouette was taken; absent when `n_clusters` was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Vec<TriedClusters>>,
    /// The seed that `kmeans` used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
    /// The distance that `dbscan` used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// The neighbours that `dbscan` or `hdbscan` used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<usize>,
    /// The size that `hdbscan` used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cluster_size: Option<usize>,
    /// Tokens that were read.
    pub usage: TokenUsage,
    /// How many texts were cut to the model's length; only there when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// What stands for a cluster.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Centroid {
    /// Its place in the request.
    pub index: usize,
    /// Its id, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its text, when texts were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A number of clusters that was tried.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct TriedClusters {
    /// The number.
    pub n_clusters: usize,
    /// The silhouette that it has.
    pub silhouette: f64,
}

/// Group texts.
///
/// Texts, or vectors that are given, are put into clusters. `kmeans` makes the sum of squared distances to the centres small; the same
/// seed gives the same answer. `hierarchical` merges, from single texts on, what adds least to that sum. Both make `n_clusters`, or
/// the number from 2 to 10 whose silhouette is best: `tried` tells them. `dbscan` and `hdbscan` find the number themselves and leave out
/// noise, -1. The silhouette of a text is (b - a) / max(a, b), a its mean distance to the others of its cluster, b the least mean
/// distance to another cluster. A text that is alone, or texts that are all the same, are one cluster, or noise.
#[route(
    POST, "/v1/cluster",
    tag = "analytics",
    tests = [
        case("the number is chosen", json = { "texts": [
            "the cat sleeps on the sofa", "a cat and a kitten sleep", "my cat likes to sleep",
            "the train leaves the station at noon", "a train to the next station", "the station where trains leave",
        ] }, status = 200, check = separates_cats_from_trains),
        case("hierarchical, under other names", json = {
            "documents": [{ "id": "x", "text": "cats sleep" }, { "id": "y", "text": "cats sleep a lot" }, { "id": "z", "text": "trains leave" }],
            "method": "hierarchical", "n_clusters": 2,
        }, status = 200, check = |response: &ClusterResponse| {
            response.labels == [0, 0, 1] && response.centroids.iter().any(|text| text.id.as_deref() == Some("z"))
        }),
        case("dbscan over vectors", json = {
            "embeddings": [[0, 0], [0, 1], [1, 0], [9, 9], [9, 8], [50, 50]], "algorithm": "dbscan", "metric": "euclidean", "eps": 1.5, "min_samples": 2,
        }, status = 200, check = |response: &ClusterResponse| response.labels == [0, 0, 0, 1, 1, -1] && response.noise == 1),
        case("hdbscan over vectors", json = {
            "embeddings": [[0, 0], [0, 1], [1, 0], [9, 9], [9, 8], [8, 9], [50, -70]], "algorithm": "hdbscan", "metric": "manhattan",
        }, status = 200, check = |response: &ClusterResponse| response.labels == [0, 0, 0, 1, 1, 1, -1] && response.min_cluster_size == Some(3)),
        case("more clusters than texts", json = { "texts": ["a cat", "a train"], "n_clusters": 5 }, status = 200,
            check = |response: &ClusterResponse| response.n_clusters == 2 && response.silhouette.is_none()),
        case("one text", json = { "texts": ["a cat"] }, status = 200,
            check = |response: &ClusterResponse| response.labels == [0] && response.tried.as_ref().is_some_and(Vec::is_empty)),
        case("texts that are all the same", json = { "texts": ["a cat", "a cat", "a cat"], "algorithm": "hierarchical" }, status = 200,
            check = |response: &ClusterResponse| response.sizes == [3]),
        case("fields that are null", json = {
            "model": null, "texts": ["a cat", "a train"], "embeddings": null, "n_clusters": null, "algorithm": "dbscan", "metric": null, "seed": null,
            "eps": null, "min_samples": null, "min_cluster_size": null, "dimensions": null, "truncate": null,
        }, status = 200, check = |response: &ClusterResponse| response.eps == Some(0.5) && response.min_samples == Some(2)),
        case("nothing to group", json = {}, problem = InferenceError::Invalid),
        case("texts and vectors", json = { "texts": ["a"], "embeddings": [[1]] }, problem = InferenceError::Invalid),
        case("a number for dbscan", json = { "texts": ["a"], "algorithm": "dbscan", "n_clusters": 2 }, problem = InferenceError::Invalid),
        case("a distance for kmeans", json = { "texts": ["a"], "eps": 0.5 }, problem = InferenceError::Invalid),
        case("manhattan for kmeans", json = { "embeddings": [[1], [2]], "metric": "manhattan" }, problem = InferenceError::Invalid),
        case("vectors of other lengths", json = { "embeddings": [[1, 2], [3]] }, problem = InferenceError::Invalid),
        case("no texts", json = { "texts": [] }, problem = ApiError::RequestInvalid),
        case("an empty text", json = { "texts": ["a", ""] }, problem = ApiError::RequestInvalid),
        case("no clusters", json = { "texts": ["a"], "n_clusters": 0 }, problem = ApiError::RequestInvalid),
        case("unknown algorithm", json = { "texts": ["a"], "algorithm": "spectral" }, problem = ApiError::RequestInvalid),
        case("unknown model", json = { "model": "nobody/nothing", "texts": ["a"] }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a short context; the journeys in tests/ have them"),
    ],
)]
pub async fn cluster(
    runtime: Component<Runtime>,
    Json(request): Json<ClusterRequest>,
) -> Result<Json<ClusterResponse>, InferenceError> {
    let kind = request.algorithm.unwrap_or_default();
    let metric = request.metric.unwrap_or_default();
    let algorithm = algorithm(&request)?;
    let mut texts = Texts::default();
    let input = match (request.texts, request.embeddings) {
        (Some(items), None) => {
            texts = Texts::of("texts", items)?;
            ClusterInput::Texts(texts.texts.clone())
        }
        (None, Some(vectors)) => {
            const ALONE: &str = "goes with `texts`; leave it out, or give texts instead of `embeddings`";
            InferenceError::refuse(&[
                ("model", request.model.is_some(), ALONE),
                ("dimensions", request.dimensions.is_some(), ALONE),
                ("truncate", request.truncate.is_some(), ALONE),
            ])?;
            ClusterInput::Vectors(vectors)
        }
        (None, None) => {
            return Err(InferenceError::invalid("texts", "is missing: give `texts` or `embeddings`"));
        }
        (Some(_), Some(_)) => {
            return Err(InferenceError::invalid("embeddings", "stands beside `texts`; give one of the two"));
        }
    };
    let found = runtime
        .cluster(tabagent_runtime::analytics::ClusterRequest {
            model: request.model,
            input,
            algorithm,
            distance: metric.into(),
            dimensions: request.dimensions.map(|dimensions| dimensions as usize),
            truncate: request.truncate.unwrap_or(false),
            deadline: None,
        })
        .await?;
    let seed = (kind == ClusterAlgorithm::Kmeans).then(|| request.seed.unwrap_or_default());
    let chooses = matches!(kind, ClusterAlgorithm::Kmeans | ClusterAlgorithm::Hierarchical);
    let is_open = chooses && request.n_clusters.is_none();
    Ok(Json(ClusterResponse::new(found, kind, metric, seed, is_open, &texts)))
}

/// The algorithm with its parameters.
///
/// # Errors
/// [`InferenceError::Invalid`] of a parameter that another algorithm has.
fn algorithm(request: &ClusterRequest) -> Result<Algorithm, InferenceError> {
    use ClusterAlgorithm::{Dbscan, Hdbscan, Hierarchical, Kmeans};
    let kind = request.algorithm.unwrap_or_default();
    let is_density = matches!(kind, Dbscan | Hdbscan);
    InferenceError::refuse(&[
        (
            "n_clusters",
            is_density && request.n_clusters.is_some(),
            "is found by `dbscan` and `hdbscan` themselves; leave it out, or choose `kmeans` or `hierarchical`",
        ),
        ("seed", kind != Kmeans && request.seed.is_some(), "goes with `kmeans`; nothing else is drawn"),
        ("eps", kind != Dbscan && request.eps.is_some(), "goes with `dbscan`"),
        ("min_samples", !is_density && request.min_samples.is_some(), "goes with `dbscan` and `hdbscan`"),
        ("min_cluster_size", kind != Hdbscan && request.min_cluster_size.is_some(), "goes with `hdbscan`"),
    ])?;
    let size = |number: Option<u32>| number.map(|number| number as usize);
    Ok(match kind {
        Kmeans => Algorithm::KMeans {
            clusters: size(request.n_clusters),
            seed: request.seed.unwrap_or_default().into(),
        },
        Hierarchical => Algorithm::Hierarchical { clusters: size(request.n_clusters) },
        Dbscan => Algorithm::Dbscan { eps: request.eps, min_samples: size(request.min_samples) },
        Hdbscan => Algorithm::Hdbscan {
            min_cluster_size: size(request.min_cluster_size),
            min_samples: size(request.min_samples),
        },
    })
}

impl ClusterResponse {
    fn new(
        found: Clustering,
        algorithm: ClusterAlgorithm,
        metric: ClusterMetric,
        seed: Option<u32>,
        is_open: bool,
        texts: &Texts,
    ) -> Self {
        let clusters = found.clusters;
        let label = |label: &Option<usize>| label.and_then(|label| i64::try_from(label).ok()).unwrap_or(-1);
        let labels: Vec<i64> = clusters.labels.iter().map(label).collect();
        let centroid =
            |index: usize| Centroid { index, id: texts.id(index), text: texts.texts.get(index).cloned() };
        let tried = |(n_clusters, silhouette)| TriedClusters { n_clusters, silhouette };
        Self {
            object: "clustering".to_owned(),
            model: found.model,
            algorithm,
            metric,
            n_clusters: clusters.sizes.len(),
            noise: labels.iter().filter(|label| **label < 0).count(),
            labels,
            sizes: clusters.sizes,
            centroids: clusters.central.into_iter().map(centroid).collect(),
            silhouette: clusters.silhouette,
            inertia: clusters.inertia,
            tried: is_open.then(|| clusters.tried.into_iter().map(tried).collect()),
            seed,
            eps: clusters.density.eps,
            min_samples: clusters.density.min_samples,
            min_cluster_size: clusters.density.min_cluster_size,
            usage: TokenUsage::of(found.prompt_tokens),
            truncated: some_if_any(found.truncated),
        }
    }
}

impl From<ClusterMetric> for Distance {
    fn from(metric: ClusterMetric) -> Self {
        match metric {
            ClusterMetric::Cosine => Self::Cosine,
            ClusterMetric::Euclidean => Self::Euclidean,
            ClusterMetric::Manhattan => Self::Manhattan,
        }
    }
}

fn separates_cats_from_trains(response: &ClusterResponse) -> Result<(), String> {
    let tried = response.tried.iter().flatten();
    let best = tried.max_by(|a, b| a.silhouette.total_cmp(&b.silhouette)).map(|tried| tried.n_clusters);
    if response.labels != [0, 0, 0, 1, 1, 1] || best != Some(2) {
        return Err(format!("{response:?}"));
    }
    let centroids: Vec<&str> = response.centroids.iter().filter_map(|text| text.text.as_deref()).collect();
    match centroids[..] {
        [cat, train] if cat.contains("cat") && train.contains("train") => Ok(()),
        _ => Err(format!("the centroids are {centroids:?}")),
    }
}
