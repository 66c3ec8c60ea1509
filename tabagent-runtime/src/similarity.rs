//! How alike two vectors are, by four measures, each with its range.

use serde::{Deserialize, Serialize};

use crate::{
    compute::Abandoned,
    error::{BackendError, Result},
};

/// A measure of two vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Cosine of the angle: -1 (opposite) to 1 (same direction). 0 where a vector is all zeros.
    #[default]
    Cosine,
    /// Sum of the products: any number; for vectors of unit length the cosine. Larger is more alike.
    Dot,
    /// Straight distance: 0 (same) upwards; for vectors of unit length at most 2. Smaller is more alike.
    Euclidean,
    /// Sum of the differences: 0 (same) upwards; for `n` dimensions of unit length at most 2√n. Smaller is more alike.
    Manhattan,
}

impl Metric {
    /// The measure of `a` and `b`, computed in double precision.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where they have different lengths.
    pub fn of(self, a: &[f32], b: &[f32]) -> Result<f64> {
        if a.len() != b.len() {
            return Err(BackendError::invalid(
                "vectors",
                format!("have {} and {} dimensions; compare vectors of the same model", a.len(), b.len()),
            ));
        }
        let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        Ok(match self {
            Self::Dot => pairs().map(|(a, b)| a * b).sum(),
            Self::Euclidean => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt(),
            Self::Manhattan => pairs().map(|(a, b)| (a - b).abs()).sum(),
            Self::Cosine => {
                let (dot, aa, bb) = pairs()
                    .fold((0.0, 0.0, 0.0), |(dot, aa, bb), (a, b)| (dot + a * b, aa + a * a, bb + b * b));
                // One root of the product, which is exact where the vectors are the same.
                let norm = f64::sqrt(aa * bb);
                if norm > 0.0 { (dot / norm).clamp(-1.0, 1.0) } else { 0.0 }
            }
        })
    }

    /// Whether smaller is more alike.
    pub fn is_distance(self) -> bool {
        matches!(self, Self::Euclidean | Self::Manhattan)
    }

    /// Lowest and highest value that it takes, where there is one. With `unit`, of vectors of unit length.
    pub fn range(self, dimensions: usize, unit: bool) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Cosine => (Some(-1.0), Some(1.0)),
            Self::Dot if unit => (Some(-1.0), Some(1.0)),
            Self::Dot => (None, None),
            Self::Euclidean => (Some(0.0), unit.then_some(2.0)),
            Self::Manhattan => (Some(0.0), unit.then(|| 2.0 * (dimensions as f64).sqrt())),
        }
    }
}

/// A request to compare texts.
#[derive(Debug, Clone, Default)]
pub struct SimilarityRequest {
    /// Id of the embedding model; the default one where there is none.
    pub model: Option<String>,
    /// Texts of one side.
    pub left: Vec<String>,
    /// Texts of the other side.
    pub right: Vec<String>,
    /// How they are compared.
    pub metric: Metric,
    /// Length to which the vectors are cut before.
    pub dimensions: Option<usize>,
    /// Whether a text longer than the model takes is cut.
    pub truncate: bool,
    /// When to give up.
    pub deadline: Option<std::time::Duration>,
}

/// How alike the texts are.
#[derive(Debug, Clone, PartialEq)]
pub struct Similarities {
    /// Id of the model that made the vectors.
    pub model: String,
    /// A row for each text on the left, in it a value for each on the right.
    pub scores: Vec<Vec<f64>>,
    /// How they were compared.
    pub metric: Metric,
    /// Lowest and highest value that the measure takes with this model's vectors.
    pub range: (Option<f64>, Option<f64>),
    /// Tokens of all texts.
    pub prompt_tokens: u64,
    /// Texts that were cut to the model's length.
    pub truncated: usize,
}

/// Every vector on the left with every one on the right. Given up between two rows once it is abandoned.
pub(crate) fn matrix(
    metric: Metric,
    left: &[Vec<f32>],
    right: &[Vec<f32>],
    abandoned: &Abandoned,
) -> Result<Vec<Vec<f64>>> {
    left.iter()
        .map(|a| {
            if abandoned.is_set() {
                return Err(Abandoned::error());
            }
            right.iter().map(|b| metric.of(a, b)).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::AbandonOnDrop;

    #[test]
    fn by_hand() {
        let (a, b) = ([1.0, 2.0, 2.0], [2.0, 0.0, -1.0]);
        assert_eq!(Metric::Dot.of(&a, &b).unwrap(), 0.0);
        assert_eq!(Metric::Cosine.of(&a, &b).unwrap(), 0.0);
        assert_eq!(Metric::Manhattan.of(&a, &b).unwrap(), 6.0);
        assert!((Metric::Euclidean.of(&a, &b).unwrap() - 14_f64.sqrt()).abs() < 1e-12);
        assert_eq!(Metric::Cosine.of(&a, &a).unwrap(), 1.0);
        assert_eq!(Metric::Cosine.of(&a, &[0.0; 3]).unwrap(), 0.0);
        assert!(matches!(Metric::Dot.of(&a, &b[..2]), Err(BackendError::InvalidInput { .. })));
    }

    #[test]
    fn an_abandoned_matrix_is_not_computed() {
        let guard = AbandonOnDrop::default();
        let (flag, vectors) = (guard.flag(), [vec![1.0, 0.0], vec![0.0, 2.0]]);
        let scores = matrix(Metric::Cosine, &vectors, &vectors, &flag).unwrap();
        assert_eq!(scores, [[1.0, 0.0], [0.0, 1.0]]);
        drop(guard);
        assert!(matrix(Metric::Cosine, &vectors, &vectors, &flag).is_err());
    }

    #[test]
    fn ranges_hold_for_opposite_unit_vectors() {
        let a = vec![0.5_f32; 4];
        let b = vec![-0.5_f32; 4];
        for metric in [Metric::Cosine, Metric::Dot, Metric::Euclidean, Metric::Manhattan] {
            let (low, high) = metric.range(4, true);
            for value in [metric.of(&a, &b).unwrap(), metric.of(&a, &a).unwrap()] {
                assert!(
                    low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high),
                    "{metric:?} {value}"
                );
            }
        }
    }
}
