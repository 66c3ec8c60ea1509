//! How good a ranking is, judged by what is relevant: recall, precision, reciprocal rank, average precision, nDCG.
//!
//! The definitions are those of trec_eval (github.com/usnistgov/trec_eval), which ranx and pytrec_eval share. A document is
//! relevant where its grade is above 0. All metrics lie between 0 and 1, and 1 is best.

use std::collections::BTreeMap;

use crate::rerank::Ranked;

/// The metrics of one query, or their means.
#[derive(Debug, Clone, PartialEq)]
pub struct RankingMetrics {
    /// 1 / rank of the first relevant document; 0 where none was ranked. Its mean over queries is MRR.
    pub reciprocal_rank: f64,
    /// Σ precision at the rank of each relevant document / number of relevant documents. Its mean over queries is MAP.
    pub average_precision: f64,
    /// Those at each of the cutoffs, in their order.
    pub at: Vec<MetricsAt>,
}

/// The metrics of the first `k` places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricsAt {
    /// The cutoff.
    pub k: usize,
    /// Relevant documents in the first k places / all relevant documents.
    pub recall: f64,
    /// Relevant documents in the first k places / k, also where fewer than k documents were ranked.
    pub precision: f64,
    /// DCG / DCG of the best order, where DCG = Σ grade / log2(1 + rank) over the first k places.
    pub ndcg: f64,
}

/// Documents by their scores, best first, equal ones in the order of their index. `ascending` where less is better.
pub fn rank(scores: &[f64], ascending: bool) -> Vec<Ranked> {
    let mut results: Vec<Ranked> =
        scores.iter().enumerate().map(|(index, score)| Ranked { index, score: *score }).collect();
    // Stable, so that equal ones keep their order. -0 equals 0.
    results.sort_by(|a, b| {
        let order = (b.score + 0.0).total_cmp(&(a.score + 0.0));
        if ascending { order.reverse() } else { order }
    });
    results
}

/// The metrics of one ranking: indexes of documents, best first, each at most once. `None` where no grade is above 0, since
/// there is nothing to find then.
pub fn evaluate(
    ranking: &[usize],
    grades: &BTreeMap<usize, f64>,
    cutoffs: &[usize],
) -> Option<RankingMetrics> {
    let mut best: Vec<f64> = grades.values().copied().filter(|grade| *grade > 0.0).collect();
    if best.is_empty() {
        return None;
    }
    best.sort_by(|a, b| b.total_cmp(a));
    let relevant = best.len() as f64;
    let gains: Vec<f64> =
        ranking.iter().map(|index| grades.get(index).copied().unwrap_or_default().max(0.0)).collect();
    let first = gains.iter().position(|gain| *gain > 0.0);
    let mut found = 0.0;
    let mut precisions = 0.0;
    for (at, _) in gains.iter().enumerate().filter(|(_, gain)| **gain > 0.0) {
        found += 1.0;
        precisions += found / (at + 1) as f64;
    }
    let at = cutoffs
        .iter()
        .map(|&k| {
            let hits = gains.iter().take(k).filter(|gain| **gain > 0.0).count() as f64;
            MetricsAt {
                k,
                recall: hits / relevant,
                precision: if k == 0 { 0.0 } else { hits / k as f64 },
                ndcg: if k == 0 { 0.0 } else { (gain(&gains, k) / gain(&best, k)).min(1.0) },
            }
        })
        .collect();
    Some(RankingMetrics {
        reciprocal_rank: first.map_or(0.0, |at| 1.0 / (at + 1) as f64),
        average_precision: precisions / relevant,
        at,
    })
}

/// Discounted cumulative gain of the first `k` places: Σ gain / log2(1 + rank).
fn gain(gains: &[f64], k: usize) -> f64 {
    gains.iter().take(k).enumerate().map(|(at, gain)| gain / ((at + 2) as f64).log2()).sum()
}

/// The mean of each metric over queries with the same cutoffs; `None` of no query.
pub fn mean<'a>(queries: impl IntoIterator<Item = &'a RankingMetrics>) -> Option<RankingMetrics> {
    let mut queries = queries.into_iter();
    let mut sum = queries.next()?.clone();
    let mut count = 1.0;
    for query in queries {
        count += 1.0;
        sum.reciprocal_rank += query.reciprocal_rank;
        sum.average_precision += query.average_precision;
        for (sum, at) in sum.at.iter_mut().zip(&query.at) {
            sum.recall += at.recall;
            sum.precision += at.precision;
            sum.ndcg += at.ndcg;
        }
    }
    sum.reciprocal_rank /= count;
    sum.average_precision /= count;
    for at in &mut sum.at {
        at.recall /= count;
        at.precision /= count;
        at.ndcg /= count;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(grades: &[(usize, f64)]) -> BTreeMap<usize, f64> {
        grades.iter().copied().collect()
    }

    #[test]
    fn by_hand() {
        // Ranked 4, 2, 0, 1, 3; relevant are 2 (grade 3) and 3 (grade 1).
        let metrics =
            evaluate(&[4, 2, 0, 1, 3], &grades(&[(2, 3.0), (3, 1.0), (0, 0.0)]), &[1, 2, 10]).unwrap();
        assert_eq!(metrics.reciprocal_rank, 0.5);
        assert!((metrics.average_precision - (1.0 / 2.0 + 2.0 / 5.0) / 2.0).abs() < 1e-12);
        let [one, two, ten] = metrics.at[..] else { panic!("{metrics:?}") };
        assert_eq!((one.recall, one.precision, one.ndcg), (0.0, 0.0, 0.0));
        assert_eq!((two.recall, two.precision), (0.5, 0.5));
        let best = 3.0 + 1.0 / 3_f64.log2();
        assert!((two.ndcg - 3.0 / 3_f64.log2() / best).abs() < 1e-12);
        assert_eq!((ten.recall, ten.precision), (1.0, 0.2));
        assert!((ten.ndcg - (3.0 / 3_f64.log2() + 1.0 / 6_f64.log2()) / best).abs() < 1e-12);
    }

    #[test]
    fn a_query_without_relevant_documents_has_no_metrics() {
        assert_eq!(evaluate(&[0, 1], &grades(&[(0, 0.0)]), &[1]), None);
        assert_eq!(mean([]), None);
    }

    #[test]
    fn equal_scores_keep_their_order_both_ways() {
        let indexes = |ascending| -> Vec<usize> {
            rank(&[0.5, 0.1, 0.5, -0.0, 0.0], ascending).iter().map(|ranked| ranked.index).collect()
        };
        assert_eq!(indexes(false), [0, 2, 1, 3, 4]);
        assert_eq!(indexes(true), [3, 4, 1, 0, 2]);
    }
}
