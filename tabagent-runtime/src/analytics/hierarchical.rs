//! Agglomerative clustering with Ward's criterion: what is merged next is the pair of clusters that adds least to Σ squared
//! distance of vectors to the mean of their cluster (Ward 1963). Merges come from kodama, a port of fastcluster.

use kodama::{Dendrogram, Method, linkage};

use super::{
    Stopped, go_on,
    space::{Space, squared},
};
use crate::error::Result;

/// The merges of all vectors, from which any number of clusters can be cut.
#[derive(Debug)]
pub struct Tree {
    merges: Dendrogram<f64>,
    leaves: usize,
}

impl Tree {
    /// Merges the vectors by Ward's criterion. Takes 4 bytes × the square of their number.
    ///
    /// # Errors
    /// Where nobody waits any more.
    pub fn ward(space: &Space, stopped: Stopped<'_>) -> Result<Self> {
        let leaves = space.len();
        let mut distances = Vec::with_capacity(leaves * leaves.saturating_sub(1) / 2);
        for (at, row) in space.rows().enumerate() {
            go_on(stopped)?;
            distances.extend(space.rows().skip(at + 1).map(|other| squared(row, other).sqrt()));
        }
        Ok(Self { merges: linkage(&mut distances, leaves, Method::Ward), leaves })
    }

    /// The cluster of each vector where `clusters` are left, at least one and at most as many as there are vectors.
    pub fn cut(&self, clusters: usize) -> Vec<usize> {
        let merges = self.leaves.saturating_sub(clusters.max(1));
        // Every cluster is known by the step that made it, and the steps refer to each other by number.
        let mut parents: Vec<usize> = (0..self.leaves + merges).collect();
        for (step, merge) in self.merges.steps().iter().take(merges).enumerate() {
            parents[merge.cluster1] = self.leaves + step;
            parents[merge.cluster2] = self.leaves + step;
        }
        // A parent always has a larger number.
        for node in (0..parents.len()).rev() {
            parents[node] = parents[parents[node]];
        }
        parents.truncate(self.leaves);
        parents
    }
}
