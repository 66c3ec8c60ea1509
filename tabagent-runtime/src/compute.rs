//! Arithmetic over many vectors: kept off the async workers, and given up once nobody waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::Semaphore;

use crate::error::{BackendError, Result};

/// Float operations that are done where they are: about a millisecond.
const INLINE: usize = 1_000_000;

/// Tells work on the blocking pool whether its caller went away.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Whether nobody waits for the outcome any more.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// What work that was given up returns; its caller is gone and does not see it.
    pub(crate) fn error() -> BackendError {
        BackendError::internal("the work was given up, since nobody waits for it")
    }
}

/// Held by the caller; when it is dropped, by cancellation, deadline or a failure, the work ends at its next look.
#[derive(Debug, Default)]
pub(crate) struct AbandonOnDrop(Abandoned);

impl AbandonOnDrop {
    /// What the work looks at.
    pub(crate) fn flag(&self) -> Abandoned {
        self.0.clone()
    }
}

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Relaxed);
    }
}

/// Does `work` here where it is small, else on the blocking pool with a permit of `workers`. `operations` is its size in
/// float operations. Dropping the future sets the flag that `work` is given.
///
/// # Errors
/// Those of `work`; [`BackendError::InternalError`] where it panicked.
pub(crate) async fn compute<T: Send + 'static>(
    workers: &Arc<Semaphore>,
    operations: usize,
    work: impl FnOnce(&Abandoned) -> Result<T> + Send + 'static,
) -> Result<T> {
    let guard = AbandonOnDrop::default();
    let abandoned = guard.flag();
    if operations <= INLINE {
        return work(&abandoned);
    }
    let worker = Arc::clone(workers)
        .acquire_owned()
        .await
        .map_err(|_| BackendError::internal("the computing pool is closed"))?;
    tokio::task::spawn_blocking(move || {
        let _worker = worker;
        work(&abandoned)
    })
    .await
    .map_err(|error| BackendError::internal(format!("a computation ended early: {error}")))?
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::channel,
        task::{Context, Waker},
        thread,
    };

    use super::*;

    #[tokio::test]
    async fn small_work_stays_and_large_work_leaves_the_async_thread() {
        let workers = Arc::new(Semaphore::new(1));
        let here = thread::current().id();
        let id = |_: &Abandoned| Ok(thread::current().id());
        assert_eq!(compute(&workers, INLINE, id).await.unwrap(), here);
        assert_ne!(compute(&workers, INLINE + 1, id).await.unwrap(), here);
        assert_eq!(workers.available_permits(), 1);
    }

    #[tokio::test]
    async fn dropping_the_future_ends_the_work() {
        let workers = Arc::new(Semaphore::new(1));
        let (begun, begins) = channel();
        let (ended, ends) = channel();
        let mut running = Box::pin(compute(&workers, usize::MAX, move |abandoned: &Abandoned| {
            begun.send(()).unwrap();
            while !abandoned.is_set() {
                thread::yield_now();
            }
            ended.send(()).unwrap();
            Err::<(), _>(Abandoned::error())
        }));
        assert!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        begins.recv().unwrap();
        drop(running);
        ends.recv().unwrap();
    }
}
