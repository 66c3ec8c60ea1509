//! Vectors with a distance between them, in double precision.

use serde::{Deserialize, Serialize};

use super::{Matrix, Stopped, go_on};
use crate::error::Result;

/// A distance of two vectors: 0 or more, 0 for what is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    /// 1 - the cosine of the angle: 0 to 2. Between other vectors and one that is all zeros it is 1.
    #[default]
    Cosine,
    /// Length of the difference.
    Euclidean,
    /// Sum of the absolute differences.
    Manhattan,
}

/// Vectors between which a distance is measured. For cosines they have unit length.
#[derive(Debug, Clone)]
pub struct Space {
    distance: Distance,
    dimensions: usize,
    values: Vec<f64>,
}

/// Distance below which 1 - cosine has few digits left that are not rounding.
const CLOSE: f64 = 1e-9;

/// Sums in eight lanes, which a compiler can keep in one register; a sum in order cannot be.
const LANES: usize = 8;

fn sum(a: &[f64], b: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| term(*a, *b)).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += term(*a, *b);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Σ a·b.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum(a, b, |a, b| a * b)
}

/// Σ (a - b)².
pub(super) fn squared(a: &[f64], b: &[f64]) -> f64 {
    sum(a, b, |a, b| (a - b) * (a - b))
}

impl Space {
    /// The vectors of a matrix, for cosines at unit length.
    pub fn new(matrix: &Matrix, distance: Distance) -> Self {
        let mut values: Vec<f64> = matrix.rows().flatten().map(|value| f64::from(*value)).collect();
        if distance == Distance::Cosine {
            for row in values.chunks_exact_mut(matrix.dimensions()) {
                normalize(row);
            }
        }
        Self { distance, dimensions: matrix.dimensions(), values }
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.dimensions.max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Their length.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The vectors in their order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.dimensions.max(1))
    }

    /// One of them; an empty one beyond the last.
    pub fn row(&self, index: usize) -> &[f64] {
        let start = index.saturating_mul(self.dimensions);
        self.values.get(start..start.saturating_add(self.dimensions)).unwrap_or_default()
    }

    /// The distance of two vectors, for cosines of unit length.
    pub fn between(&self, a: &[f64], b: &[f64]) -> f64 {
        match self.distance {
            Distance::Cosine => {
                let distance = (1.0 - dot(a, b)).max(0.0);
                // Of vectors of unit length this is the same, and rounding does not make all of it.
                if distance < CLOSE { squared(a, b) / 2.0 } else { distance }
            }
            Distance::Euclidean => squared(a, b).sqrt(),
            Distance::Manhattan => sum(a, b, |a, b| (a - b).abs()),
        }
    }

    /// How many different vectors there are.
    pub fn distinct(&self) -> usize {
        // Zero has two signs.
        let bits = |row: &[f64]| row.iter().map(|value| (value + 0.0).to_bits()).collect::<Vec<_>>();
        self.rows().map(bits).collect::<std::collections::HashSet<_>>().len()
    }

    /// The mean of some of the vectors, and which of these is closest to it, the first of equal ones. `None` of none.
    ///
    /// # Errors
    /// Where nobody waits any more.
    pub fn centre(&self, members: &[usize], stopped: Stopped<'_>) -> Result<Option<(Vec<f64>, usize)>> {
        let mut mean = vec![0.0; self.dimensions];
        for member in members {
            mean.iter_mut().zip(self.row(*member)).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= members.len().max(1) as f64);
        go_on(stopped)?;
        let closest = members
            .iter()
            .map(|member| (*member, self.between(self.row(*member), &mean)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b));
        Ok(closest.map(|(member, _)| (mean, member)))
    }
}

/// Brings a vector to unit length; one that is all zeros stays. Vectors of one direction become the same in every bit: their
/// ratios to their largest value are, since a quotient is rounded once.
pub(super) fn normalize(row: &mut [f64]) {
    let largest = row.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest > 0.0 {
        row.iter_mut().for_each(|value| *value /= largest);
    }
    let length = dot(row, row).sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|value| *value /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_vectors_are_counted_as_the_distance_sees_them() {
        let matrix =
            Matrix::new("", &[vec![3.0, 4.0], vec![6.0, 8.0], vec![0.0, 0.0], vec![-0.0, 0.0]]).unwrap();
        assert_eq!(Space::new(&matrix, Distance::Cosine).distinct(), 2);
        assert_eq!(Space::new(&matrix, Distance::Euclidean).distinct(), 3);
        // Multiples of one vector have one direction, however their lengths are rounded.
        for vector in [vec![1.0_f32; 7], vec![1.0, 2.0, 3.0], vec![0.1, -0.7, 0.3, 0.9]] {
            let rows = [1.0, 2.0, 8.0, 0.5];
            let rows: Vec<Vec<f32>> =
                rows.iter().map(|by| vector.iter().map(|value| value * by).collect()).collect();
            assert_eq!(Space::new(&Matrix::new("", &rows).unwrap(), Distance::Cosine).distinct(), 1);
        }
        let rows: Vec<Vec<f32>> = [1, 2, 3, 7, 11, 13].iter().map(|by| vec![*by as f32; 7]).collect();
        assert_eq!(Space::new(&Matrix::new("", &rows).unwrap(), Distance::Cosine).distinct(), 1);
    }

    #[test]
    fn a_cosine_of_almost_one_has_its_distance() {
        let rows = [vec![1.0, 0.0], vec![1.0, 1e-6], vec![0.0, 0.0]];
        let space = Space::new(&Matrix::new("", &rows).unwrap(), Distance::Cosine);
        let distance = space.between(space.row(0), space.row(1));
        // 1 - cos(x) is x² / 2 up to x⁴.
        let angle = f64::from(1e-6_f32);
        assert!((distance / (angle * angle / 2.0) - 1.0).abs() < 1e-9, "{distance}");
        assert_eq!(space.between(space.row(0), space.row(2)), 1.0);
    }

    #[test]
    fn the_closest_to_the_mean_is_a_member() {
        let rows: Vec<Vec<f32>> = (0..20).map(|at| vec![at as f32; 11]).collect();
        let space = Space::new(&Matrix::new("", &rows).unwrap(), Distance::Manhattan);
        let (mean, closest) = space.centre(&[0, 4, 5, 19], &|| false).unwrap().unwrap();
        assert_eq!((mean[10], closest), (7.0, 5));
        assert!(space.centre(&[], &|| false).unwrap().is_none());
        assert_eq!(space.between(space.row(0), space.row(2)), 22.0);
    }
}
