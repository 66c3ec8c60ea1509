//! k-means: centres such that the squared distances of vectors to their own centre add up to as little as can be found.
//!
//! Centres start by k-means++ (Arthur and Vassilvitskii 2007), each the best of a few draws, and move by Lloyd's algorithm
//! until no vector changes its centre. Of several starts the one with the least inertia is kept. Inertia is 0 or more.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::{
    Stopped, go_on,
    space::{Space, squared},
};
use crate::error::Result;

/// Starts of which the best is kept.
const STARTS: usize = 8;
/// Steps after which a start is as good as it will get.
const STEPS: usize = 300;

/// Vectors by the centre that is closest to them.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// The centre of each vector.
    pub labels: Vec<usize>,
    /// The centres, one after the other.
    pub centres: Vec<Vec<f64>>,
    /// Σ squared distance of each vector to its centre.
    pub inertia: f64,
}

/// Finds `clusters` centres, at least one and at most as many as there are different vectors. The same seed draws the same
/// starts on every machine.
///
/// # Errors
/// Where nobody waits any more.
pub fn kmeans(space: &Space, clusters: usize, seed: u64, stopped: Stopped<'_>) -> Result<KMeans> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let start = plus_plus(space, clusters, &mut random, stopped)?;
    let mut best = lloyd(space, start, stopped)?;
    for _ in 1..STARTS {
        let start = plus_plus(space, clusters, &mut random, stopped)?;
        let found = lloyd(space, start, stopped)?;
        if found.inertia < best.inertia {
            best = found;
        }
    }
    Ok(best)
}

/// Draws the first centres: each next one with a probability that grows with the squared distance to those before.
fn plus_plus(
    space: &Space,
    clusters: usize,
    random: &mut ChaCha8Rng,
    stopped: Stopped<'_>,
) -> Result<Vec<Vec<f64>>> {
    // About as many draws as scikit-learn makes.
    let draws = 2 + clusters.checked_ilog2().unwrap_or(0);
    let first = below(space.len(), random);
    let mut centres = vec![space.row(first).to_vec()];
    let mut closest: Vec<f64> = space.rows().map(|row| squared(row, space.row(first))).collect();
    while centres.len() < clusters.min(space.len()) {
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..draws {
            go_on(stopped)?;
            let drawn = draw(&closest, uniform(random));
            let with: Vec<f64> = space
                .rows()
                .zip(&closest)
                .map(|(row, closest)| closest.min(squared(row, space.row(drawn))))
                .collect();
            let inertia = with.iter().sum();
            if best.as_ref().is_none_or(|(least, _, _)| inertia < *least) {
                best = Some((inertia, drawn, with));
            }
        }
        let Some((_, drawn, with)) = best else { break };
        centres.push(space.row(drawn).to_vec());
        closest = with;
    }
    Ok(centres)
}

/// An index with a probability that grows with its weight.
fn draw(weights: &[f64], at: f64) -> usize {
    let mut left = at * weights.iter().sum::<f64>();
    let mut last = 0;
    for (index, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        last = index;
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// An index below `count`.
fn below(count: usize, random: &mut ChaCha8Rng) -> usize {
    usize::try_from(random.next_u64() % count.max(1) as u64).unwrap_or(0)
}

/// A number from 0 to below 1.
fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Moves centres until no vector changes its own. A centre that loses all its vectors goes to the vector that is farthest
/// from its centre, as in scikit-learn.
///
/// # Errors
/// Where nobody waits any more.
pub fn lloyd(space: &Space, start: Vec<Vec<f64>>, stopped: Stopped<'_>) -> Result<KMeans> {
    let mut centres = start;
    let (mut labels, mut distances) = assign(space, &centres, stopped)?;
    for _ in 0..STEPS {
        centres = means(space, &centres, &mut labels, &mut distances);
        let (next, spans) = assign(space, &centres, stopped)?;
        distances = spans;
        if next == labels {
            break;
        }
        labels = next;
    }
    Ok(KMeans { labels, centres, inertia: distances.iter().sum() })
}

/// The closest centre of each vector, the first of equal ones, and its squared distance.
fn assign(space: &Space, centres: &[Vec<f64>], stopped: Stopped<'_>) -> Result<(Vec<usize>, Vec<f64>)> {
    let mut labels = Vec::with_capacity(space.len());
    let mut distances = Vec::with_capacity(space.len());
    for row in space.rows() {
        go_on(stopped)?;
        let (label, distance) = centres
            .iter()
            .map(|centre| squared(row, centre))
            .enumerate()
            .fold((0, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best });
        labels.push(label);
        distances.push(distance);
    }
    Ok((labels, distances))
}

/// The mean of the vectors of each centre.
fn means(space: &Space, centres: &[Vec<f64>], labels: &mut [usize], distances: &mut [f64]) -> Vec<Vec<f64>> {
    let mut sizes = vec![0_usize; centres.len()];
    labels.iter().for_each(|label| sizes[*label] += 1);
    for empty in 0..sizes.len() {
        if sizes[empty] > 0 {
            continue;
        }
        // Not one that would leave another centre empty.
        let farthest = (0..labels.len())
            .filter(|at| sizes[labels[*at]] > 1)
            .max_by(|a, b| distances[*a].total_cmp(&distances[*b]));
        if let Some(farthest) = farthest {
            sizes[labels[farthest]] -= 1;
            sizes[empty] = 1;
            labels[farthest] = empty;
            distances[farthest] = 0.0;
        }
    }
    let mut means: Vec<Vec<f64>> = centres.iter().map(|centre| vec![0.0; centre.len()]).collect();
    for (row, label) in space.rows().zip(labels.iter()) {
        means[*label].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    for ((mean, centre), size) in means.iter_mut().zip(centres).zip(&sizes) {
        if *size == 0 {
            mean.clone_from(centre);
        } else {
            mean.iter_mut().for_each(|sum| *sum /= *size as f64);
        }
    }
    means
}
