//! Two lists of vectors, pair by pair, and how well their values follow given ones.

use std::time::Duration;

use super::{Matrix, Stopped, go_on};
use crate::{
    error::{BackendError, Result},
    similarity::Metric,
};

/// The share of the largest value that rounding can be of a sum: 65,536 products in double precision have less.
const ROUNDING: f64 = 1e-12;

/// A request to measure vectors pair by pair.
#[derive(Debug, Clone, Default)]
pub struct PairsRequest {
    /// One side.
    pub left: Vec<Vec<f32>>,
    /// The other side: as many vectors, of the same length.
    pub right: Vec<Vec<f32>>,
    /// How they are measured.
    pub metric: Metric,
    /// What each pair is known to be worth, larger for what is more alike.
    pub labels: Option<Vec<f64>>,
    /// When to give up.
    pub deadline: Option<Duration>,
}

/// What pairs of vectors amount to.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// The measure of each pair.
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// How well the values follow the labels, where there are some.
    pub correlation: Option<Correlation>,
}

/// How well values follow labels: -1 to 1. Distances are taken with the opposite sign, so that 1 is best of every measure.
/// Values that rounding alone parts count as equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// Pearson's r: covariance / product of the standard deviations. `None` where one side is constant.
    pub pearson: Option<f64>,
    /// Spearman's ρ: Pearson's r of the ranks, equal values with the mean of theirs. `None` where one side is constant.
    pub spearman: Option<f64>,
}

/// Measures each pair. Both sides have as many vectors, of one length.
///
/// # Errors
/// [`BackendError::InvalidInput`] where they have not, or where there are not as many labels.
pub fn compare(
    left: &Matrix,
    right: &Matrix,
    metric: Metric,
    labels: Option<&[f64]>,
    stopped: Stopped<'_>,
) -> Result<Pairs> {
    for (field, count) in [("embeddings2", Some(right.len())), ("labels", labels.map(<[f64]>::len))] {
        if let Some(count) = count.filter(|count| *count != left.len()) {
            return Err(BackendError::invalid(
                field,
                format!("has {count} items and `embeddings1` {}; each pair has one of each", left.len()),
            ));
        }
    }
    if left.dimensions() != right.dimensions() {
        let reason = format!("has {} dimensions and `embeddings1` {}", right.dimensions(), left.dimensions());
        return Err(BackendError::invalid("embeddings2", reason));
    }
    let values = left
        .rows()
        .zip(right.rows())
        .map(|(left, right)| {
            go_on(stopped)?;
            metric.of(left, right)
        })
        .collect::<Result<Vec<f64>>>()?;
    let correlation = labels.map(|labels| {
        let mut closeness: Vec<f64> =
            values.iter().map(|value| if metric.is_distance() { -value } else { *value }).collect();
        merge(&mut closeness, ROUNDING * scale(left, right, metric));
        Correlation {
            pearson: pearson(&closeness, labels),
            spearman: pearson(&ranks(&closeness), &ranks(labels)),
        }
    });
    Ok(Pairs { mean: mean(&values), values, correlation })
}

/// The largest that a measure of these vectors can be: rounding is a part of it.
fn scale(left: &Matrix, right: &Matrix, metric: Metric) -> f64 {
    let length = |row: &[f32]| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let longest = |side: &Matrix| side.rows().map(length).fold(0.0, f64::max);
    match metric {
        Metric::Cosine => 1.0,
        Metric::Dot => longest(left) * longest(right),
        Metric::Euclidean => longest(left) + longest(right),
        Metric::Manhattan => (longest(left) + longest(right)) * (left.dimensions() as f64).sqrt(),
    }
}

/// Makes values that are no farther apart than `within` the same, the least of them: what is equal is to stay equal though
/// it was computed of other numbers.
fn merge(values: &mut [f64], within: f64) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut least = f64::NEG_INFINITY;
    for index in order {
        if values[index] - least > within {
            least = values[index];
        } else {
            values[index] = least;
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Pearson's r of values that come in pairs: -1 to 1; `None` where one side is constant.
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let constant = |values: &[f64]| values.windows(2).all(|pair| pair[0] == pair[1]);
    if constant(a) || constant(b) {
        return None;
    }
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (ab, aa, bb) = a.iter().zip(b).fold((0.0, 0.0, 0.0), |(ab, aa, bb), (a, b)| {
        let (a, b) = (a - mean_a, b - mean_b);
        (ab + a * b, aa + a * a, bb + b * b)
    });
    let norm = f64::sqrt(aa) * f64::sqrt(bb);
    (norm > 0.0).then(|| (ab / norm).clamp(-1.0, 1.0))
}

/// The rank of each value from 1; equal values have the mean of their ranks.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for same in order.chunk_by(|a, b| values[*a] == values[*b]) {
        // The mean of start + 1 to start + length.
        let rank = start as f64 + (same.len() + 1) as f64 / 2.0;
        same.iter().for_each(|index| ranks[*index] = rank);
        start += same.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounding_alone_parts_is_equal() {
        // Three cosines of 4 / √40, of which √a · √b makes two numbers, and two of 0.
        let left = [[1, 0, 2], [2, 0, 4], [3, 0, 6], [1, 1, 0], [3, 7, 0]];
        let right = [[0, 2, 2], [0, 3, 3], [0, 5, 5], [1, -1, 0], [7, -3, 0]];
        let matrix = |rows: &[[i8; 3]]| {
            let rows: Vec<Vec<f32>> = rows.iter().map(|row| row.map(f32::from).to_vec()).collect();
            Matrix::new("", &rows).unwrap()
        };
        for metric in [Metric::Cosine, Metric::Dot, Metric::Euclidean, Metric::Manhattan] {
            let (left, right) = (matrix(&left[..3]), matrix(&right[..3]));
            let labels = [3.0, 1.0, 2.0];
            let found = compare(&left, &right, metric, Some(&labels), &|| false).unwrap();
            let constant = found.correlation.unwrap().spearman.is_none();
            assert_eq!(constant, metric == Metric::Cosine, "{metric:?} {found:?}");
        }
        let labels = [2.0, 2.0, 2.0, 1.0, 1.0];
        let found =
            compare(&matrix(&left), &matrix(&right), Metric::Cosine, Some(&labels), &|| false).unwrap();
        let Correlation { pearson: Some(pearson), spearman: Some(spearman) } = found.correlation.unwrap()
        else {
            panic!("{found:?}")
        };
        assert!((pearson - 1.0).abs() < 1e-12 && (spearman - 1.0).abs() < 1e-12, "{pearson} {spearman}");
        let mut values = [0.5, 0.25, 0.5 + 1e-15, -0.0, 0.25 - 1e-15];
        merge(&mut values, 1e-12);
        assert_eq!(values, [0.5, 0.25 - 1e-15, 0.5, 0.0, 0.25 - 1e-15]);
    }

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [4.0, 1.0, 4.0, 2.0, 4.0]);
        let rising = pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap();
        assert!((rising - 1.0).abs() < 1e-12);
        assert_eq!(pearson(&[1.0, 1.0], &[2.0, 4.0]), None);
        assert_eq!(pearson(&[1.0], &[2.0]), None);
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let two = Matrix::new("", &[vec![1.0, 0.0], vec![0.0, 1.0]]).unwrap();
        let one = Matrix::new("", &[vec![1.0, 0.0]]).unwrap();
        let long = Matrix::new("", &[vec![1.0, 0.0, 0.0], vec![0.0; 3]]).unwrap();
        let field = |right: &Matrix, labels: Option<&[f64]>| match compare(
            &two,
            right,
            Metric::Cosine,
            labels,
            &|| false,
        ) {
            Err(BackendError::InvalidInput { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(&one, None), "embeddings2");
        assert_eq!(field(&long, None), "embeddings2");
        assert_eq!(field(&two, Some(&[1.0])), "labels");
        assert!(compare(&two, &two, Metric::Cosine, None, &|| true).is_err());
        let same = compare(&two, &two, Metric::Euclidean, Some(&[1.0, 1.0]), &|| false).unwrap();
        assert_eq!((same.mean, same.correlation.unwrap().pearson), (0.0, None));
    }
}
