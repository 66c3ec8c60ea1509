//! Rankings against trec_eval and ranx, measures of vectors and correlations against scipy.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use tabagent_runtime::analytics::{
    evaluate,
    pairs::compare,
    ranking::{self, RankingMetrics},
};

use super::{assert_close, matrix, metric, reference};

#[derive(Deserialize)]
pub(crate) struct Rankings {
    name: String,
    kept: usize,
    queries: Vec<Query>,
}

#[derive(Deserialize)]
struct Query {
    scores: Vec<f64>,
    grades: BTreeMap<usize, f64>,
    metrics: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
pub(crate) struct Similarity {
    left: Vec<Vec<f32>>,
    right: Vec<Vec<f32>>,
    values: BTreeMap<String, Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
pub(crate) struct Pairs {
    left: Vec<Vec<f32>>,
    right: Vec<Vec<f32>>,
    labels: Vec<f64>,
    cases: BTreeMap<String, PairCase>,
}

#[derive(Deserialize)]
struct PairCase {
    values: Vec<f64>,
    mean: f64,
    pearson: f64,
    spearman: f64,
}

const CUTOFFS: [usize; 5] = [1, 3, 5, 10, 100];

/// Metrics by the names that the reference has.
fn named(metrics: &RankingMetrics) -> BTreeMap<String, f64> {
    let mut named = BTreeMap::from([
        ("mrr".to_owned(), metrics.reciprocal_rank),
        ("map".to_owned(), metrics.average_precision),
    ]);
    for at in &metrics.at {
        named.insert(format!("recall@{}", at.k), at.recall);
        named.insert(format!("precision@{}", at.k), at.precision);
        named.insert(format!("ndcg@{}", at.k), at.ndcg);
    }
    named
}

#[test]
fn metrics_are_those_of_trec_eval_and_ranx() {
    for case in &reference().rankings {
        let mut all = Vec::new();
        for (at, query) in case.queries.iter().enumerate() {
            let ranked = ranking::rank(&query.scores, false);
            let order: Vec<usize> = ranked.iter().map(|ranked| ranked.index).take(case.kept).collect();
            let metrics = ranking::evaluate(&order, &query.grades, &CUTOFFS).unwrap();
            let found = named(&metrics);
            assert_eq!(found.len(), query.metrics.len());
            for (name, wanted) in &query.metrics {
                assert_close(found[name], *wanted, &format!("{} {at} {name}", case.name));
            }
            all.push(metrics);
        }
        let mean = named(&ranking::mean(&all).unwrap());
        for (name, found) in mean {
            let sum: f64 = case.queries.iter().map(|query| query.metrics[&name]).sum();
            assert_close(found, sum / case.queries.len() as f64, &format!("mean {name}"));
        }
    }
}

#[test]
fn measures_of_vectors_are_those_of_scipy() {
    let reference = &reference().similarity;
    assert_eq!(reference.values.len(), 4);
    for (name, rows) in &reference.values {
        for (left, row) in reference.left.iter().zip(rows) {
            for (right, wanted) in reference.right.iter().zip(row) {
                assert_close(metric(name).of(left, right).unwrap(), *wanted, name);
            }
        }
    }
}

#[test]
fn documents_are_ranked_by_the_measure_the_closest_first() {
    let reference = &reference().similarity;
    let (queries, documents) = (matrix(&reference.left), matrix(&reference.right));
    // The fourth query is the third document.
    let mut relevance = vec![BTreeMap::new(); queries.len()];
    relevance[3] = BTreeMap::from([(2, 1.0)]);
    for name in ["cosine", "euclidean", "manhattan"] {
        let found =
            evaluate::evaluate(&queries, &documents, metric(name), &relevance, &[1, 2], &|| false).unwrap();
        assert_eq!(named(found[3].metrics.as_ref().unwrap())["recall@1"], 1.0, "{name}");
        assert!(found[0].metrics.is_none() && found[0].ranking.len() == 2, "{name}");
    }
    assert!(evaluate::evaluate(&queries, &documents, metric("dot"), &relevance, &[1], &|| true).is_err());
}

#[test]
fn pairs_and_their_correlations_are_those_of_scipy() {
    let reference = &reference().pairs;
    let (left, right) = (matrix(&reference.left), matrix(&reference.right));
    for (name, case) in &reference.cases {
        let found = compare(&left, &right, metric(name), Some(&reference.labels), &|| false).unwrap();
        for (found, wanted) in found.values.iter().zip(&case.values) {
            assert_close(*found, *wanted, name);
        }
        assert_close(found.mean, case.mean, name);
        let correlation = found.correlation.unwrap();
        assert_close(correlation.pearson.unwrap(), case.pearson, name);
        assert_close(correlation.spearman.unwrap(), case.spearman, name);
    }
}

proptest! {
    #[test]
    fn metrics_lie_between_0_and_1_and_the_best_order_has_1(
        grades in prop::collection::vec(0_u32..5, 1..30),
        scores in prop::collection::vec(-3_i32..3, 30),
        k in 1_usize..40,
    ) {
        let judged: BTreeMap<usize, f64> = grades.iter().map(|grade| f64::from(*grade)).enumerate().collect();
        let scores: Vec<f64> = scores.iter().take(grades.len()).map(|score| f64::from(*score)).collect();
        let order = |scores: &[f64]| -> Vec<usize> {
            ranking::rank(scores, false).iter().map(|ranked| ranked.index).collect()
        };
        match ranking::evaluate(&order(&scores), &judged, &[k]) {
            None => prop_assert!(grades.iter().all(|grade| *grade == 0)),
            Some(metrics) => {
                for (name, value) in named(&metrics) {
                    prop_assert!((0.0..=1.0).contains(&value), "{name} {value}");
                }
                let best: Vec<f64> = judged.values().copied().collect();
                let best = ranking::evaluate(&order(&best), &judged, &[k]).unwrap();
                prop_assert_eq!((best.reciprocal_rank, best.average_precision), (1.0, 1.0));
                prop_assert!((best.at[0].ndcg - 1.0).abs() < 1e-12);
                prop_assert!(best.at[0].recall >= metrics.at[0].recall);
            }
        }
    }
}
