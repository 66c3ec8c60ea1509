//! Pulls as jobs: who waits for them, how far they are, and how they are paused, resumed and cancelled.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    folder::Folder,
    job::{Job, JobState, Watched},
    limits::{cancelling, check_active, check_paused, open_of, refusal},
    pull::Pull,
    reference::Reference,
    transfer::{Control, POLL, Stop, Wish},
};
use crate::error::{BackendError, Result};

/// Pulls that run side by side; further ones wait.
const RUNNING: usize = 2;
/// Pulls that have ended and are still told of.
const KEPT: usize = 64;
/// How often those who watch are told.
const TELL: Duration = Duration::from_millis(200);

/// A pull in the list.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) id: String,
    pub(super) reference: Reference,
    control: Control,
    watched: Watched,
}

impl Tracked {
    pub(super) fn state(&self) -> JobState {
        self.watched.job.borrow().state
    }

    fn job(&self) -> Job {
        self.watched.job.borrow().clone()
    }

    /// Whether it runs or waits for its turn.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.state(), JobState::Queued | JobState::Running)
    }
}

/// All pulls, the oldest first. Who changes what is wished of one, or where it stands, holds the lock, so that a wish never
/// comes between the end of a pull and what is told of it.
#[derive(Debug, Default)]
pub(super) struct Jobs(Mutex<List>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) type List = VecDeque<Arc<Tracked>>;

impl super::Hub {
    /// Pulls a model in the background. Whoever asks for what is being pulled gets the same job; one that was paused goes on.
    ///
    /// # Errors
    /// [`BackendError::ResourceLimitExceeded`] where too many pulls wait, another variant or revision of the same repository
    /// is being pulled, or a pull of it is being cancelled; [`BackendError::InvalidInput`] of `model` where another variant or
    /// revision is paused, or too many pulls are; [`BackendError::InternalError`] where there is no thread. Whatever else goes
    /// wrong is told by the job.
    pub fn pull(&self, reference: &Reference) -> Result<Job> {
        self.pull_as(&new_id()?, reference)
    }

    /// The same, with an id for the job where it is a new one, for callers that must know it before. No other may have it.
    ///
    /// # Errors
    /// Those of [`Hub::pull`](super::Hub::pull).
    pub fn pull_as(&self, id: &str, reference: &Reference) -> Result<Job> {
        let mut list = lock(&self.inner.jobs.0);
        if let Some(job) = open_of(&list, reference.repository(), id) {
            if job.reference != *reference {
                return Err(refusal(job));
            }
            return self.go_on(&list, job);
        }
        check_active(&list)?;
        check_paused(&list)?;
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

    /// Pauses a pull; what has come stays. One that has ended or is being cancelled stays as it is. Where a pull needs longer to
    /// come to rest than this call waits, it is told as running, and rests later.
    pub fn pause(&self, id: &str) -> Option<Job> {
        let job = {
            let list = lock(&self.inner.jobs.0);
            let job = find(&list, id)?;
            wish_pause(job);
            Arc::clone(job)
        };
        Some(settle(&job))
    }

    /// Goes on with a pull that was paused, also where it has not come to rest yet, and tries one again that failed.
    ///
    /// # Errors
    /// As [`Hub::pull`](super::Hub::pull), where other pulls are in the way, or it is being cancelled.
    pub fn resume(&self, id: &str) -> Option<Result<Job>> {
        let list = lock(&self.inner.jobs.0);
        let job = find(&list, id)?;
        Some(self.go_on(&list, job))
    }

    /// Cancels a pull; what has come goes. One that is complete stays, and so does its model. Where one failed and another one
    /// of the same repository has not ended, what has come is that one's, and stays.
    pub fn cancel(&self, id: &str) -> Option<Job> {
        let (job, rests) = {
            let list = lock(&self.inner.jobs.0);
            let job = find(&list, id)?;
            let rests = matches!(job.state(), JobState::Paused | JobState::Failed);
            if rests && open_of(&list, job.reference.repository(), id).is_some() {
                job.watched.set(JobState::Cancelled, None);
                return Some(job.job());
            }
            if rests {
                job.watched.reset();
            }
            if !job.state().is_over() {
                job.control.set(Wish::Cancel);
            }
            (Arc::clone(job), rests)
        };
        if rests {
            self.end(&job, Err(Stop::Told));
        }
        Some(settle(&job))
    }

    /// Pauses all pulls, for a process that ends.
    pub fn close(&self) {
        lock(&self.inner.jobs.0).iter().for_each(|job| wish_pause(job));
    }

    fn tracked(&self, id: &str) -> Option<Arc<Tracked>> {
        find(&lock(&self.inner.jobs.0), id).cloned()
    }

    /// Goes on with a pull, whose list is locked.
    fn go_on(&self, list: &List, job: &Arc<Tracked>) -> Result<Job> {
        match job.state() {
            JobState::Paused | JobState::Failed => {
                if let Some(other) = open_of(list, job.reference.repository(), &job.id) {
                    return Err(refusal(other));
                }
                check_active(list)?;
                job.control.set(Wish::Run);
                job.watched.reset();
                self.start(job)?;
            }
            JobState::Queued | JobState::Running => {
                if job.control.wish() == Wish::Cancel {
                    return Err(cancelling(job));
                }
                // Where it stops for a pause that is under way, its thread sees this and begins again.
                job.control.set(Wish::Run);
            }
            JobState::Completed | JobState::Cancelled => {}
        }
        Ok(job.job())
    }

    /// Starts the thread of a pull that is queued.
    fn start(&self, job: &Arc<Tracked>) -> Result<()> {
        let (hub, tracked) = (self.clone(), Arc::clone(job));
        let spawned = std::thread::Builder::new().name("pull".to_owned()).spawn(move || {
            loop {
                let outcome = hub.wait_and_run(&tracked);
                if hub.end(&tracked, outcome) {
                    break;
                }
            }
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

    /// Tells how a pull ended; `false` where it goes on, because it stopped for a pause that nobody wishes any more.
    fn end(&self, job: &Tracked, outcome: Result<(), Stop>) -> bool {
        job.watched.tell(TELL);
        let list = lock(&self.inner.jobs.0);
        let (state, error) = match (outcome, job.control.wish()) {
            (Ok(()), _) => (JobState::Completed, None),
            (Err(_), Wish::Cancel) => {
                // No other wish comes after this one, and no other pull of the repository begins before it is told.
                drop(list);
                let folder = Folder::open(&self.inner.models_dir, job.reference.repository());
                let cleared = folder.and_then(|folder| folder.clear(&folder.lock()?));
                return told(job, JobState::Cancelled, cleared.err());
            }
            (Err(Stop::Failed(error)), _) => (JobState::Failed, Some(error)),
            (Err(Stop::Told), Wish::Run) => {
                job.watched.reset();
                return false;
            }
            (Err(Stop::Told), Wish::Pause) => (JobState::Paused, None),
        };
        told(job, state, error)
    }
}

fn told(job: &Tracked, state: JobState, error: Option<BackendError>) -> bool {
    match &error {
        Some(error) => tracing::warn!(reference = %job.reference, ?state, %error, "a pull ended"),
        None => tracing::info!(reference = %job.reference, ?state, "a pull ended"),
    }
    job.watched.set(state, error);
    true
}

fn find<'a>(list: &'a List, id: &str) -> Option<&'a Arc<Tracked>> {
    list.iter().find(|job| job.id == id)
}

/// Wishes a pause of a pull that runs or waits and is not being cancelled; its list is locked.
fn wish_pause(job: &Tracked) {
    if job.is_active() && job.control.runs() {
        job.control.set(Wish::Pause);
    }
}

/// Waits until what was wished is so, which takes a few turns of waiting at the most.
fn settle(job: &Tracked) -> Job {
    let end = Instant::now() + 20 * POLL;
    while job.is_active() && Instant::now() < end {
        std::thread::sleep(POLL / 5);
    }
    job.job()
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
