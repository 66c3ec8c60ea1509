//! Which vectors belong together: one entry to all algorithms, the choice of a number of clusters, and what describes each.

use std::{collections::HashMap, time::Duration};

use super::{
    Stopped, density,
    hierarchical::Tree,
    kmeans::kmeans,
    silhouette::{silhouettes, sizes},
    space::{Distance, Space},
};
use crate::error::{BackendError, Result};

/// Most clusters that are tried where their number is left open.
pub const MOST_TRIED: usize = 10;
/// `eps` of DBSCAN where none is given, as scikit-learn has it.
pub const EPS: f64 = 0.5;
/// Neighbours and cluster sizes where none are given, as scikit-learn has them, for all but few vectors.
pub const SAMPLES: usize = 5;

/// A request to group texts or vectors.
#[derive(Debug, Clone)]
pub struct ClusterRequest {
    /// Id of the embedding model; the default one where there is none. Vectors need none.
    pub model: Option<String>,
    /// What is grouped.
    pub input: ClusterInput,
    /// How it is grouped.
    pub algorithm: Algorithm,
    /// How far vectors are from each other.
    pub distance: Distance,
    /// Length to which the vectors of texts are cut before.
    pub dimensions: Option<usize>,
    /// Whether a text longer than the model takes is cut.
    pub truncate: bool,
    /// When to give up.
    pub deadline: Option<Duration>,
}

/// What is grouped.
#[derive(Debug, Clone)]
pub enum ClusterInput {
    /// Texts, by their vectors.
    Texts(Vec<String>),
    /// Vectors of one length.
    Vectors(Vec<Vec<f32>>),
}

/// How vectors are grouped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Algorithm {
    /// k-means.
    KMeans {
        /// How many clusters, at most as many as there are different vectors; chosen by silhouette where there is none.
        clusters: Option<usize>,
        /// What the first centres are drawn with.
        seed: u64,
    },
    /// Agglomerative clustering with Ward's criterion.
    Hierarchical {
        /// As for k-means.
        clusters: Option<usize>,
    },
    /// DBSCAN.
    Dbscan {
        /// Distance within which vectors are neighbours; [`EPS`] where there is none.
        eps: Option<f64>,
        /// Neighbours of the core of a cluster, itself among them; where there is none [`SAMPLES`], and half of few vectors.
        min_samples: Option<usize>,
    },
    /// HDBSCAN.
    Hdbscan {
        /// Vectors that make a cluster; where there is none [`SAMPLES`], and half of few vectors.
        min_cluster_size: Option<usize>,
        /// As for DBSCAN, at most as many as there are vectors; `min_cluster_size` where there is none.
        min_samples: Option<usize>,
    },
}

/// Vectors in groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// The cluster of each vector, numbered by their first vectors; `None` for noise.
    pub labels: Vec<Option<usize>>,
    /// How many vectors each cluster has.
    pub sizes: Vec<usize>,
    /// The vector of each cluster that is closest to the mean of its vectors.
    pub central: Vec<usize>,
    /// The silhouette, -1 to 1; none where there are not two clusters, or as many as vectors.
    pub silhouette: Option<f64>,
    /// Σ squared distance to the centres; k-means alone has it.
    pub inertia: Option<f64>,
    /// Numbers of clusters that were tried, with their silhouettes; nothing where the number was given.
    pub tried: Vec<(usize, f64)>,
    /// What was used of DBSCAN's and HDBSCAN's parameters.
    pub density: Density,
}

/// Parameters of the algorithms of density, as they were used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Density {
    /// Distance within which vectors are neighbours.
    pub eps: Option<f64>,
    /// Neighbours of the core of a cluster.
    pub min_samples: Option<usize>,
    /// Vectors that make a cluster.
    pub min_cluster_size: Option<usize>,
}

/// Groups of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// Id of the model; none where vectors were given.
    pub model: Option<String>,
    /// The groups.
    pub clusters: Clusters,
    /// Tokens of all texts.
    pub prompt_tokens: u64,
    /// Texts that were cut to the model's length.
    pub truncated: usize,
}

/// A grouping before it is described.
struct Found {
    labels: Vec<Option<usize>>,
    inertia: Option<f64>,
}

impl Algorithm {
    /// What cannot be with a distance, or with so many vectors; told before any text is read.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`]: k-means and Ward's criterion are about squared differences.
    pub(crate) fn check(&self, distance: Distance, count: usize) -> Result<()> {
        if matches!(self, Self::Hdbscan { .. }) {
            density::check_count(count)?;
        }
        if distance == Distance::Manhattan && matches!(self, Self::KMeans { .. } | Self::Hierarchical { .. })
        {
            let reason = "`kmeans` and `hierarchical` take `cosine` or `euclidean`; `manhattan` goes with `dbscan` and `hdbscan`";
            return Err(BackendError::invalid("metric", reason));
        }
        Ok(())
    }
}

/// Groups the vectors of a space, at least one.
///
/// # Errors
/// [`BackendError::InvalidInput`] where an algorithm does not take so many; where nobody waits any more.
pub fn cluster(space: &Space, algorithm: Algorithm, stopped: Stopped<'_>) -> Result<Clusters> {
    let few = (space.len() / 2).clamp(2, SAMPLES);
    let mut density = Density::default();
    let (found, tried) = match algorithm {
        Algorithm::KMeans { clusters, seed } => chosen(space, clusters, stopped, |clusters| {
            let found = kmeans(space, clusters, seed, stopped)?;
            Ok(Found { labels: found.labels.into_iter().map(Some).collect(), inertia: Some(found.inertia) })
        })?,
        Algorithm::Hierarchical { clusters } => {
            let tree = Tree::ward(space, stopped)?;
            chosen(space, clusters, stopped, |clusters| {
                Ok(Found { labels: tree.cut(clusters).into_iter().map(Some).collect(), inertia: None })
            })?
        }
        Algorithm::Dbscan { eps, min_samples } => {
            let (eps, min_samples) = (eps.unwrap_or(EPS), min_samples.unwrap_or(few));
            density = Density { eps: Some(eps), min_samples: Some(min_samples), min_cluster_size: None };
            let labels = density::dbscan(space, eps, min_samples, stopped)?;
            (Found { labels, inertia: None }, Vec::new())
        }
        Algorithm::Hdbscan { min_cluster_size, min_samples } => {
            let size = min_cluster_size.unwrap_or(few);
            let min_samples = min_samples.unwrap_or(size).min(space.len());
            density = Density { eps: None, min_samples: Some(min_samples), min_cluster_size: Some(size) };
            let labels = density::hdbscan(space, size, min_samples, stopped)?;
            (Found { labels, inertia: None }, Vec::new())
        }
    };
    let labels = renumbered(&found.labels);
    let silhouette = match tried.iter().find(|(clusters, _)| *clusters == sizes(&labels).len()) {
        Some((_, silhouette)) => Some(*silhouette),
        None => silhouettes(space, &[&labels], stopped)?.pop().flatten(),
    };
    let mut members = vec![Vec::new(); sizes(&labels).len()];
    for (at, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            members[*label].push(at);
        }
    }
    let mut central = Vec::with_capacity(members.len());
    for members in &members {
        central.extend(space.centre(members, stopped)?.map(|(_, closest)| closest));
    }
    Ok(Clusters {
        sizes: sizes(&labels),
        labels,
        central,
        silhouette,
        inertia: found.inertia,
        tried,
        density,
    })
}

/// Makes as many clusters as are wanted, or as have the best silhouette: of 2 to [`MOST_TRIED`], fewer than there are vectors,
/// and the fewest of equal ones.
fn chosen(
    space: &Space,
    wanted: Option<usize>,
    stopped: Stopped<'_>,
    make: impl Fn(usize) -> Result<Found>,
) -> Result<(Found, Vec<(usize, f64)>)> {
    let most = space.distinct();
    if let Some(wanted) = wanted {
        return Ok((make(wanted.clamp(1, most.max(1)))?, Vec::new()));
    }
    let counts: Vec<usize> = (2..=MOST_TRIED.min(most).min(space.len().saturating_sub(1))).collect();
    let mut found = counts.iter().map(|count| make(*count)).collect::<Result<Vec<_>>>()?;
    let labels: Vec<&[Option<usize>]> = found.iter().map(|found| &found.labels[..]).collect();
    let scores = silhouettes(space, &labels, stopped)?;
    let tried: Vec<(usize, f64)> =
        counts.iter().zip(&scores).map(|(count, score)| (*count, score.unwrap_or_default())).collect();
    let best = (0..tried.len()).reduce(|best, next| if tried[next].1 > tried[best].1 { next } else { best });
    match best {
        Some(best) => Ok((found.swap_remove(best), tried)),
        // One vector, two, or all the same.
        None => Ok((make(1)?, tried)),
    }
}

/// Clusters numbered in the order of their first vectors.
fn renumbered(labels: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut numbers = HashMap::new();
    labels
        .iter()
        .map(|label| {
            label.map(|label| {
                let next = numbers.len();
                *numbers.entry(label).or_insert(next)
            })
        })
        .collect()
}
