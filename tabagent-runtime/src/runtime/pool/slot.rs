//! A model on its way into memory or there, and the thread that loads and serves it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::error::{BackendError, Result};

/// What loading a model came to, once it has.
pub(crate) type Outcome<M> = Option<Result<M>>;

/// The queue of an engine, as the pool and health see it.
pub(crate) trait EngineQueue: Send + Sync {
    /// Admits nothing more; what is in runs to its end.
    fn close(&self);
    /// Closes, and ends everything that waits or runs with an error, which whoever comes later is told as well.
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
}

impl<M: Clone> Slot<M> {
    /// The model, once it is in memory.
    pub(crate) fn ready(&self) -> Option<M> {
        self.outcome.borrow().as_ref()?.as_ref().ok().cloned()
    }
}

/// What the thread of a model tells.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The model was loaded, which took so long.
    Loaded(Duration),
    /// It was not, and the thread ends.
    NotLoaded(BackendError),
    /// It has served, was told to leave or failed, and the thread ends. Nothing of the model is held here any more.
    Left,
}

/// Starts the thread of a model: it loads the model, tells the outcome, and serves it. `load` gives the model and what
/// serves it; `tell` takes the model off its list when the thread ends. A panic in either is a failure like others, so that
/// nobody waits for a thread that is gone.
///
/// # Errors
/// [`BackendError::InternalError`] where the operating system gives no thread.
pub(crate) fn spawn<M: Clone + Send + Sync + 'static, S: FnOnce()>(
    id: &str,
    queue: Arc<dyn EngineQueue>,
    load: impl FnOnce() -> Result<(M, S)> + Send + 'static,
    tell: impl Fn(Event) + Send + 'static,
) -> Result<Slot<M>> {
    let (sender, outcome) = watch::channel(None);
    std::thread::Builder::new()
        .name(format!("engine {id}"))
        .spawn({
            let (id, queue) = (id.to_owned(), Arc::clone(&queue));
            move || {
                let begun = Instant::now();
                let loaded =
                    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| Err(panicked(&id, "loaded")));
                let (error, event) = match loaded {
                    Ok((model, serve)) => {
                        tell(Event::Loaded(begun.elapsed()));
                        sender.send_replace(Some(Ok(model)));
                        match catch_unwind(AssertUnwindSafe(serve)) {
                            Ok(()) => {
                                // The channel holds the model as well.
                                sender.send_replace(Some(Err(unloaded(&id))));
                                return tell(Event::Left);
                            }
                            Err(_) => (panicked(&id, "served"), Event::Left),
                        }
                    }
                    Err(error) => (error.clone(), Event::NotLoaded(error)),
                };
                tracing::warn!(model = id, %error, "the model leaves memory");
                queue.abort(&error);
                // Taken off the list first, so that whoever asks after the answer tries again.
                tell(event);
                sender.send_replace(Some(Err(error)));
            }
        })
        .map_err(|error| BackendError::internal(format!("no thread for the engine: {error}")))?;
    Ok(Slot { queue, outcome })
}

/// What a panic is told as; its own message is in the log.
fn panicked(id: &str, while_it_was: &str) -> BackendError {
    BackendError::internal(format!("the thread of model `{id}` panicked while it was {while_it_was}"))
}

/// What a request is told whose model leaves memory under it.
pub(crate) fn unloaded(id: &str) -> BackendError {
    BackendError::ModelNotLoaded { model: id.to_owned(), reason: "it was unloaded".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::channel,
    };

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

    #[tokio::test]
    async fn a_panic_of_the_thread_is_told_to_everybody() {
        type Load = Box<dyn FnOnce() -> Result<((), fn())> + Send>;
        let loads: [Load; 2] =
            [Box::new(|| panic!("while it loads")), Box::new(|| Ok(((), || panic!("while it serves"))))];
        for load in loads {
            let queue = Arc::new(Aborted::default());
            let (sender, events) = channel();
            let slot = spawn("model", Arc::clone(&queue) as Arc<dyn EngineQueue>, load, move |event| {
                sender.send(event).unwrap();
            })
            .unwrap();
            let mut outcome = slot.outcome;
            let failed =
                |outcome: &Outcome<()>| matches!(outcome, Some(Err(BackendError::InternalError { .. })));
            outcome.wait_for(failed).await.unwrap();
            let ends = events.try_iter().filter(|event| !matches!(event, Event::Loaded(_))).count();
            assert_eq!((queue.0.load(Relaxed), ends), (1, 1));
        }
    }
}
