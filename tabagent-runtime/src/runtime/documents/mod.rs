//! Documents over the store and the models: `ingest` brings them in, `serving` holds the vectors that are searched,
//! `search` finds passages, `answer` answers from them, `reembed` builds another index when another model is selected.

mod answer;
mod ingest;
mod keep;
mod reembed;
mod search;
mod serving;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::Duration,
};

use tokio::sync::{Mutex, Notify, Semaphore};

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
    waiting: AtomicUsize,
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
}

impl Default for Documents {
    fn default() -> Self {
        let half = available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2);
        Self {
            served: RwLock::default(),
            change: Mutex::default(),
            ingests: Semaphore::new(INGESTS),
            waiting: AtomicUsize::new(0),
            workers: Arc::new(Semaphore::new(half)),
            pdfs: Arc::new(Semaphore::new(half)),
            fingerprints: Arc::default(),
            attended: AtomicBool::new(false),
            look: Arc::default(),
            problem: RwLock::default(),
        }
    }
}

/// A place among those that wait.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Result<Self> {
        let entered = waiting.fetch_update(Relaxed, Relaxed, |count| (count < WAITING).then_some(count + 1));
        match entered {
            Ok(_) => Ok(Self(waiting)),
            Err(current) => Err(BackendError::ResourceLimitExceeded {
                resource: "the queue of documents".to_owned(),
                limit: WAITING as u64,
                current: current as u64,
                retry_after: RETRY,
            }),
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
