//! Rerank: how well documents answer a query, best first.
//!
//! A cross-encoder reads query and document together and gives a logit, which the logistic function brings into 0..1. Any
//! embedding model serves as well: there the score is the cosine of the two vectors, brought into 0..1 as `(1 + cos) / 2`.
//! Scores of the two kinds order documents; they do not compare with each other.

use std::time::Duration;

use serde::Serialize;

/// A request to rank documents.
#[derive(Debug, Clone, Default)]
pub struct RerankRequest {
    /// Id of the model: a cross-encoder or an embedding model; the default embedding model where there is none.
    pub model: Option<String>,
    /// The question.
    pub query: String,
    /// What may answer it; at least one.
    pub documents: Vec<String>,
    /// How many to give back; all where there is none, and never more than there are.
    pub top_n: Option<usize>,
    /// Whether scores stay as the model gives them: logits, or cosines from -1 to 1.
    pub raw_scores: bool,
    /// Whether what is longer than the model takes is cut, the longer of query and document first.
    pub truncate: bool,
    /// When to give up.
    pub deadline: Option<Duration>,
}

/// How scores were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RankMethod {
    /// By a cross-encoder.
    CrossEncoder,
    /// By the cosine of embeddings.
    Cosine,
}

/// One document in its rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ranked {
    /// Its place in the request.
    pub index: usize,
    /// How well it answers: 0..1, higher is better, unless raw scores were asked for.
    pub score: f64,
}

/// Documents in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Id of the model.
    pub model: String,
    /// How scores were made.
    pub method: RankMethod,
    /// Best first; equal scores in the order of the request.
    pub results: Vec<Ranked>,
    /// Tokens of all texts that the model read.
    pub tokens: u64,
    /// Texts or pairs that were cut to the model's length.
    pub truncated: usize,
}

/// The logistic function: a logit to 0..1.
pub(crate) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// A cosine to 0..1.
pub(crate) fn unit_interval(cosine: f64) -> f64 {
    f64::midpoint(1.0, cosine)
}

/// Orders scores, best first, equal ones by their place, and keeps `top_n`.
pub(crate) fn rank(scores: impl IntoIterator<Item = f64>, top_n: Option<usize>) -> Vec<Ranked> {
    let scores: Vec<f64> = scores.into_iter().collect();
    let mut results = crate::analytics::ranking::rank(&scores, false);
    results.truncate(top_n.unwrap_or(usize::MAX));
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_first_and_ties_by_place() {
        let indexes = |top_n| rank([0.1, 0.9, 0.5, 0.9], top_n).iter().map(|r| r.index).collect::<Vec<_>>();
        assert_eq!(indexes(None), [1, 3, 2, 0]);
        assert_eq!(indexes(Some(2)), [1, 3]);
        assert_eq!(indexes(Some(10)), [1, 3, 2, 0]);
    }

    #[test]
    fn scores_lie_between_0_and_1() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!(sigmoid(1000.0), 1.0);
        assert_eq!(sigmoid(-1000.0), 0.0);
        assert_eq!([unit_interval(-1.0), unit_interval(0.0), unit_interval(1.0)], [0.0, 0.5, 1.0]);
    }
}
