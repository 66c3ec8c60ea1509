//! Clusterings and silhouettes against scikit-learn and scipy, and what holds of any.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Deserialize;
use tabagent_runtime::analytics::{
    Algorithm, Distance, Space,
    cluster::{SAMPLES, cluster},
    density::{dbscan, hdbscan},
    hierarchical::Tree,
    kmeans::{kmeans, lloyd},
    silhouette::silhouettes,
};

use super::{assert_close, matrix, reference};

#[derive(Deserialize)]
pub(crate) struct Clustering {
    points: Vec<Vec<f32>>,
    kmeans: Vec<KMeansCase>,
    ward: Vec<WardCase>,
    dbscan: Vec<DensityCase>,
    hdbscan: Vec<DensityCase>,
}

#[derive(Deserialize)]
struct KMeansCase {
    start: Vec<Vec<f64>>,
    labels: Vec<i64>,
    inertia: f64,
    centres: Vec<Vec<f64>>,
    silhouette: BTreeMap<String, Option<f64>>,
}

#[derive(Deserialize)]
struct WardCase {
    k: usize,
    labels: Vec<i64>,
}

#[derive(Deserialize)]
struct DensityCase {
    metric: String,
    #[serde(default)]
    eps: f64,
    #[serde(default)]
    min_cluster_size: usize,
    min_samples: usize,
    labels: Vec<i64>,
    silhouette: Option<f64>,
}

fn distance(name: &str) -> Distance {
    serde_json::from_value(name.into()).unwrap()
}

fn space(points: &[Vec<f32>], distance: Distance) -> Space {
    Space::new(&matrix(points), distance)
}

fn some(labels: &[usize]) -> Vec<Option<usize>> {
    labels.iter().copied().map(Some).collect()
}

/// Labels numbered by their first vectors, so that two ways of numbering the same clusters are the same. Noise is -1.
fn partition<T: Copy + Eq + std::hash::Hash>(labels: &[Option<T>]) -> Vec<i64> {
    let mut numbers = HashMap::new();
    let number = |label: &Option<T>| {
        label.map_or(-1, |label| {
            let next = i64::try_from(numbers.len()).unwrap();
            *numbers.entry(label).or_insert(next)
        })
    };
    labels.iter().map(number).collect()
}

fn wanted(labels: &[i64]) -> Vec<i64> {
    partition(&labels.iter().map(|label| (*label >= 0).then_some(*label)).collect::<Vec<_>>())
}

fn silhouette(space: &Space, labels: &[Option<usize>]) -> Option<f64> {
    silhouettes(space, &[labels], &|| false).unwrap()[0]
}

#[track_caller]
fn assert_silhouette(found: Option<f64>, wanted: Option<f64>, what: &str) {
    match (found, wanted) {
        (Some(found), Some(wanted)) => assert_close(found, wanted, what),
        (found, wanted) => assert_eq!(found, wanted, "{what}"),
    }
}

#[test]
fn kmeans_from_given_centres_is_that_of_scikit_learn() {
    for case in &reference().clustering {
        let euclidean = space(&case.points, Distance::Euclidean);
        for wanted in &case.kmeans {
            let found = lloyd(&euclidean, wanted.start.clone(), &|| false).unwrap();
            let labels: Vec<i64> = found.labels.iter().map(|label| i64::try_from(*label).unwrap()).collect();
            assert_eq!(labels, wanted.labels);
            assert_close(found.inertia, wanted.inertia, "inertia");
            for (found, wanted) in found.centres.iter().flatten().zip(wanted.centres.iter().flatten()) {
                assert_close(*found, *wanted, "centre");
            }
            for (name, wanted) in &wanted.silhouette {
                let found = silhouette(&space(&case.points, distance(name)), &some(&found.labels));
                assert_silhouette(found, *wanted, &format!("silhouette {name}"));
            }
            // Many starts are no worse than one from centres that nobody chose.
            let own = kmeans(&euclidean, wanted.start.len(), 7, &|| false).unwrap();
            assert!(own.inertia <= wanted.inertia * (1.0 + 1e-9), "{} {}", own.inertia, wanted.inertia);
        }
    }
}

#[test]
fn ward_is_that_of_scipy_at_every_cut() {
    for case in &reference().clustering {
        let tree = Tree::ward(&space(&case.points, Distance::Euclidean), &|| false).unwrap();
        for cut in &case.ward {
            assert_eq!(partition(&some(&tree.cut(cut.k))), wanted(&cut.labels), "{} clusters", cut.k);
        }
    }
}

#[test]
fn dbscan_is_that_of_scikit_learn() {
    for case in &reference().clustering {
        for density in &case.dbscan {
            let space = space(&case.points, distance(&density.metric));
            let found = dbscan(&space, density.eps, density.min_samples, &|| false).unwrap();
            let what = format!("{} {} {}", density.metric, density.eps, density.min_samples);
            assert_eq!(partition(&found), wanted(&density.labels), "{what}");
            assert_silhouette(silhouette(&space, &found), density.silhouette, &what);
        }
    }
}

#[test]
fn hdbscan_is_that_of_scikit_learn() {
    for case in &reference().clustering {
        for density in &case.hdbscan {
            let space = space(&case.points, distance(&density.metric));
            let found = hdbscan(&space, density.min_cluster_size, density.min_samples, &|| false).unwrap();
            let what = format!("{} {} {}", density.metric, density.min_cluster_size, density.min_samples);
            assert_eq!(partition(&found), wanted(&density.labels), "{what}");
            assert_silhouette(silhouette(&space, &found), density.silhouette, &what);
        }
    }
}

/// Every algorithm with its defaults.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::KMeans { clusters: None, seed: 0 },
    Algorithm::Hierarchical { clusters: None },
    Algorithm::Dbscan { eps: None, min_samples: None },
    Algorithm::Hdbscan { min_cluster_size: None, min_samples: None },
];

#[test]
fn defaults_hold_for_one_two_and_equal_vectors() {
    for rows in [
        vec![vec![1.0, 2.0]],
        vec![vec![0.0, 0.0]],
        vec![vec![1.0, 2.0], vec![-2.0, 1.0]],
        vec![vec![3.0, 1.0]; 9],
        vec![vec![0.0, 0.0]; 4],
    ] {
        for distance in [Distance::Cosine, Distance::Euclidean] {
            for algorithm in ALGORITHMS {
                let found = cluster(&space(&rows, distance), algorithm, &|| false).unwrap();
                let what = format!("{rows:?} {distance:?} {algorithm:?}: {found:?}");
                assert_eq!(found.labels.len(), rows.len(), "{what}");
                assert!(found.sizes.len() <= 1 && found.tried.is_empty(), "{what}");
                assert!(found.silhouette.is_none() && found.inertia.is_none_or(|sum| sum < 1e3), "{what}");
            }
        }
    }
}

#[test]
fn more_clusters_than_different_vectors_are_as_many_as_there_are() {
    let rows = vec![vec![0.0, 1.0], vec![5.0, 1.0], vec![0.0, 1.0], vec![9.0, 0.0]];
    for algorithm in
        [Algorithm::KMeans { clusters: Some(50), seed: 3 }, Algorithm::Hierarchical { clusters: Some(50) }]
    {
        let found = cluster(&space(&rows, Distance::Euclidean), algorithm, &|| false).unwrap();
        assert_eq!(partition(&found.labels), [0, 1, 0, 2], "{algorithm:?}");
        assert_eq!((found.sizes, found.central), (vec![2, 1, 1], vec![0, 1, 3]));
    }
}

#[test]
fn the_number_of_clusters_that_is_chosen_has_the_best_silhouette() {
    // Three groups of five, far apart.
    let rows: Vec<Vec<f32>> = (0..15_u8)
        .map(|at| vec![f32::from(at / 5) * 50.0 + f32::from(at % 5), f32::from(at % 5) * 0.5])
        .collect();
    for algorithm in &ALGORITHMS[..2] {
        let found = cluster(&space(&rows, Distance::Euclidean), *algorithm, &|| false).unwrap();
        assert_eq!(found.sizes, [5, 5, 5]);
        assert_eq!(
            found.tried.iter().map(|(count, _)| *count).collect::<Vec<_>>(),
            (2..=10).collect::<Vec<_>>()
        );
        let best = found.tried.iter().map(|(_, score)| *score).fold(f64::MIN, f64::max);
        assert_eq!(found.silhouette, Some(best));
        assert_eq!(found.central, [2, 7, 12]);
        assert!(cluster(&space(&rows, Distance::Euclidean), *algorithm, &|| true).is_err(), "nobody waits");
    }
}

#[test]
fn a_seed_repeats_and_too_many_vectors_for_hdbscan_are_refused_by_name() {
    let points = &reference().clustering[1].points;
    let of = |seed| {
        let algorithm = Algorithm::KMeans { clusters: Some(8), seed };
        cluster(&space(points, Distance::Cosine), algorithm, &|| false).unwrap()
    };
    assert_eq!(of(5), of(5));
    let many = vec![vec![1.0]; tabagent_runtime::analytics::density::MOST + 1];
    let refused =
        cluster(&space(&many, Distance::Euclidean), ALGORITHMS[3], &|| false).unwrap_err().to_string();
    assert!(refused.contains("`algorithm`") && refused.contains("2048"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_vectors_are_grouped_and_described(
        rows in prop::collection::vec(prop::collection::vec(-3_i8..4, 3), 1..25),
        which in 0_usize..4,
        cosine in any::<bool>(),
    ) {
        let rows: Vec<Vec<f32>> =
            rows.iter().map(|row| row.iter().map(|value| f32::from(*value)).collect()).collect();
        let space = space(&rows, if cosine { Distance::Cosine } else { Distance::Euclidean });
        let found = cluster(&space, ALGORITHMS[which], &|| false).unwrap();
        prop_assert_eq!(found.labels.len(), rows.len());
        prop_assert_eq!(found.sizes.iter().sum::<usize>(), found.labels.iter().flatten().count());
        prop_assert_eq!(found.central.len(), found.sizes.len());
        for (cluster, central) in found.central.iter().enumerate() {
            prop_assert_eq!(found.labels[*central], Some(cluster));
        }
        prop_assert!(found.silhouette.is_none_or(|score| (-1.0..=1.0).contains(&score)));
        prop_assert!(found.inertia.is_none_or(|inertia| inertia >= 0.0));
        if which < 2 {
            prop_assert!(found.labels.iter().all(Option::is_some));
        }
        if let Some(size) = found.density.min_cluster_size {
            prop_assert!(size <= SAMPLES && found.sizes.iter().all(|own| *own >= size));
        }
    }
}
