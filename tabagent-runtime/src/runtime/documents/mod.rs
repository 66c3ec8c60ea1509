//! Documents over the store and the models: `ingest` brings them in, `cut` makes their chunks, `keep` changes store and vectors
//! together, `serving` holds the vectors that are searched, `search` finds passages in the order that `ranking` gives them,
//! `answer` answers from them, `reembed` builds another index when another model is selected.

mod answer;
mod cut;
mod ingest;
mod keep;
mod ranking;
mod reembed;
mod search;
mod serving;

use std::{
    num::NonZeroUsize,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicBool},
    thread::available_parallelism,
    time::Duration,
};

use tokio::sync::{Mutex, Notify, Semaphore, SemaphorePermit};

pub use answer::{AnswerRequest, PassageAnswer, cited};
pub use ingest::{DocumentContent, IngestProgress, IngestRequest, IngestStage, Ingested};
pub use reembed::{DocumentIndexState, DocumentIndexes, IndexReport};
pub use search::{Passage, PassageScores, Rerank, Retrieval, RetrievalMode, RetrievalRequest};

use crate::{
    documents::fingerprint::Fingerprints,
    error::{BackendError, Result},
};

/// Documents that are ingested at the same time.
const INGESTS: usize = 4;
/// Documents that may wait for that.
const WAITING: usize = 64;
/// Bytes that those may hold together.
const WAITING_BYTES: usize = 256 << 20;
/// Work for the pool of blocking threads, whatever its size.
const LARGE: usize = usize::MAX;
/// When somebody may come again who found too many waiting.
const RETRY: Duration = Duration::from_secs(5);

/// What the runtime holds of documents.
#[derive(Debug)]
pub(super) struct Documents {
    /// The index that serves, once it was read.
    served: RwLock<Option<Arc<serving::Served>>>,
    /// Held over a change in the store and the same change here.
    change: Mutex<()>,
    /// Permits of what is ingested.
    ingests: Semaphore,
    waiting: std::sync::Mutex<Waiting>,
    /// Permits of reading and cutting, so that a long document leaves processors to others.
    workers: Arc<Semaphore>,
    /// Those of reading PDFs: one that takes its time does not keep others from being read.
    pdfs: Arc<Semaphore>,
    fingerprints: Arc<Fingerprints>,
    /// Whether a task looks after the index.
    attended: AtomicBool,
    /// Tells that task to look.
    look: Arc<Notify>,
    /// Why its last round failed.
    problem: RwLock<Option<String>>,
}

impl Documents {
    /// Another model was selected.
    pub(super) fn model_changed(&self) {
        self.look.notify_one();
    }

    /// Waits for a place among those that are ingested, with so many bytes in hand.
    ///
    /// # Errors
    /// [`BackendError::ResourceLimitExceeded`] where too many wait.
    async fn place(&self, bytes: usize) -> Result<SemaphorePermit<'_>> {
        let _waits = Waits::enter(&self.waiting, bytes)?;
        self.ingests.acquire().await.map_err(|_| BackendError::internal("the queue of documents is closed"))
    }
}

impl Default for Documents {
    fn default() -> Self {
        let half = available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2);
        Self {
            served: RwLock::default(),
            change: Mutex::default(),
            ingests: Semaphore::new(INGESTS),
            waiting: std::sync::Mutex::default(),
            workers: Arc::new(Semaphore::new(half)),
            pdfs: Arc::new(Semaphore::new(half)),
            fingerprints: Arc::default(),
            attended: AtomicBool::new(false),
            look: Arc::default(),
            problem: RwLock::default(),
        }
    }
}

/// What waits.
#[derive(Debug, Default, PartialEq, Eq)]
struct Waiting {
    documents: usize,
    bytes: usize,
}

/// A place among those that wait.
struct Waits<'a> {
    waiting: &'a std::sync::Mutex<Waiting>,
    bytes: usize,
}

impl<'a> Waits<'a> {
    fn enter(waiting: &'a std::sync::Mutex<Waiting>, bytes: usize) -> Result<Self> {
        let full = |resource: &str, limit: usize, current: usize| {
            Err(BackendError::ResourceLimitExceeded {
                resource: resource.to_owned(),
                limit: limit as u64,
                current: current as u64,
                retry_after: RETRY,
            })
        };
        let mut now = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if now.documents >= WAITING {
            return full("the queue of documents", WAITING, now.documents);
        }
        if now.bytes + bytes > WAITING_BYTES {
            return full("what documents that wait hold, in bytes,", WAITING_BYTES, now.bytes);
        }
        now.documents += 1;
        now.bytes += bytes;
        Ok(Self { waiting, bytes })
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut now = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        now.documents -= 1;
        now.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes() {
        let waiting = std::sync::Mutex::default();
        let small: Vec<_> = (0..WAITING).map(|_| Waits::enter(&waiting, 1).unwrap()).collect();
        assert!(matches!(Waits::enter(&waiting, 1), Err(BackendError::ResourceLimitExceeded { .. })));
        drop(small);
        let large: Vec<_> = (0..4).map(|_| Waits::enter(&waiting, WAITING_BYTES / 4).unwrap()).collect();
        let Err(BackendError::ResourceLimitExceeded { limit, current, .. }) = Waits::enter(&waiting, 1)
        else {
            panic!("more bytes wait than may");
        };
        assert_eq!((limit, current), (WAITING_BYTES as u64, WAITING_BYTES as u64));
        drop(large);
        assert_eq!(*waiting.lock().unwrap(), Waiting::default());
    }
}
