//! Pooling: the vectors of a text's tokens to one, as sentence-transformers computes it.

use crate::models::PoolingMode;

/// Pools one row.
///
/// `row` holds `length × dimensions` values, token after token, without padding; `skip` tokens at the start take no
/// part (those of a prompt that the model leaves out). `out` has `dimensions` values.
pub(crate) fn pool(mode: PoolingMode, row: &[f32], dimensions: usize, skip: usize, out: &mut [f32]) {
    let length = row.len() / dimensions;
    // A prompt that fills the whole text leaves its last token, so that a vector is never empty.
    let from = skip.min(length.saturating_sub(1));
    let tokens = &row[from * dimensions..];
    let count = (length - from) as f32;
    match mode {
        PoolingMode::Cls => out.copy_from_slice(&tokens[..dimensions]),
        PoolingMode::LastToken => out.copy_from_slice(&row[(length - 1) * dimensions..]),
        PoolingMode::Mean => {
            sum(tokens, dimensions, out);
            scale(out, 1.0 / count);
        }
        PoolingMode::MeanSqrtLen => {
            sum(tokens, dimensions, out);
            scale(out, 1.0 / count.sqrt());
        }
        PoolingMode::Max => {
            out.fill(f32::NEG_INFINITY);
            for token in tokens.chunks_exact(dimensions) {
                for (out, value) in out.iter_mut().zip(token) {
                    *out = out.max(*value);
                }
            }
        }
        PoolingMode::WeightedMean => {
            out.fill(0.0);
            let mut total = 0.0;
            for (position, token) in tokens.chunks_exact(dimensions).enumerate() {
                let weight = (from + position + 1) as f32;
                total += weight;
                for (out, value) in out.iter_mut().zip(token) {
                    *out += weight * value;
                }
            }
            scale(out, 1.0 / total);
        }
    }
}

/// Sum of the tokens.
fn sum(tokens: &[f32], dimensions: usize, out: &mut [f32]) {
    out.fill(0.0);
    for token in tokens.chunks_exact(dimensions) {
        for (out, value) in out.iter_mut().zip(token) {
            *out += value;
        }
    }
}

fn scale(vector: &mut [f32], factor: f32) {
    for value in vector {
        *value *= factor;
    }
}

/// Brings a vector to unit length; one of zeros stays as it is.
pub fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt();
    if norm > 1e-12 {
        #[allow(clippy::cast_possible_truncation)] // A factor needs no more than the values' own precision.
        scale(vector, (1.0 / norm) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: [f32; 6] = [1.0, -2.0, 3.0, 4.0, 5.0, 0.0];

    fn pooled(mode: PoolingMode, skip: usize) -> Vec<f32> {
        let mut out = vec![0.0; 2];
        pool(mode, &ROW, 2, skip, &mut out);
        out
    }

    #[test]
    fn modes_by_hand() {
        assert_eq!(pooled(PoolingMode::Cls, 0), [1.0, -2.0]);
        assert_eq!(pooled(PoolingMode::LastToken, 0), [5.0, 0.0]);
        assert_eq!(pooled(PoolingMode::Max, 0), [5.0, 4.0]);
        let near = |found: Vec<f32>, expected: [f32; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
        };
        near(pooled(PoolingMode::Mean, 0), [3.0, 2.0 / 3.0]);
        near(pooled(PoolingMode::MeanSqrtLen, 0), [9.0 / 3_f32.sqrt(), 2.0 / 3_f32.sqrt()]);
        near(pooled(PoolingMode::WeightedMean, 0), [22.0 / 6.0, 1.0]);
    }

    #[test]
    fn a_prompt_is_left_out_and_never_everything() {
        assert_eq!(pooled(PoolingMode::Mean, 1), [4.0, 2.0]);
        assert_eq!(pooled(PoolingMode::Cls, 1), [3.0, 4.0]);
        assert_eq!(pooled(PoolingMode::Mean, 9), [5.0, 0.0]);
    }

    #[test]
    fn unit_length() {
        let mut vector = [3.0, 4.0];
        normalize(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
        let mut zeros = [0.0; 3];
        normalize(&mut zeros);
        assert_eq!(zeros, [0.0; 3]);
    }
}
