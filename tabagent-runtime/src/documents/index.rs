//! The vectors of all chunks in memory, and the search for the nearest ones: an exact scan.
//!
//! Vectors lie one behind the other, of unit length, so that the dot product is the cosine. The scan goes over them in parts
//! on as many threads as the machine has, and reads memory as fast as it comes.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    thread::available_parallelism,
};

use crate::{
    compute::Abandoned,
    embed::normalize,
    error::{BackendError, Result},
};

/// Vectors that a thread takes at least: fewer are not worth one.
const PART: usize = 16_384;
/// Vectors between two looks whether anybody still waits.
const LOOK: usize = 4_096;
/// Sums that are kept side by side, so that the compiler adds them at once.
const LANES: usize = 16;

/// Documents whose chunks may be found.
pub(crate) type Allowed = HashSet<i64>;

/// A chunk that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Near {
    /// Number of the chunk.
    pub(crate) chunk: i64,
    /// Cosine of its vector and that of the query.
    pub(crate) score: f32,
}

/// Vectors of chunks, of one length.
#[derive(Debug)]
pub(crate) struct VectorIndex {
    dimensions: usize,
    vectors: Vec<f32>,
    /// The chunk and the document of each vector.
    owners: Vec<Owner>,
}

#[derive(Debug, Clone, Copy)]
struct Owner {
    chunk: i64,
    document: i64,
}

impl VectorIndex {
    /// An empty index of vectors of this length.
    pub(crate) fn new(dimensions: usize) -> Self {
        Self { dimensions, vectors: Vec::new(), owners: Vec::new() }
    }

    /// Number of vectors.
    pub(crate) fn len(&self) -> usize {
        self.owners.len()
    }

    /// Length of the vectors.
    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Adds the vector of a chunk.
    ///
    /// # Errors
    /// [`BackendError::VectorStoreError`] where it is of another length.
    pub(crate) fn add(&mut self, chunk: i64, document: i64, vector: &[f32]) -> Result<()> {
        self.check(vector)?;
        let start = self.vectors.len();
        self.vectors.extend_from_slice(vector);
        normalize(&mut self.vectors[start..]);
        self.owners.push(Owner { chunk, document });
        Ok(())
    }

    /// Removes all vectors of a document.
    pub(crate) fn remove(&mut self, document: i64) {
        let mut at = 0;
        while at < self.owners.len() {
            if self.owners[at].document == document {
                // The last one takes its place.
                self.owners.swap_remove(at);
                let last = self.owners.len() * self.dimensions;
                if at < self.owners.len() {
                    self.vectors.copy_within(last.., at * self.dimensions);
                }
                self.vectors.truncate(last);
            } else {
                at += 1;
            }
        }
    }

    /// The vectors of chunks, in their order; none of those that have none here.
    pub(crate) fn of(&self, chunks: &[i64]) -> Vec<Option<Vec<f32>>> {
        let mut places: HashMap<i64, usize> = chunks.iter().map(|chunk| (*chunk, usize::MAX)).collect();
        for (at, owner) in self.owners.iter().enumerate() {
            if let Some(place) = places.get_mut(&owner.chunk) {
                *place = at;
            }
        }
        let vector = |chunk: &i64| {
            let start = places.get(chunk)?.checked_mul(self.dimensions)?;
            self.vectors.get(start..start.checked_add(self.dimensions)?).map(<[f32]>::to_vec)
        };
        chunks.iter().map(vector).collect()
    }

    /// The `count` nearest chunks among those of `allowed` documents, the nearest first; chunks that are equally near in the
    /// order of their numbers. Blocks.
    ///
    /// # Errors
    /// [`BackendError::VectorStoreError`] where the query is of another length, and [`Abandoned::error`].
    pub(crate) fn search(
        &self,
        query: &[f32],
        count: usize,
        allowed: Option<&Allowed>,
        abandoned: &Abandoned,
    ) -> Result<Vec<Near>> {
        self.check(query)?;
        let mut query = query.to_vec();
        normalize(&mut query);
        let most = available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.len().div_ceil(PART).clamp(1, most);
        let part = self.len().div_ceil(threads).max(1);
        let scan = |owners: &[Owner], first: usize| {
            let vectors = &self.vectors[first * self.dimensions..];
            scan(owners, vectors, &query, count, allowed, abandoned)
        };
        let parts: Vec<Option<Vec<Near>>> = if threads == 1 {
            vec![scan(&self.owners, 0)]
        } else {
            std::thread::scope(|scope| {
                let running: Vec<_> = self
                    .owners
                    .chunks(part)
                    .enumerate()
                    .map(|(at, owners)| scope.spawn(move || scan(owners, at * part)))
                    .collect();
                running.into_iter().map(|thread| thread.join().unwrap_or(None)).collect()
            })
        };
        let mut found = Vec::new();
        for part in parts {
            found.extend(part.ok_or_else(Abandoned::error)?);
        }
        nearest(&mut found, count);
        Ok(found)
    }

    fn check(&self, vector: &[f32]) -> Result<()> {
        if vector.len() == self.dimensions {
            return Ok(());
        }
        Err(BackendError::VectorStoreError {
            operation: "comparing vectors".to_owned(),
            reason: format!(
                "one has {} dimensions and the index {}; POST /v1/rag/reindex builds it anew",
                vector.len(),
                self.dimensions
            ),
        })
    }
}

/// The nearest of one part; `None` once nobody waits.
fn scan(
    owners: &[Owner],
    vectors: &[f32],
    query: &[f32],
    count: usize,
    allowed: Option<&Allowed>,
    abandoned: &Abandoned,
) -> Option<Vec<Near>> {
    let mut found: Vec<Near> = Vec::with_capacity(count.saturating_mul(2).min(owners.len()));
    // What is not nearer than this is not among the nearest.
    let mut least = f32::NEG_INFINITY;
    for (at, (owner, vector)) in owners.iter().zip(vectors.chunks_exact(query.len().max(1))).enumerate() {
        if at % LOOK == 0 && abandoned.is_set() {
            return None;
        }
        if allowed.is_some_and(|allowed| !allowed.contains(&owner.document)) {
            continue;
        }
        let score = dot(query, vector);
        if score > least || found.len() < count {
            found.push(Near { chunk: owner.chunk, score });
            if found.len() >= count.saturating_mul(2) {
                nearest(&mut found, count);
                least = found.last().map_or(least, |last| last.score);
            }
        }
    }
    nearest(&mut found, count);
    Some(found)
}

/// Sorts and keeps the first `count`.
fn nearest(found: &mut Vec<Near>, count: usize) {
    found.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk)));
    found.truncate(count);
}

/// The dot product of two vectors of one length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
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
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{RngCore, SeedableRng},
    };

    use super::*;
    use crate::{compute::AbandonOnDrop, similarity::Metric};

    /// Vectors with values from -1 to 1, the same in every run.
    fn random(seed: u64, count: usize, dimensions: usize) -> Vec<Vec<f32>> {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        let mut value = || source.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0;
        (0..count).map(|_| (0..dimensions).map(|_| value()).collect()).collect()
    }

    /// A chunk a vector, ten of them a document.
    fn index(vectors: &[Vec<f32>]) -> VectorIndex {
        let mut index = VectorIndex::new(vectors[0].len());
        for (chunk, vector) in (0..).zip(vectors) {
            index.add(chunk, chunk / 10, vector).unwrap();
        }
        index
    }

    fn search(index: &VectorIndex, query: &[f32], count: usize, allowed: Option<&Allowed>) -> Vec<i64> {
        let guard = AbandonOnDrop::default();
        let found = index.search(query, count, allowed, &guard.flag()).unwrap();
        found.into_iter().map(|near| near.chunk).collect()
    }

    /// By the measure of the rest of the runtime, which computes in double precision.
    fn by_cosine(vectors: &[Vec<f32>], query: &[f32], count: usize, of: impl Fn(i64) -> bool) -> Vec<i64> {
        let mut all: Vec<(f64, i64)> = (0..)
            .zip(vectors)
            .filter(|(chunk, _)| of(*chunk))
            .map(|(chunk, vector)| (Metric::Cosine.of(query, vector).unwrap(), chunk))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.into_iter().take(count).map(|(_, chunk)| chunk).collect()
    }

    #[test]
    fn the_nearest_are_those_of_the_cosine_over_parts_and_in_any_length() {
        for dimensions in [1, 7, 16, 35] {
            let vectors = random(dimensions as u64, PART * 2 + 7, dimensions);
            let index = index(&vectors);
            for query in random(99, 3, dimensions) {
                if dimensions > 1 {
                    assert_eq!(search(&index, &query, 12, None), by_cosine(&vectors, &query, 12, |_| true));
                }
                assert_eq!(search(&index, &query, usize::MAX, None).len(), vectors.len());
            }
        }
    }

    #[test]
    fn only_allowed_documents_are_found_and_removed_ones_are_not() {
        let vectors = random(1, 500, 24);
        let mut index = index(&vectors);
        let query = &random(2, 1, 24)[0];
        let allowed = Allowed::from([3, 17, 49]);
        let of = |chunk: i64| [3, 17, 49].contains(&(chunk / 10));
        assert_eq!(search(&index, query, 30, Some(&allowed)), by_cosine(&vectors, query, 30, of));
        for document in [0, 17, 49] {
            index.remove(document);
        }
        let of = |chunk: i64| ![0, 17, 49].contains(&(chunk / 10));
        assert_eq!(index.len(), 470);
        let found = index.of(&[175, 499, 12]);
        assert!(found[0].is_none() && found[1].is_none());
        assert!((dot(found[2].as_ref().unwrap(), found[2].as_ref().unwrap()) - 1.0).abs() < 1e-5);
        assert_eq!(search(&index, query, 470, None), by_cosine(&vectors, query, 470, of));
        assert_eq!(search(&index, query, 30, Some(&allowed)).len(), 10);
    }

    #[test]
    fn vectors_of_another_length_and_searches_for_nobody_end() {
        let mut index = index(&random(1, 10, 4));
        assert!(matches!(index.add(1, 1, &[1.0]), Err(BackendError::VectorStoreError { .. })));
        let guard = AbandonOnDrop::default();
        let flag = guard.flag();
        assert!(matches!(index.search(&[1.0], 1, None, &flag), Err(BackendError::VectorStoreError { .. })));
        drop(guard);
        assert!(index.search(&[1.0; 4], 1, None, &flag).is_err());
    }
}
