//! Pulls as jobs: who waits for them, how far they are, and how they are paused, resumed and cancelled.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    folder::{Folder, busy},
    job::{Job, JobState, Watched},
    pull::Pull,
    reference::Reference,
    transfer::{Control, POLL, Stop, Wish},
};
use crate::error::{BackendError, Result};

/// Pulls that have not ended, at most.
const MOST: usize = 16;
/// Pulls that run side by side; further ones wait.
const RUNNING: usize = 2;
/// Pulls that have ended and are still told of.
const KEPT: usize = 64;
/// How often those who watch are told.
const TELL: Duration = Duration::from_millis(200);

/// A pull in the list.
#[derive(Debug)]
struct Tracked {
    id: String,
    reference: Reference,
    control: Control,
    watched: Watched,
}

impl Tracked {
    fn state(&self) -> JobState {
        self.watched.job.borrow().state
    }

    fn job(&self) -> Job {
        self.watched.job.borrow().clone()
    }
}

/// All pulls, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Jobs(Mutex<VecDeque<Arc<Tracked>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl super::Hub {
    /// Pulls a model in the background. Whoever asks for what is being pulled gets the same job; one that was paused goes on.
    ///
    /// # Errors
    /// [`BackendError::ResourceLimitExceeded`] where too many pulls wait, or another variant or revision of the same repository
    /// is being pulled; [`BackendError::InternalError`] where there is no thread. Whatever else goes wrong is told by the job.
    pub fn pull(&self, reference: &Reference) -> Result<Job> {
        self.pull_as(&new_id()?, reference)
    }

    /// The same, with an id for the job where it is a new one, for callers that must know it before. No other may have it.
    ///
    /// # Errors
    /// Those of [`Hub::pull`](super::Hub::pull).
    pub fn pull_as(&self, id: &str, reference: &Reference) -> Result<Job> {
        let mut list = lock(&self.inner.jobs.0);
        let open = list.iter().filter(|job| !job.state().is_over());
        if let Some(job) = open.clone().find(|job| job.reference.repository() == reference.repository()) {
            if job.reference != *reference {
                return Err(busy(reference.repository()));
            }
            let job = Arc::clone(job);
            drop(list);
            return self.resume_tracked(&job);
        }
        let count = open.count();
        if count >= MOST {
            return Err(BackendError::ResourceLimitExceeded {
                resource: "the number of pulls that have not ended".to_owned(),
                limit: MOST as u64,
                current: count as u64,
                retry_after: Duration::from_secs(30),
            });
        }
        let watched = Watched::new(id.to_owned(), reference);
        let job = Arc::new(Tracked {
            id: id.to_owned(),
            reference: reference.clone(),
            control: Control::default(),
            watched,
        });
        self.start(&job)?;
        list.push_back(Arc::clone(&job));
        let mut over = list.iter().filter(|job| job.state().is_over()).count();
        list.retain(|job| {
            let drop = over > KEPT && job.state().is_over();
            over -= usize::from(drop);
            !drop
        });
        Ok(job.job())
    }

    /// All pulls that have not ended, and the last ones that have, the oldest first.
    pub fn jobs(&self) -> Vec<Job> {
        lock(&self.inner.jobs.0).iter().map(|job| job.job()).collect()
    }

    /// One pull; `None` where there is none of this id.
    pub fn job(&self, id: &str) -> Option<Job> {
        self.tracked(id).map(|job| job.job())
    }

    /// How one pull goes: always the latest, however slowly it is read.
    pub fn watch(&self, id: &str) -> Option<watch::Receiver<Job>> {
        self.tracked(id).map(|job| job.watched.job.subscribe())
    }

    /// Pauses a pull; what has come stays. One that has ended stays as it is.
    pub fn pause(&self, id: &str) -> Option<Job> {
        let job = self.tracked(id)?;
        job.control.set(Wish::Pause);
        self.settle(&job)
    }

    /// Goes on with a pull that was paused, and tries one again that failed.
    ///
    /// # Errors
    /// [`BackendError::InternalError`] where there is no thread.
    pub fn resume(&self, id: &str) -> Option<Result<Job>> {
        Some(self.resume_tracked(&self.tracked(id)?))
    }

    /// Cancels a pull; what has come goes. One that is complete stays, and so does its model.
    pub fn cancel(&self, id: &str) -> Option<Job> {
        let job = self.tracked(id)?;
        let idle = job.watched.claim();
        job.control.set(Wish::Cancel);
        if idle {
            self.end(&job, Err(Stop::Told));
        }
        self.settle(&job)
    }

    /// Pauses all pulls, for a process that ends.
    pub fn close(&self) {
        for job in lock(&self.inner.jobs.0).iter() {
            job.control.set(Wish::Pause);
        }
    }

    fn tracked(&self, id: &str) -> Option<Arc<Tracked>> {
        lock(&self.inner.jobs.0).iter().find(|job| job.id == id).cloned()
    }

    /// Waits until what was wished is so, which takes a few turns of waiting at the most.
    fn settle(&self, job: &Tracked) -> Option<Job> {
        let end = Instant::now() + 20 * POLL;
        while matches!(job.state(), JobState::Queued | JobState::Running) && Instant::now() < end {
            std::thread::sleep(POLL / 5);
        }
        Some(job.job())
    }

    fn resume_tracked(&self, job: &Arc<Tracked>) -> Result<Job> {
        if job.watched.claim() {
            job.control.set(Wish::Run);
            self.start(job)?;
        }
        Ok(job.job())
    }

    /// Starts the thread of a pull that is queued.
    fn start(&self, job: &Arc<Tracked>) -> Result<()> {
        let (hub, tracked) = (self.clone(), Arc::clone(job));
        let spawned = std::thread::Builder::new().name("pull".to_owned()).spawn(move || {
            let outcome = hub.wait_and_run(&tracked);
            hub.end(&tracked, outcome);
        });
        match spawned {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = BackendError::internal(format!("no thread for a pull: {error}"));
                job.watched.set(JobState::Failed, Some(error.clone()));
                Err(error)
            }
        }
    }

    fn wait_and_run(&self, job: &Tracked) -> Result<(), Stop> {
        let _turn = loop {
            match Turn::take(&self.inner.running) {
                Some(turn) => break turn,
                None if job.control.runs() => std::thread::sleep(POLL),
                None => return Err(Stop::Told),
            }
        };
        job.watched.set(JobState::Running, None);
        let pull = Pull {
            options: &self.inner.options,
            models_dir: &self.inner.models_dir,
            device: self.inner.device,
            reference: &job.reference,
            control: &job.control,
            watched: &job.watched,
        };
        // A thread beside it tells how far it is.
        let over = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let (sender, receiver) = over;
            let watched = &job.watched;
            let telling =
                std::thread::Builder::new().name("pull-tell".to_owned()).spawn_scoped(scope, move || {
                    let mut last = Instant::now();
                    while receiver.recv_timeout(TELL) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                        watched.tell(last.elapsed());
                        last = Instant::now();
                    }
                });
            if let Err(error) = telling {
                return Err(Stop::Failed(BackendError::internal(format!("no thread for a pull: {error}"))));
            }
            let outcome = pull.run();
            drop(sender);
            outcome
        })
    }

    /// Tells how a pull ended.
    fn end(&self, job: &Tracked, outcome: Result<(), Stop>) {
        job.watched.tell(TELL);
        let (state, error) = match (outcome, job.control.wish()) {
            (Ok(()), _) => (JobState::Completed, None),
            (Err(Stop::Failed(error)), wish) if wish != Wish::Cancel => (JobState::Failed, Some(error)),
            (Err(_), Wish::Cancel) => {
                let folder = Folder::open(&self.inner.models_dir, job.reference.repository());
                let cleared = folder.and_then(|folder| folder.clear(&folder.lock()?));
                (JobState::Cancelled, cleared.err())
            }
            (Err(_), _) => (JobState::Paused, None),
        };
        match &error {
            Some(error) => tracing::warn!(reference = %job.reference, ?state, %error, "a pull ended"),
            None => tracing::info!(reference = %job.reference, ?state, "a pull ended"),
        }
        job.watched.set(state, error);
    }
}

/// The right to run, which few have at a time.
struct Turn<'a>(&'a Mutex<usize>);

impl<'a> Turn<'a> {
    fn take(running: &'a Mutex<usize>) -> Option<Self> {
        let mut count = lock(running);
        (*count < RUNNING).then(|| {
            *count += 1;
            Self(running)
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(self.0) -= 1;
    }
}

fn new_id() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| BackendError::internal(format!("no random numbers: {error}")))?;
    Ok(bytes.iter().fold("pull_".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}
