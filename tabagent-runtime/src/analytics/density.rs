//! Clusters as dense regions, of any number and form, with noise between them.

use hdbscan::{DistanceMetric, Hdbscan, HdbscanHyperParams};

use super::{Stopped, go_on, space::Space};
use crate::error::{BackendError, Result};

/// Vectors that HDBSCAN takes: it holds all distances, and the work on them cannot be given up in the middle.
pub const MOST: usize = 2048;

/// DBSCAN (Ester et al. 1996): a vector with `min_samples` vectors within `eps`, itself among them, is at the core of a
/// cluster; what is within `eps` of one belongs to it, to the first one where it is near two; the rest is noise, `None`.
///
/// It is written here since it needs one row of distances at a time, in any of the metrics.
///
/// # Errors
/// Where nobody waits any more.
pub fn dbscan(
    space: &Space,
    eps: f64,
    min_samples: usize,
    stopped: Stopped<'_>,
) -> Result<Vec<Option<usize>>> {
    let near = |at: usize| -> Result<Vec<usize>> {
        go_on(stopped)?;
        let row = space.row(at);
        // A vector is near itself, whatever rounding makes of its distance to itself.
        let is_near = |(other, vector): (usize, &[f64])| {
            (other == at || space.between(row, vector) <= eps).then_some(other)
        };
        Ok(space.rows().enumerate().filter_map(is_near).collect())
    };
    let mut labels = vec![None; space.len()];
    let mut visited = vec![false; space.len()];
    let mut next = 0;
    for start in 0..space.len() {
        if visited[start] || labels[start].is_some() {
            continue;
        }
        let mut waiting = vec![start];
        let mut is_cluster = false;
        while let Some(at) = waiting.pop() {
            if visited[at] {
                continue;
            }
            visited[at] = true;
            let neighbours = near(at)?;
            if neighbours.len() < min_samples {
                continue;
            }
            is_cluster = true;
            for neighbour in neighbours {
                if labels[neighbour].is_none() {
                    labels[neighbour] = Some(next);
                    waiting.push(neighbour);
                }
            }
        }
        next += usize::from(is_cluster);
    }
    Ok(labels)
}

/// Whether HDBSCAN takes so many vectors.
///
/// # Errors
/// [`BackendError::InvalidInput`] of more than [`MOST`].
pub(crate) fn check_count(count: usize) -> Result<()> {
    if count <= MOST {
        return Ok(());
    }
    let reason = format!(
        "`hdbscan` takes up to {MOST} texts or embeddings and there are {count}; `dbscan` takes more"
    );
    Err(BackendError::invalid("algorithm", reason))
}

/// HDBSCAN (Campello, Moulavi and Sander 2013): DBSCAN over all `eps` at once; of the clusters that appear, those are kept that
/// persist longest. Noise is `None`. All vectors in one cluster is no answer that it gives.
///
/// # Errors
/// [`BackendError::InvalidInput`] of more than [`MOST`] vectors.
pub fn hdbscan(
    space: &Space,
    min_cluster_size: usize,
    min_samples: usize,
    stopped: Stopped<'_>,
) -> Result<Vec<Option<usize>>> {
    let count = space.len();
    check_count(count)?;
    if count < 2 || count < min_cluster_size {
        return Ok(vec![None; count]);
    }
    let mut distances = vec![vec![0.0; count]; count];
    for (at, row) in space.rows().enumerate() {
        go_on(stopped)?;
        for (other, vector) in space.rows().enumerate().skip(at + 1) {
            let distance = space.between(row, vector);
            distances[at][other] = distance;
            distances[other][at] = distance;
        }
    }
    let parameters = HdbscanHyperParams::builder()
        .min_cluster_size(min_cluster_size.max(2))
        .min_samples(min_samples.clamp(1, count))
        .dist_metric(DistanceMetric::Precalculated)
        .build();
    let labels = Hdbscan::new(&distances, parameters)
        .cluster()
        .map_err(|error| BackendError::internal(format!("hdbscan: {error}")))?;
    Ok(labels.into_iter().map(|label| usize::try_from(label).ok()).collect())
}
