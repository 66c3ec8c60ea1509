//! Dot products of one vector with many: of all values, or in eight bits for a first look.
//!
//! A scan waits for memory. Eight bits a value are a quarter of what there is to read; what looks nearest is compared by all
//! values afterwards. Loops are compiled for the instruction sets that the processor has (crate `pulp`).

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// Values that are multiplied side by side; codes are padded with zeros to a multiple of it.
const LANES: usize = 32;

/// Vectors in eight bits: each value as a part of the largest one of its vector.
#[derive(Debug)]
pub(super) struct Codes {
    /// Codes of one vector.
    stride: usize,
    codes: Vec<i8>,
    /// What a code of 1 is worth, for each vector.
    scales: Vec<f32>,
}

/// A vector that is compared with codes.
#[derive(Debug)]
pub(super) struct Query(Vec<i8>);

impl Codes {
    /// Those of no vectors yet, of this length.
    pub(super) fn new(dimensions: usize) -> Self {
        Self { stride: dimensions.next_multiple_of(LANES), codes: Vec::new(), scales: Vec::new() }
    }

    pub(super) fn push(&mut self, vector: &[f32]) {
        let end = self.codes.len() + self.stride;
        let scale = scale(vector);
        self.codes.extend(vector.iter().map(|value| code(*value, scale)));
        self.codes.resize(end, 0);
        self.scales.push(scale);
    }

    /// Removes the vector at a place; the last one takes it.
    pub(super) fn swap_remove(&mut self, at: usize) {
        self.scales.swap_remove(at);
        let last = self.scales.len() * self.stride;
        if at < self.scales.len() {
            self.codes.copy_within(last.., at * self.stride);
        }
        self.codes.truncate(last);
    }

    /// A vector as it is compared with these.
    pub(super) fn query(&self, vector: &[f32]) -> Query {
        let scale = scale(vector);
        let mut codes: Vec<i8> = vector.iter().map(|value| code(*value, scale)).collect();
        codes.resize(self.stride, 0);
        Query(codes)
    }

    /// About the dot products of a query and the vectors of a range, all times the same positive number.
    pub(super) fn look(&self, query: &Query, range: Range<usize>, products: &mut [f32]) {
        let codes = self.codes.get(range.start * self.stride..range.end * self.stride).unwrap_or_default();
        let scales = self.scales.get(range).unwrap_or_default();
        Arch::new().dispatch(Rough { query: &query.0, codes, scales, products });
    }
}

/// The dot products of a query and vectors that lie one behind the other.
pub(super) fn products(query: &[f32], vectors: &[f32], products: &mut [f32]) {
    Arch::new().dispatch(Exact { query, vectors, products });
}

/// Codes go to 127; vectors of zeros alone have any scale.
fn scale(vector: &[f32]) -> f32 {
    vector.iter().fold(0.0_f32, |most, value| most.max(value.abs())).max(f32::MIN_POSITIVE) / 127.0
}

#[allow(clippy::cast_possible_truncation, reason = "within -127 and 127, and 0 for what is no number")]
fn code(value: f32, scale: f32) -> i8 {
    (value / scale).round() as i8
}

struct Rough<'a> {
    query: &'a [i8],
    codes: &'a [i8],
    scales: &'a [f32],
    products: &'a mut [f32],
}

impl WithSimd for Rough<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let (query, _) = self.query.as_chunks::<LANES>();
        let vectors = self.codes.chunks_exact(self.query.len().max(1));
        for ((product, vector), scale) in self.products.iter_mut().zip(vectors).zip(self.scales) {
            let mut sum = 0_i32;
            for (a, b) in query.iter().zip(vector.as_chunks::<LANES>().0) {
                let mut block = 0_i32;
                for lane in 0..LANES {
                    // At most 127 times 127: it fits.
                    block += i32::from(i16::from(a[lane]) * i16::from(b[lane]));
                }
                sum += block;
            }
            *product = sum as f32 * scale;
        }
    }
}

struct Exact<'a> {
    query: &'a [f32],
    vectors: &'a [f32],
    products: &'a mut [f32],
}

impl WithSimd for Exact<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let vectors = self.vectors.chunks_exact(self.query.len().max(1));
        for (product, vector) in self.products.iter_mut().zip(vectors) {
            *product = dot(self.query, vector);
        }
    }
}

/// The dot product of two vectors of one length.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    // Sums that are kept side by side, so that the compiler adds them at once.
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_near_the_products_of_all_values() {
        for dimensions in [1, 31, 32, 70] {
            let vector = |seed: usize| -> Vec<f32> {
                (0..dimensions).map(|at| ((seed * 31 + at * 17) % 101) as f32 / 50.0 - 1.0).collect()
            };
            let vectors: Vec<Vec<f32>> = (0..40).map(vector).chain([vec![0.0; dimensions]]).collect();
            let mut codes = Codes::new(dimensions);
            vectors.iter().for_each(|vector| codes.push(vector));
            let query = vector(77);
            let (mut rough, mut exact) = (vec![0.0; vectors.len()], vec![0.0; vectors.len()]);
            codes.look(&codes.query(&query), 0..vectors.len(), &mut rough);
            products(&query, &vectors.concat(), &mut exact);
            let (unit, size) = (scale(&query), dimensions as f32);
            for (at, vector) in vectors.iter().enumerate() {
                let by_hand: f32 = query.iter().zip(vector).map(|(a, b)| a * b).sum();
                assert!((exact[at] - by_hand).abs() < 1e-4 * size, "{} is not {by_hand}", exact[at]);
                // Each code is off by half of one at most, and values are at most 1.
                assert!(
                    (rough[at] * unit - by_hand).abs() <= size / 127.0,
                    "{} is not {by_hand}",
                    rough[at] * unit
                );
            }
        }
    }

    #[test]
    fn the_last_vector_takes_the_place_of_one_that_goes() {
        let mut codes = Codes::new(2);
        for value in [1.0, 2.0, 3.0] {
            codes.push(&[value, 0.0]);
        }
        codes.swap_remove(0);
        let mut products = [0.0; 2];
        codes.look(&codes.query(&[1.0, 0.0]), 0..2, &mut products);
        assert!(products[0] > products[1] && products[1] > 0.0, "{products:?}");
        codes.swap_remove(1);
        codes.swap_remove(0);
        assert!(codes.codes.is_empty() && codes.scales.is_empty());
    }
}
