//! How well vectors lie in their clusters (Rousseeuw 1987).

use super::{Stopped, go_on, space::Space};
use crate::error::Result;

/// The silhouette of each of several clusterings of the same vectors, which share one pass over their distances.
///
/// The silhouette of a vector is (b - a) / max(a, b): a is the mean distance to the others of its cluster, b the least of the mean
/// distances to the vectors of another cluster; 0 where it is alone in its cluster, or a and b are 0. That of a clustering is the mean over
/// all vectors that belong to a cluster: -1 to 1, 1 is best. `None` where there are not at least two clusters and fewer
/// clusters than vectors in them.
///
/// # Errors
/// Where nobody waits any more.
pub fn silhouettes(
    space: &Space,
    clusterings: &[&[Option<usize>]],
    stopped: Stopped<'_>,
) -> Result<Vec<Option<f64>>> {
    let sizes: Vec<Vec<usize>> = clusterings.iter().map(|labels| sizes(labels)).collect();
    let mut totals = vec![0.0; clusterings.len()];
    let mut distances = Vec::with_capacity(space.len());
    for (at, row) in space.rows().enumerate() {
        go_on(stopped)?;
        distances.clear();
        distances.extend(
            space.rows().enumerate().map(
                |(other, vector)| {
                    if other == at { 0.0 } else { space.between(row, vector) }
                },
            ),
        );
        for ((labels, sizes), total) in clusterings.iter().zip(&sizes).zip(&mut totals) {
            if let Some(own) = labels.get(at).copied().flatten() {
                *total += silhouette(&distances, labels, sizes, own);
            }
        }
    }
    let mean = |(sizes, total): (&Vec<usize>, f64)| {
        let clusters = sizes.iter().filter(|size| **size > 0).count();
        let members: usize = sizes.iter().sum();
        (clusters >= 2 && clusters < members).then(|| total / members as f64)
    };
    Ok(sizes.iter().zip(totals).map(mean).collect())
}

/// The silhouette of one vector.
fn silhouette(distances: &[f64], labels: &[Option<usize>], sizes: &[usize], own: usize) -> f64 {
    if sizes[own] < 2 {
        return 0.0;
    }
    let mut sums = vec![0.0; sizes.len()];
    for (distance, label) in distances.iter().zip(labels) {
        if let Some(label) = label {
            sums[*label] += distance;
        }
    }
    let inside = sums[own] / (sizes[own] - 1) as f64;
    let others = sums.iter().zip(sizes).enumerate().filter(|(at, (_, size))| *at != own && **size > 0);
    let outside = others.map(|(_, (sum, size))| sum / *size as f64).fold(f64::INFINITY, f64::min);
    let larger = inside.max(outside);
    if larger > 0.0 && larger.is_finite() { (outside - inside) / larger } else { 0.0 }
}

/// How many vectors each cluster has.
pub(super) fn sizes(labels: &[Option<usize>]) -> Vec<usize> {
    let clusters = labels.iter().flatten().max().map_or(0, |most| most + 1);
    let mut sizes = vec![0; clusters];
    labels.iter().flatten().for_each(|label| sizes[*label] += 1);
    sizes
}
