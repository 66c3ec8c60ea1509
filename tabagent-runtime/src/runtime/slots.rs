//! Models that are in memory or on their way there, each with the thread that serves it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::watch;

use crate::error::{BackendError, Result};

/// What loading a model came to, once it has.
pub(crate) type Outcome<M> = Option<Result<Arc<M>>>;

/// The queue of an engine, as shutdown and health see it.
pub(crate) trait EngineQueue: Send + Sync {
    /// Admits nothing more; what is in runs to its end.
    fn close(&self);
    /// Closes, and ends everything that waits or runs with an error.
    fn abort(&self, error: &BackendError);
    /// Whether nothing waits and nothing runs.
    fn idle(&self) -> bool;
    /// What was admitted and has not begun to run.
    fn waiting(&self) -> usize;
    /// How long the run under way has taken so far.
    fn running_for(&self) -> Option<Duration>;
}

/// A model and its thread.
pub(crate) struct Slot<M> {
    pub(crate) queue: Arc<dyn EngineQueue>,
    pub(crate) outcome: watch::Receiver<Outcome<M>>,
    pub(crate) thread: JoinHandle<()>,
}

impl<M> Slot<M> {
    /// The model, once it is in memory.
    pub(crate) fn ready(&self) -> Option<Arc<M>> {
        self.outcome.borrow().as_ref()?.as_ref().ok().cloned()
    }
}

/// The slots of one kind of model, by id.
pub(crate) struct Slots<M>(Mutex<HashMap<String, Slot<M>>>);

impl<M> Default for Slots<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M> Slots<M> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot<M>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A model that is in memory.
    pub(crate) fn ready(&self, id: &str) -> Option<Arc<M>> {
        self.lock().get(id)?.ready()
    }

    /// The outcome of a model's load, which `spawn` begins where nobody has.
    ///
    /// # Errors
    /// Those of `spawn`.
    pub(crate) fn outcome(
        &self,
        id: &str,
        spawn: impl FnOnce() -> Result<Slot<M>>,
    ) -> Result<watch::Receiver<Outcome<M>>> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(id) {
            return Ok(slot.outcome.clone());
        }
        let slot = spawn()?;
        let outcome = slot.outcome.clone();
        slots.insert(id.to_owned(), slot);
        Ok(outcome)
    }

    pub(crate) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }
}

/// Starts the thread of a model: it loads the model, tells the outcome, and serves it. `load` gives the model and what
/// serves it; `failed` takes the slot off its list. A panic in either is a failure like others, so that nobody waits for
/// a thread that is gone.
///
/// # Errors
/// [`BackendError::InternalError`] where the operating system gives no thread.
pub(crate) fn spawn<M: Send + Sync + 'static, S: FnOnce()>(
    id: &str,
    queue: Arc<dyn EngineQueue>,
    load: impl FnOnce() -> Result<(Arc<M>, S)> + Send + 'static,
    failed: impl FnOnce() + Send + 'static,
) -> Result<Slot<M>> {
    let (sender, outcome) = watch::channel(None);
    let thread = std::thread::Builder::new()
        .name(format!("engine {id}"))
        .spawn({
            let (id, queue) = (id.to_owned(), Arc::clone(&queue));
            move || {
                let loaded =
                    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| Err(panicked(&id, "loaded")));
                let error = match loaded {
                    Ok((model, serve)) => {
                        sender.send_replace(Some(Ok(model)));
                        match catch_unwind(AssertUnwindSafe(serve)) {
                            Ok(()) => return,
                            Err(_) => panicked(&id, "served"),
                        }
                    }
                    Err(error) => error,
                };
                tracing::warn!(model = id, %error, "the model leaves memory");
                queue.abort(&error);
                // Taken off the list first, so that whoever asks after the answer tries again.
                failed();
                sender.send_replace(Some(Err(error)));
            }
        })
        .map_err(|error| BackendError::internal(format!("no thread for the engine: {error}")))?;
    Ok(Slot { queue, outcome, thread })
}

/// What a panic is told as; its own message is in the log.
fn panicked(id: &str, while_it_was: &str) -> BackendError {
    BackendError::internal(format!("the thread of model `{id}` panicked while it was {while_it_was}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    /// Counts how often it was ended.
    #[derive(Default)]
    struct Aborted(AtomicUsize);

    impl EngineQueue for Aborted {
        fn close(&self) {}

        fn abort(&self, error: &BackendError) {
            assert!(matches!(error, BackendError::InternalError { .. }), "{error:?}");
            self.0.fetch_add(1, Relaxed);
        }

        fn idle(&self) -> bool {
            true
        }

        fn waiting(&self) -> usize {
            0
        }

        fn running_for(&self) -> Option<Duration> {
            None
        }
    }

    #[test]
    fn a_panic_of_the_thread_is_told_to_everybody() {
        type Load = Box<dyn FnOnce() -> Result<(Arc<()>, fn())> + Send>;
        let loads: [Load; 2] = [
            Box::new(|| panic!("while it loads")),
            Box::new(|| Ok((Arc::new(()), || panic!("while it serves")))),
        ];
        for load in loads {
            let queue = Arc::new(Aborted::default());
            let removed = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&removed);
            let failed = move || {
                counted.fetch_add(1, Relaxed);
            };
            let slot = spawn("model", Arc::clone(&queue) as Arc<dyn EngineQueue>, load, failed).unwrap();
            slot.thread.join().unwrap();
            assert!(matches!(&*slot.outcome.borrow(), Some(Err(BackendError::InternalError { .. }))));
            assert_eq!((queue.0.load(Relaxed), removed.load(Relaxed)), (1, 1));
        }
    }
}
