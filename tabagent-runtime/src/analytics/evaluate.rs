//! How well embeddings find what is relevant: documents ranked for each query, and the metrics of the rankings.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Matrix, Stopped, go_on,
    ranking::{self, RankingMetrics},
};
use crate::{
    error::{BackendError, Result},
    rerank::Ranked,
    similarity::Metric,
};

/// A request to judge a model by queries and documents.
#[derive(Debug, Clone, Default)]
pub struct EvaluateRequest {
    /// Id of the embedding model; the default one where there is none.
    pub model: Option<String>,
    /// What is asked.
    pub queries: Vec<String>,
    /// What is ranked for each query.
    pub documents: Vec<String>,
    /// For each query the grades of documents, by index; one that is not there has the grade 0.
    pub relevance: Vec<BTreeMap<usize, f64>>,
    /// Places up to which metrics are taken.
    pub cutoffs: Vec<usize>,
    /// How vectors are compared.
    pub metric: Metric,
    /// Length to which the vectors are cut before.
    pub dimensions: Option<usize>,
    /// Whether a text longer than the model takes is cut.
    pub truncate: bool,
    /// When to give up.
    pub deadline: Option<Duration>,
}

/// What a model's rankings amount to.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Id of the model.
    pub model: String,
    /// The mean of each metric over the queries that have some.
    pub mean: RankingMetrics,
    /// Each query, in the order of the request.
    pub queries: Vec<QueryEvaluation>,
    /// Tokens of all texts.
    pub prompt_tokens: u64,
    /// Texts that were cut to the model's length.
    pub truncated: usize,
}

/// One query of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryEvaluation {
    /// Its metrics; none where no document is relevant to it.
    pub metrics: Option<RankingMetrics>,
    /// The first places of its ranking, up to the largest cutoff.
    pub ranking: Vec<Ranked>,
}

impl EvaluateRequest {
    /// What is wrong with the request before any text is read.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`].
    pub(crate) fn check(&self) -> Result<()> {
        for (field, empty) in [
            ("queries", self.queries.is_empty()),
            ("documents", self.documents.is_empty()),
            ("k", self.cutoffs.is_empty()),
        ] {
            if empty {
                return Err(BackendError::invalid(field, "is empty; give at least one"));
            }
        }
        if self.cutoffs.contains(&0) {
            return Err(BackendError::invalid("k", "has a 0; the first place is 1"));
        }
        let (queries, documents) = (self.queries.len(), self.documents.len());
        if self.relevance.len() != queries {
            let reason = format!("is of {} queries, and there are {queries}", self.relevance.len());
            return Err(BackendError::invalid("relevance", reason));
        }
        let grades = || self.relevance.iter().flatten();
        if let Some((index, _)) = grades().find(|(index, _)| **index >= documents) {
            let reason = format!("names the document {index}; there are {documents}, counted from 0");
            return Err(BackendError::invalid("relevance", reason));
        }
        if !grades().any(|(_, grade)| *grade > 0.0) {
            let reason = "has no grade above 0; without a relevant document there is nothing to find";
            return Err(BackendError::invalid("relevance", reason));
        }
        Ok(())
    }
}

/// Ranks the documents for each query, and judges the rankings.
///
/// # Errors
/// [`BackendError::InvalidInput`] where queries and documents have different lengths.
pub fn evaluate(
    queries: &Matrix,
    documents: &Matrix,
    metric: Metric,
    relevance: &[BTreeMap<usize, f64>],
    cutoffs: &[usize],
    stopped: Stopped<'_>,
) -> Result<Vec<QueryEvaluation>> {
    let kept = cutoffs.iter().copied().max().unwrap_or_default();
    queries
        .rows()
        .zip(relevance)
        .map(|(query, grades)| {
            go_on(stopped)?;
            let scores =
                documents.rows().map(|document| metric.of(query, document)).collect::<Result<Vec<_>>>()?;
            let mut ranking = ranking::rank(&scores, metric.is_distance());
            let order: Vec<usize> = ranking.iter().map(|ranked| ranked.index).collect();
            ranking.truncate(kept);
            Ok(QueryEvaluation { metrics: ranking::evaluate(&order, grades, cutoffs), ranking })
        })
        .collect()
}
