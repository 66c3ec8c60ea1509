//! The order of what was found: by vectors, by words, or by both.

use std::collections::HashMap;

use super::search::{PassageScores, RetrievalMode};
use crate::{documents::index::Near, models::Description};

/// How little the first places of a ranking count more than later ones: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion
/// outperforms Condorcet and individual Rank Learning Methods" (SIGIR 2009). Theirs is 60, for lists of a thousand. With lists of
/// a hundred that puts nearly all that both found before what one of them found first; 10 was best on
/// `scripts/documents_tuning.json`.
const FUSION: f64 = 10.0;
/// How much the ranking of a static embedding counts beside that of the words. Its vectors are sums of words, without their
/// order, and blur the rare word that decides. Measured as above; that of a model that reads texts counts as much as the words.
const STATIC: f64 = 0.5;

/// How much the ranking by the vectors of a model counts beside that of the words.
pub(super) fn weight(model: &Description) -> f64 {
    if model.static_embedding { STATIC } else { 1.0 }
}

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

/// Orders what was found. The ranking by vectors counts `weight` where both are fused.
pub(super) fn ranked(mode: RetrievalMode, near: &[Near], weight: f64, worded: &[(i64, f64)]) -> Vec<Ranked> {
    let mut found: HashMap<i64, PassageScores> = HashMap::new();
    for (rank, near) in near.iter().enumerate() {
        let scores = found.entry(near.chunk).or_default();
        scores.vector = Some(f64::from(near.score));
        add(scores, mode, weight, rank);
    }
    for (rank, (chunk, score)) in worded.iter().enumerate() {
        let scores = found.entry(*chunk).or_default();
        scores.keyword = Some(*score);
        add(scores, mode, 1.0, rank);
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

fn add(scores: &mut PassageScores, mode: RetrievalMode, weight: f64, rank: usize) {
    if mode == RetrievalMode::Hybrid {
        *scores.fusion.get_or_insert(0.0) += weight / (FUSION + 1.0 + rank as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rankings_are_fused_and_the_weaker_one_decides_among_equals() {
        let near = |chunk| Near { chunk, score: 0.5 };
        let chunks = |near: &[Near], weight, worded: &[(i64, f64)]| {
            let ranked = ranked(RetrievalMode::Hybrid, near, weight, worded);
            ranked.iter().map(|ranked| ranked.chunk).collect::<Vec<_>>()
        };
        let worded = [(1, 9.0), (2, 8.0), (3, 7.0)];
        assert_eq!(chunks(&[near(3), near(2), near(4)], 1.0, &worded), [3, 2, 1, 4]);
        assert_eq!(chunks(&[near(4), near(5), near(3)], 0.5, &worded), [3, 1, 2, 4, 5]);
        assert_eq!(chunks(&[], 0.5, &worded), [1, 2, 3]);
    }

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
