//! The bounded queue between the requests and the engine of one model, counted in texts.
//!
//! A request reserves its place before it is tokenised, so that a full queue costs nobody work. The engine takes one
//! batch at a time: the request whose turn it is gives the anchor (the longest of its texts), and texts of other requests
//! that fit beside it run along. A turn used sends the request to the back of the line. So a text waits at most as many
//! batches as there are requests before it, times its own request's texts, and a request of one text is not held up by
//! one of two thousand.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{batch::Budget, metrics::Counters};
use crate::{
    error::{BackendError, Result},
    runtime::pool::slot::EngineQueue,
    tokenizer::Tokens,
};

/// What the engine gives a request: a row of values for each of its texts, in their order.
pub(crate) type Rows = Vec<Vec<f32>>;

/// One request in the queue, shared between its texts.
#[derive(Debug)]
pub(crate) struct Ticket {
    id: u64,
    since: Instant,
    cancelled: AtomicBool,
    reply: Mutex<Reply>,
}

#[derive(Debug)]
struct Reply {
    rows: Rows,
    left: usize,
    sender: Option<oneshot::Sender<Result<Rows>>>,
}

impl Ticket {
    /// Gives the row of one text; the last one completes the request.
    pub(crate) fn fulfil(&self, index: usize, row: Vec<f32>) {
        let mut reply = lock(&self.reply);
        reply.rows[index] = row;
        reply.left -= 1;
        if reply.left == 0 {
            let rows = std::mem::take(&mut reply.rows);
            if let Some(sender) = reply.sender.take() {
                // A caller that has gone away wants no answer.
                let _gone = sender.send(Ok(rows));
            }
        }
    }

    /// Ends the request with an error. Returns whether it was still open.
    pub(crate) fn fail(&self, error: &BackendError) -> bool {
        self.cancelled.store(true, Relaxed);
        lock(&self.reply).sender.take().is_some_and(|sender| sender.send(Err(error.clone())).is_ok())
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }
}

/// One text that waits.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) tokens: Tokens,
    /// Its place among the texts of its request.
    pub(crate) index: usize,
    pub(crate) ticket: Arc<Ticket>,
}

/// Stops the run that is under way.
pub(crate) type Stop = Arc<dyn Fn() + Send + Sync>;

/// The queue of one model.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    /// Id of the model.
    model: String,
    capacity: usize,
    next: AtomicU64,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct State {
    /// Sorted by length; equal lengths in the order of arrival.
    waiting: Vec<Work>,
    /// Requests in the order of their turns; the first is next.
    turns: Vec<u64>,
    /// Texts admitted that have not begun to run, those that are still being tokenised included.
    admitted: usize,
    closed: bool,
    /// Nothing runs any more: the engine has left, or is about to.
    ended: bool,
    /// With what it was ended before its time.
    aborted: Option<BackendError>,
    running: Option<Running>,
}

struct Running {
    tickets: Vec<Arc<Ticket>>,
    since: Instant,
    stop: Stop,
}

/// A place in the queue for a number of texts, given back when dropped.
pub(crate) struct Permit {
    queue: Arc<Queue>,
    texts: usize,
}

/// A request that waits for its rows. Dropping it takes its texts out of the queue.
pub(crate) struct Pending {
    queue: Arc<Queue>,
    ticket: Arc<Ticket>,
    receiver: oneshot::Receiver<Result<Rows>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    pub(crate) fn new(model: &str, capacity: usize, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            model: model.to_owned(),
            capacity,
            next: AtomicU64::new(0),
            counters,
        })
    }

    /// Reserves places for all `texts` texts of a request, all or none. `field` is the request's field at fault where
    /// they are more than the queue holds.
    ///
    /// # Errors
    /// [`BackendError::ResourceLimitExceeded`] where the queue has no room, with the time that the texts before it will
    /// take; [`BackendError::InvalidInput`] where it could never have room; [`BackendError::ModelNotLoaded`] where it is
    /// closed.
    pub(crate) fn reserve(self: &Arc<Self>, field: &str, texts: usize) -> Result<Permit> {
        if texts > self.capacity {
            return Err(BackendError::invalid(
                field,
                format!(
                    "the request has {texts} texts in all and the queue of a model holds {}; send fewer at a time",
                    self.capacity
                ),
            ));
        }
        let mut state = lock(&self.state);
        if state.closed {
            return Err(self.over(&state));
        }
        if state.admitted + texts > self.capacity {
            self.counters.rejected.fetch_add(1, Relaxed);
            return Err(BackendError::ResourceLimitExceeded {
                resource: "queue of texts".to_owned(),
                limit: self.capacity as u64,
                current: state.admitted as u64,
                retry_after: self.counters.wait_for(state.admitted),
            });
        }
        state.admitted += texts;
        self.counters.requests.fetch_add(1, Relaxed);
        Ok(Permit { queue: Arc::clone(self), texts })
    }

    /// The next batch, waiting for one; `None` once the queue is closed and empty. Called by the engine alone.
    pub(crate) fn next_batch(&self, budget: &Budget, stop: &Stop) -> Option<Vec<Work>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(batch) = state.form(budget) {
                let now = Instant::now();
                for work in &batch {
                    self.counters.queue_wait.observe((now - work.ticket.since).as_secs_f64());
                }
                let tickets = batch.iter().map(|work| Arc::clone(&work.ticket)).collect();
                state.running = Some(Running { tickets, since: now, stop: Arc::clone(stop) });
                return Some(batch);
            }
            // What is still being tokenised was admitted, and is served.
            if state.ended || (state.closed && state.admitted == 0) {
                state.ended = true;
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that the batch is done, so that nothing stops the next run in its place. Called by the engine alone.
    pub(crate) fn finished(&self, restart: impl FnOnce()) {
        let mut state = lock(&self.state);
        state.running = None;
        restart();
    }

    /// Whether what was admitted will not run any more.
    pub(crate) fn ended(&self) -> bool {
        lock(&self.state).ended
    }

    /// What a request is told once that is so.
    pub(crate) fn end(&self) -> BackendError {
        self.over(&lock(&self.state))
    }

    fn over(&self, state: &State) -> BackendError {
        state.aborted.clone().unwrap_or_else(|| shutting_down(&self.model))
    }

    /// Takes out the texts of a request whose caller went away, and stops the run where it serves nobody else.
    fn cancel(&self, ticket: &Ticket) {
        let mut state = lock(&self.state);
        let before = state.waiting.len();
        state.waiting.retain(|work| work.ticket.id != ticket.id);
        state.admitted = state.admitted.saturating_sub(before - state.waiting.len());
        state.turns.retain(|id| *id != ticket.id);
        if let Some(running) = &state.running
            && running.tickets.iter().all(|ticket| ticket.cancelled())
        {
            (running.stop)();
        }
        drop(state);
        self.ready.notify_one();
    }
}

impl EngineQueue for Queue {
    fn waiting(&self) -> usize {
        lock(&self.state).admitted
    }

    fn running_for(&self) -> Option<Duration> {
        lock(&self.state).running.as_ref().map(|running| running.since.elapsed())
    }

    fn idle(&self) -> bool {
        let state = lock(&self.state);
        state.admitted == 0 && state.running.is_none()
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.ready.notify_all();
    }

    fn abort(&self, error: &BackendError) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.ended = true;
        state.aborted.get_or_insert_with(|| error.clone());
        let waiting = std::mem::take(&mut state.waiting);
        state.admitted = state.admitted.saturating_sub(waiting.len());
        state.turns.clear();
        for work in &waiting {
            work.ticket.fail(error);
        }
        if let Some(running) = &state.running {
            for ticket in &running.tickets {
                ticket.fail(error);
            }
            (running.stop)();
        }
        drop(state);
        self.ready.notify_all();
    }
}

impl State {
    /// Takes the next batch out of what waits.
    fn form(&mut self, budget: &Budget) -> Option<Vec<Work>> {
        let turn = *self.turns.first()?;
        let anchor = self.waiting.iter().rposition(|work| work.ticket.id == turn)?;
        let lengths: Vec<usize> = self.waiting.iter().map(|work| work.tokens.ids.len()).collect();
        let range = budget.window(&lengths, anchor);
        self.admitted = self.admitted.saturating_sub(range.len());
        let batch: Vec<Work> = self.waiting.drain(range).collect();
        // The turn is used; requests that have nothing left leave the line.
        self.turns.rotate_left(1);
        let mut touched: Vec<u64> = batch.iter().map(|work| work.ticket.id).collect();
        touched.sort_unstable();
        touched.dedup();
        for id in touched {
            if !self.waiting.iter().any(|work| work.ticket.id == id) {
                self.turns.retain(|turn| *turn != id);
            }
        }
        Some(batch)
    }
}

impl Permit {
    /// Parts the places: the first permit has `texts` of them, at most all, and the second the rest.
    pub(crate) fn split(mut self, texts: usize) -> (Self, Self) {
        let first = texts.min(self.texts);
        self.texts -= first;
        (Self { queue: Arc::clone(&self.queue), texts: first }, self)
    }

    /// Puts the texts in the queue. There are as many as were reserved.
    pub(crate) fn submit(mut self, texts: Vec<Tokens>) -> Pending {
        let queue = Arc::clone(&self.queue);
        let (sender, receiver) = oneshot::channel();
        let ticket = Arc::new(Ticket {
            id: queue.next.fetch_add(1, Relaxed),
            since: Instant::now(),
            cancelled: AtomicBool::new(false),
            reply: Mutex::new(Reply {
                rows: vec![Vec::new(); texts.len()],
                left: texts.len(),
                sender: Some(sender),
            }),
        });
        let mut state = lock(&queue.state);
        // What was reserved is now what waits.
        state.admitted = state.admitted + texts.len() - self.texts;
        self.texts = 0;
        if state.ended {
            state.admitted -= texts.len();
            ticket.fail(&queue.over(&state));
        } else {
            state.turns.push(ticket.id);
            state.waiting.extend(texts.into_iter().enumerate().map(|(index, tokens)| Work {
                tokens,
                index,
                ticket: Arc::clone(&ticket),
            }));
            // Stable, and quick on two sorted runs.
            state.waiting.sort_by_key(|work| work.tokens.ids.len());
        }
        drop(state);
        queue.ready.notify_one();
        Pending { queue, ticket, receiver }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.texts > 0 {
            let mut state = lock(&self.queue.state);
            state.admitted = state.admitted.saturating_sub(self.texts);
            drop(state);
            // An engine that was told to leave waits for the last of what was admitted.
            self.queue.ready.notify_one();
        }
    }
}

impl Pending {
    /// Waits for the rows.
    ///
    /// # Errors
    /// What the engine failed with.
    pub(crate) async fn rows(mut self) -> Result<Rows> {
        match (&mut self.receiver).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(BackendError::internal("the engine of the model ended before the request was answered"))
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Answered, or nobody waits for the answer any more.
        let open = lock(&self.ticket.reply).sender.take().is_some();
        if open && !self.ticket.cancelled.swap(true, Relaxed) {
            self.queue.counters.cancelled.fetch_add(1, Relaxed);
            self.queue.cancel(&self.ticket);
        }
    }
}

/// What a request is told that comes during shutdown, or is cut off by it: its model leaves memory, and another process may
/// serve it soon.
pub(crate) fn shutting_down(model: &str) -> BackendError {
    BackendError::ModelNotLoaded { model: model.to_owned(), reason: "the server is stopping".to_owned() }
}

#[cfg(test)]
mod tests;
