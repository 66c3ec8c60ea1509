//! Search over documents that come with the request: the closest to a query, by their vectors.

use std::time::Duration;

use super::{Matrix, Stopped, go_on, ranking};
use crate::{error::Result, rerank::Ranked, similarity::Metric};

/// A request to search.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// Id of the embedding model; the default one where there is none.
    pub model: Option<String>,
    /// What is searched for.
    pub query: String,
    /// Where it is searched.
    pub documents: Vec<String>,
    /// How many results to return; all where there is none, and never more than there are.
    pub k: Option<usize>,
    /// The least score of a result, of distances the largest.
    pub score_threshold: Option<f64>,
    /// How vectors are compared.
    pub metric: Metric,
    /// Length to which the vectors are cut before.
    pub dimensions: Option<usize>,
    /// Whether a text longer than the model takes is cut.
    pub truncate: bool,
    /// When to give up.
    pub deadline: Option<Duration>,
}

/// Items in the order in which they are answered.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedItems {
    /// Id of the model.
    pub model: String,
    /// The items, by their places in the request, the best first.
    pub results: Vec<Ranked>,
    /// Tokens of all texts.
    pub prompt_tokens: u64,
    /// Texts that were cut to the model's length.
    pub truncated: usize,
}

/// The documents closest to a query, equal ones in their order.
///
/// # Errors
/// [`crate::BackendError::InvalidInput`] where they have another length than the query.
pub fn search(
    query: &[f32],
    documents: &Matrix,
    metric: Metric,
    k: Option<usize>,
    threshold: Option<f64>,
    stopped: Stopped<'_>,
) -> Result<Vec<Ranked>> {
    let mut scores = Vec::with_capacity(documents.len());
    for document in documents.rows() {
        go_on(stopped)?;
        scores.push(metric.of(query, document)?);
    }
    let mut results = ranking::rank(&scores, metric.is_distance());
    let is_close = |score: f64| {
        threshold.is_none_or(
            |threshold| if metric.is_distance() { score <= threshold } else { score >= threshold },
        )
    };
    results.retain(|result| is_close(result.score));
    results.truncate(k.unwrap_or(usize::MAX));
    Ok(results)
}
