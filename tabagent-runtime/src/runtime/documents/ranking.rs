//! The order of what was found: by vectors, by words, or by both.

use std::collections::HashMap;

use super::search::{PassageScores, RetrievalMode};
use crate::documents::index::Near;

/// How much the first places of a ranking count more than later ones: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion
/// outperforms Condorcet and individual Rank Learning Methods" (SIGIR 2009).
const FUSION: f64 = 60.0;
/// A chunk in its rank.
pub(super) struct Ranked {
    pub(super) chunk: i64,
    pub(super) score: f64,
    pub(super) scores: PassageScores,
}

/// How relevant passages are, the best one first: their scores as parts of its score, or where that is not above 0 how far they
/// are below it.
pub(super) fn relevance(ranked: &[Ranked]) -> Vec<f64> {
    let best = ranked.first().map_or(1.0, |first| first.score);
    let relevance = |score: f64| if best > 0.0 { score / best } else { score - best };
    ranked.iter().map(|ranked| relevance(ranked.score)).collect()
}

/// Orders what was found.
pub(super) fn ranked(mode: RetrievalMode, near: &[Near], worded: &[(i64, f64)]) -> Vec<Ranked> {
    let mut found: HashMap<i64, PassageScores> = HashMap::new();
    for (rank, near) in near.iter().enumerate() {
        let scores = found.entry(near.chunk).or_default();
        scores.vector = Some(f64::from(near.score));
        add(scores, mode, rank);
    }
    for (rank, (chunk, score)) in worded.iter().enumerate() {
        let scores = found.entry(*chunk).or_default();
        scores.keyword = Some(*score);
        add(scores, mode, rank);
    }
    let mut ranked: Vec<Ranked> = found
        .into_iter()
        .map(|(chunk, scores)| {
            let score = match mode {
                RetrievalMode::Vector => scores.vector,
                RetrievalMode::Keyword => scores.keyword,
                RetrievalMode::Hybrid => scores.fusion,
            };
            Ranked { chunk, score: score.unwrap_or_default(), scores }
        })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk)));
    ranked
}

fn add(scores: &mut PassageScores, mode: RetrievalMode, rank: usize) {
    if mode == RetrievalMode::Hybrid {
        *scores.fusion.get_or_insert(0.0) += 1.0 / (FUSION + 1.0 + rank as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relevance_falls_with_the_score_also_where_nothing_is_alike() {
        let of = |scores: &[f64]| {
            let ranked = scores.iter().map(|score| Ranked {
                chunk: 0,
                score: *score,
                scores: PassageScores::default(),
            });
            relevance(&ranked.collect::<Vec<_>>())
        };
        assert_eq!(of(&[4.0, 1.0, -1.0]), [1.0, 0.25, -0.25]);
        assert_eq!(of(&[0.0, -0.5]), [0.0, -0.5]);
        assert_eq!(of(&[-0.25, -0.5]), [0.0, -0.25]);
        assert_eq!(of(&[]), [0.0; 0]);
    }
}
