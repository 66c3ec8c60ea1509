//! The vectors of all chunks in memory, and the search for the nearest ones: a scan.
//!
//! Vectors lie one behind the other, of unit length, so that the dot product is the cosine. The scan goes over them in parts
//! on as many threads as the machine has. Where there are many it looks at them in eight bits first, and compares exactly
//! what looks nearest (`codes`): a scan needs nothing that has to be built or kept, and filters cost it nothing.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    ops::Range,
    thread::{ScopedJoinHandle, available_parallelism},
};

use super::codes::{self, Codes};
use crate::{
    compute::Abandoned,
    embed::normalize,
    error::{BackendError, Result},
};

/// Vectors that a thread takes at least: fewer are not worth one.
const PART: usize = 16_384;
/// Vectors between two looks whether anybody still waits.
const LOOK: usize = 4_096;
/// Vectors that are compared exactly for each one that is wanted, and at least, after a look in eight bits. What is not among
/// them is farther by more than eight bits err by, ties apart.
const COMPARED: usize = 4;
const COMPARED_LEAST: usize = 64;

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
    /// The same in eight bits.
    codes: Codes,
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
        Self { dimensions, vectors: Vec::new(), codes: Codes::new(dimensions), owners: Vec::new() }
    }

    /// Number of vectors.
    pub(crate) fn len(&self) -> usize {
        self.owners.len()
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
        self.codes.push(&self.vectors[start..]);
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
                self.codes.swap_remove(at);
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
        let rough = count.saturating_mul(COMPARED).max(COMPARED_LEAST);
        let exact = |range: Range<usize>, products: &mut [f32]| {
            let vectors = range.start * self.dimensions..range.end * self.dimensions;
            codes::products(&query, self.vectors.get(vectors).unwrap_or_default(), products);
        };
        let mut found = if self.len() <= PART || rough >= self.len() {
            self.scan(count, allowed, abandoned, exact)?
        } else {
            let coded = self.codes.query(&query);
            let look = |range: Range<usize>, products: &mut [f32]| self.codes.look(&coded, range, products);
            let mut found = self.scan(rough, allowed, abandoned, look)?;
            for candidate in &mut found {
                exact(candidate.place..candidate.place + 1, std::slice::from_mut(&mut candidate.product));
            }
            found
        };
        nearest(&mut found, count);
        Ok(found.iter().map(|found| Near { chunk: found.chunk, score: found.product }).collect())
    }

    /// The vectors with the greatest products, in parts on threads.
    fn scan(
        &self,
        count: usize,
        allowed: Option<&Allowed>,
        abandoned: &Abandoned,
        products: impl Fn(Range<usize>, &mut [f32]) + Sync,
    ) -> Result<Vec<Candidate>> {
        let most = available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.len().div_ceil(PART).clamp(1, most);
        let part = self.len().div_ceil(threads).max(1);
        let scan = |at: usize| {
            let range = at * part..((at + 1) * part).min(self.len());
            self.scan_part(range, count, allowed, abandoned, &products)
        };
        let parts: Vec<std::thread::Result<Option<Vec<Candidate>>>> = std::thread::scope(|scope| {
            let running: Vec<_> = (1..threads).map(|at| scope.spawn(move || scan(at))).collect();
            // One part is this thread's own.
            let own = scan(0);
            std::iter::once(Ok(own)).chain(running.into_iter().map(ScopedJoinHandle::join)).collect()
        });
        let mut found = Vec::new();
        for part in parts {
            let part = part.map_err(|_| BackendError::internal("a thread that compares vectors panicked"))?;
            found.extend(part.ok_or_else(Abandoned::error)?);
        }
        nearest(&mut found, count);
        Ok(found)
    }

    /// Those of one part; `None` once nobody waits.
    fn scan_part(
        &self,
        range: Range<usize>,
        count: usize,
        allowed: Option<&Allowed>,
        abandoned: &Abandoned,
        products: &impl Fn(Range<usize>, &mut [f32]),
    ) -> Option<Vec<Candidate>> {
        let enough = count.saturating_mul(2);
        let mut found: Vec<Candidate> = Vec::with_capacity(enough.min(range.len()));
        // What is not nearer than this is not among the nearest.
        let mut least = f32::NEG_INFINITY;
        let mut values = vec![0.0; LOOK.min(range.len())];
        for start in range.clone().step_by(LOOK) {
            if abandoned.is_set() {
                return None;
            }
            let end = (start + LOOK).min(range.end);
            for run in runs(self.owners.get(start..end)?, start, allowed) {
                let values = values.get_mut(..run.len())?;
                products(run.clone(), values);
                for (place, product) in run.zip(values.iter().copied()) {
                    if product > least || found.len() < count {
                        found.push(Candidate { place, chunk: self.owners.get(place)?.chunk, product });
                        if found.len() >= enough {
                            nearest(&mut found, count);
                            least = found.last().map_or(least, |last| last.product);
                        }
                    }
                }
            }
        }
        nearest(&mut found, count);
        Some(found)
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

/// A vector that may be among the nearest.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    place: usize,
    chunk: i64,
    product: f32,
}

/// Where vectors of allowed documents lie one behind the other, among those from `first` on.
fn runs(owners: &[Owner], first: usize, allowed: Option<&Allowed>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut start = first;
    for of_document in owners.chunk_by(|a, b| allowed.is_none() || a.document == b.document) {
        let end = start + of_document.len();
        let document = of_document.first().map(|owner| &owner.document);
        if allowed.is_none_or(|allowed| document.is_some_and(|document| allowed.contains(document))) {
            match runs.last_mut().filter(|last| last.end == start) {
                Some(last) => last.end = end,
                None => runs.push(start..end),
            }
        }
        start = end;
    }
    runs
}

/// Sorts and keeps the first `count`.
fn nearest(found: &mut Vec<Candidate>, count: usize) {
    found.sort_unstable_by(|a, b| b.product.total_cmp(&a.product).then(a.chunk.cmp(&b.chunk)));
    found.truncate(count);
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
        assert!((codes::dot(found[2].as_ref().unwrap(), found[2].as_ref().unwrap()) - 1.0).abs() < 1e-5);
        assert_eq!(search(&index, query, 470, None), by_cosine(&vectors, query, 470, of));
        assert_eq!(search(&index, query, 30, Some(&allowed)).len(), 10);
    }

    /// Vectors around common centres, as embeddings are, so that many are about as near.
    fn clustered(seed: u64, count: usize, dimensions: usize) -> Vec<Vec<f32>> {
        let centres = random(7, 50, dimensions);
        let noise = random(seed, count, dimensions);
        let around = |(at, noise): (usize, Vec<f32>)| {
            let centre = &centres[at % centres.len()];
            noise.iter().zip(centre).map(|(noise, centre)| centre + 0.5 * noise).collect()
        };
        noise.into_iter().enumerate().map(around).collect()
    }

    #[test]
    fn a_look_in_eight_bits_finds_what_all_values_find() {
        let vectors = clustered(1, PART + 5_000, 48);
        let index = index(&vectors);
        let allowed: Allowed = (0..500).map(|document| document * 4).collect();
        for query in clustered(2, 10, 48) {
            assert_eq!(search(&index, &query, 10, None), by_cosine(&vectors, &query, 10, |_| true));
            let of = |chunk: i64| allowed.contains(&(chunk / 10));
            assert_eq!(search(&index, &query, 10, Some(&allowed)), by_cosine(&vectors, &query, 10, of));
        }
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

    #[test]
    fn a_thread_that_panics_is_no_search_that_was_given_up() {
        if available_parallelism().map_or(1, NonZeroUsize::get) == 1 {
            return;
        }
        let index = index(&random(1, PART + 10, 4));
        let guard = AbandonOnDrop::default();
        let here = std::thread::current().id();
        let scanned =
            index.scan(1, None, &guard.flag(), |_, _| assert_eq!(std::thread::current().id(), here));
        let Err(BackendError::InternalError { context }) = scanned.map(|found| found.len()) else {
            panic!("a panic was passed over");
        };
        assert!(context.contains("panicked"), "{context}");
    }
}
