//! The few statistics that the tables need.

/// The median; the mean of the middle two when their number is even; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// A quantile between 0 and 1, linear between neighbours.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = (0..last).rev().find(|index| *index as f64 <= position).unwrap_or_default();
    let fraction = position - below as f64;
    sorted[below] + fraction * (sorted[(below + 1).min(last)] - sorted[below])
}

/// The ratio of each round's pair, then the median: a slow spell of the machine hits both halves of a pair.
pub(crate) fn median_ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(median(&[3.0, 1.0, 2.0]), 2.0));
        assert!(close(median(&[1.0, 4.0, 2.0, 3.0]), 2.5));
        assert!(close(quantile(&[0.0, 10.0], 0.9), 9.0));
        assert!(close(quantile(&[7.0], 0.99), 7.0));
        assert!(median(&[]).is_nan());
        assert!(close(median_ratio(&[2.0, 9.0, 2.0], &[1.0, 3.0, 2.0]), 2.0));
    }
}
