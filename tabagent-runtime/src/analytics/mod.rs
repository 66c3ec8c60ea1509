//! What can be said of many vectors: how well a model ranks, which of them belong together, which ones to recommend.
//!
//! Everything here is arithmetic over a [`Matrix`], in double precision, without a model: [`crate::Runtime`] brings the
//! vectors. What takes long looks at `stopped` from row to row and gives up once it says so.

pub mod cluster;
pub mod density;
pub mod diversity;
pub mod evaluate;
pub mod hierarchical;
pub mod kmeans;
pub mod pairs;
pub mod ranking;
pub mod recommend;
pub mod search;
pub mod silhouette;
pub mod space;

pub use cluster::{Algorithm, ClusterInput, ClusterRequest, Clustering, Clusters};
pub use evaluate::{EvaluateRequest, Evaluation, QueryEvaluation};
pub use pairs::{Correlation, Pairs, PairsRequest};
pub use ranking::{MetricsAt, RankingMetrics};
pub use recommend::RecommendRequest;
pub use search::{RankedItems, SearchRequest};
pub use space::{Distance, Space};

use crate::{
    compute::Abandoned,
    error::{BackendError, Result},
};

/// Asked from time to time whether anybody still waits.
pub type Stopped<'a> = &'a dyn Fn() -> bool;

/// Gives up where nobody waits any more.
pub(crate) fn go_on(stopped: Stopped<'_>) -> Result<()> {
    if stopped() { Err(Abandoned::error()) } else { Ok(()) }
}

/// Vectors of one length, in one piece: rows × dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    dimensions: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// Puts rows together. `field` is what the request calls them.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] that names the row: there is none, it has no or another number of dimensions than the
    /// first one, or a value that is no finite number.
    pub fn new(field: &str, rows: &[Vec<f32>]) -> Result<Self> {
        let Some(first) = rows.first() else {
            return Err(BackendError::invalid(field, "is empty; give at least one"));
        };
        let dimensions = first.len();
        for (at, row) in rows.iter().enumerate() {
            let reason = if row.is_empty() {
                "has no dimensions".to_owned()
            } else if row.len() != dimensions {
                format!(
                    "has {} dimensions and the first one {dimensions}; vectors of one model have as many",
                    row.len()
                )
            } else if row.iter().any(|value| !value.is_finite()) {
                "has a value that is no finite number".to_owned()
            } else {
                continue;
            };
            return Err(BackendError::invalid(format!("{field}[{at}]"), reason));
        }
        Ok(Self { dimensions, values: rows.concat() })
    }

    /// How many vectors there are; at least one.
    pub fn len(&self) -> usize {
        self.values.len() / self.dimensions
    }

    /// Whether there is none, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Their length.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The vectors in their order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimensions)
    }

    /// One of them; an empty one beyond the last.
    pub fn row(&self, index: usize) -> &[f32] {
        let start = index.saturating_mul(self.dimensions);
        self.values.get(start..start.saturating_add(self.dimensions)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_do_not_go_together_are_named() {
        let field = |rows: &[Vec<f32>]| match Matrix::new("embeddings", rows) {
            Err(BackendError::InvalidInput { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(&[]), "embeddings");
        assert_eq!(field(&[vec![]]), "embeddings[0]");
        assert_eq!(field(&[vec![1.0], vec![1.0, 2.0]]), "embeddings[1]");
        assert_eq!(field(&[vec![1.0], vec![f32::NAN]]), "embeddings[1]");
        let matrix = Matrix::new("embeddings", &[vec![1.0, 2.0], vec![3.0, 4.0]]).unwrap();
        assert_eq!(
            (matrix.len(), matrix.dimensions(), matrix.row(1), matrix.row(2)),
            (2, 2, &[3.0, 4.0][..], &[][..])
        );
    }
}
