//! The bounded queue between the requests and the engine of one decoder, counted in sequences.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{metrics::Counters, sequence::Sequence};
use crate::{
    embed::shutting_down,
    error::{BackendError, Result},
    runtime::pool::slot::EngineQueue,
};

/// The queue of one decoder.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    model: String,
    capacity: usize,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that were put back come first.
    waiting: VecDeque<Sequence>,
    /// Sequences that the engine has taken and not ended.
    running: usize,
    closed: bool,
    /// The engine has left.
    ended: bool,
    /// With this what runs ends at its next step.
    aborted: Option<BackendError>,
    /// When the step under way began.
    step: Option<Instant>,
}

impl Queue {
    pub(crate) fn new(model: &str, capacity: usize, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            model: model.to_owned(),
            capacity,
            counters,
        })
    }

    /// Whether an empty queue has room for so many answers to each of so many prompts.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] with the number that there is room for.
    pub(crate) fn has_ever_room(&self, prompts: usize, choices: usize) -> Result<()> {
        let most = self.capacity;
        let asked = prompts.saturating_mul(choices);
        if asked <= most {
            return Ok(());
        }
        let bound = format!("at most {most} answers may wait here");
        Err(match most / prompts.max(1) {
            0 => BackendError::invalid(
                "prompt",
                format!("has {prompts} texts, and {bound}; send at most {most} at once"),
            ),
            _ if prompts <= 1 => {
                BackendError::invalid("n", format!("is {choices}, and {bound}; ask for at most {most}"))
            }
            each => BackendError::invalid(
                "n",
                format!(
                    "is {choices} for each of {prompts} texts, {asked} answers together, and {bound}; ask for at most \
                     {each}, or send fewer texts"
                ),
            ),
        })
    }

    /// Admits all sequences of a request, or none.
    ///
    /// # Errors
    /// [`BackendError::ResourceLimitExceeded`] where there is no room now, with the time that those before it will take;
    /// [`BackendError::ModelNotLoaded`] where the model leaves memory.
    pub(crate) fn push(&self, sequences: Vec<Sequence>) -> Result<()> {
        let mut state = self.lock();
        if state.closed {
            return Err(state.aborted.clone().unwrap_or_else(|| shutting_down(&self.model)));
        }
        if state.waiting.len() + sequences.len() > self.capacity {
            self.counters.rejected();
            return Err(BackendError::ResourceLimitExceeded {
                resource: "queue of generations".to_owned(),
                limit: self.capacity as u64,
                current: state.waiting.len() as u64,
                retry_after: self.counters.wait_for(state.waiting.len(), state.running),
            });
        }
        state.waiting.extend(sequences);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// The next sequence, waiting for one where `wait`; `None` where there is none, or once the queue is closed and empty.
    /// Called by the engine alone.
    pub(crate) fn take(&self, wait: bool) -> Option<Sequence> {
        let mut state = self.lock();
        loop {
            if let Some(sequence) = state.waiting.pop_front() {
                state.running += 1;
                return Some(sequence);
            }
            if !wait {
                return None;
            }
            if state.closed {
                state.ended = true;
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts a sequence back in front, whose turn comes again later. Called by the engine alone.
    pub(crate) fn put_back(&self, sequence: Sequence) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(1);
        state.waiting.push_front(sequence);
    }

    /// Says that a sequence has ended. Called by the engine alone.
    pub(crate) fn done(&self) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(1);
    }

    /// Takes out the waiting sequences for which `gone`. Called by the engine alone.
    pub(crate) fn sweep(&self, gone: impl Fn(&Sequence) -> bool) -> VecDeque<Sequence> {
        let mut state = self.lock();
        let (out, waiting) =
            std::mem::take(&mut state.waiting).into_iter().partition(|sequence| gone(sequence));
        state.waiting = waiting;
        out
    }

    /// Sequences that the engine has taken and not ended.
    pub(crate) fn running(&self) -> usize {
        self.lock().running
    }

    /// Notes that a step begins, or that none is under way. Called by the engine alone.
    pub(crate) fn step(&self, since: Option<Instant>) {
        self.lock().step = since;
    }

    /// With what everything that runs is to end, where it is. Called by the engine alone.
    pub(crate) fn aborted(&self) -> Option<BackendError> {
        self.lock().aborted.clone()
    }

    /// Whether the engine has left, or is about to.
    pub(crate) fn ended(&self) -> bool {
        self.lock().ended
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineQueue for Queue {
    fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn idle(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && state.running == 0
    }

    fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    fn abort(&self, error: &BackendError) {
        let mut state = self.lock();
        state.closed = true;
        state.aborted = Some(error.clone());
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for sequence in waiting {
            self.counters.failed();
            sequence.job.fail(error.clone());
        }
        self.ready.notify_all();
    }

    fn running_for(&self) -> Option<Duration> {
        self.lock().step.map(|since| since.elapsed())
    }
}

/// Between one second and a minute.
pub(super) fn patience(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.ceil().clamp(1.0, 60.0))
}
