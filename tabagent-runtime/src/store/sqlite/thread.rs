//! The thread that holds the connection: calls wait for it in a bounded queue, and their callers for a bounded time.

use std::{
    any::type_name,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use tokio::{sync::oneshot, time::timeout};

use super::{failure::Place, open::Opened, queries};
use crate::error::{BackendError, Result};

/// Calls that may wait.
const QUEUE: usize = 1024;
/// Longest wait of a caller: beyond SQLite's own for another program, and beyond that of a slow disk.
const WAIT: Duration = Duration::from_secs(30);
/// When a caller that found the queue full may come again.
const RETRY: Duration = Duration::from_secs(1);
/// How often a log that has to be folded is tried again, while another program reads it.
const FOLD: Duration = Duration::from_secs(5);

type Call = Box<dyn FnOnce(&mut Connection) + Send>;

/// The thread of a store.
#[derive(Debug)]
pub(super) struct Worker {
    /// `None` once it is being dropped.
    calls: Option<SyncSender<Call>>,
    thread: Option<JoinHandle<()>>,
    place: Place,
    /// Whether the log of changes holds what was deleted, and is to be folded into the file.
    pub(super) fold_due: Arc<AtomicBool>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`BackendError::InternalError`] where the operating system gives none.
    pub(super) fn start(opened: Opened) -> Result<Self> {
        let (calls, waiting) = sync_channel(QUEUE);
        let place = opened.place.clone();
        let fold_due = Arc::new(AtomicBool::new(false));
        let due = Arc::clone(&fold_due);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || serve(opened, &waiting, &due))
            .map_err(|error| BackendError::internal(format!("no thread for the store: {error}")))?;
        Ok(Self { calls: Some(calls), thread: Some(thread), place, fold_due })
    }

    /// Does `work` on the thread. A call whose caller left before its turn is not done.
    ///
    /// # Errors
    /// What SQLite failed with, as [`Place::failure`] says it; [`BackendError::ResourceLimitExceeded`] where the queue is
    /// full, [`BackendError::GenerationTimeout`] where the answer does not come in time.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            if !answer.is_closed() {
                // A caller that left meanwhile does not want the outcome.
                answer.send(work(connection)).ok();
            }
        });
        let gone = || BackendError::internal(format!("the store gave no answer, {operation}"));
        self.calls.as_ref().ok_or_else(gone)?.try_send(call).map_err(|error| match error {
            TrySendError::Full(_) => BackendError::ResourceLimitExceeded {
                resource: "the queue of the store".to_owned(),
                limit: QUEUE as u64,
                current: QUEUE as u64,
                retry_after: RETRY,
            },
            TrySendError::Disconnected(_) => gone(),
        })?;
        match timeout(WAIT, answered).await {
            Ok(Ok(outcome)) => outcome.map_err(|error| {
                let failure = self.place.failure(operation, &error);
                tracing::error!(%failure, "the store failed");
                failure
            }),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(BackendError::GenerationTimeout { seconds: WAIT.as_secs_f64() }),
        }
    }
}

fn serve(opened: Opened, waiting: &Receiver<Call>, fold_due: &AtomicBool) {
    let Opened { mut connection, place, lock } = opened;
    loop {
        let next = if fold_due.load(Relaxed) {
            waiting.recv_timeout(FOLD)
        } else {
            waiting.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match next {
            // A panic ends the call, whose transaction is rolled back, and nothing else.
            Ok(call) => {
                if catch_unwind(AssertUnwindSafe(|| call(&mut connection))).is_err() {
                    tracing::error!(%place, "a call of the store panicked");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if fold_due.load(Relaxed) {
            match queries::fold(&connection, Duration::ZERO) {
                Ok(folded) => fold_due.store(!folded, Relaxed),
                Err(error) => tracing::warn!(%place, %error, "the log of the store could not be folded"),
            }
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%place, %error, "the store was not closed in order; the next start mends it");
    }
    // Given free once the file is closed.
    drop(lock);
}

impl Drop for Worker {
    /// Waits for the thread, so that whoever opens the same folder next finds it free.
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(kind = type_name::<Self>(), "the thread of the store panicked");
        }
    }
}
