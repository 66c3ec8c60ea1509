//! A guide on a thread of its own, which finds what may come next while the model runs.
//!
//! Where a grammar can be read in many ways that takes longer than the model's step. Then its own sequence waits and no
//! other one: the engine asks whether the answer is there, and goes on without it.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use super::{Allowed, Guide};
use crate::error::{BackendError, Result};

/// The guide of one sequence, here or on its way.
#[derive(Debug)]
pub(crate) struct Scout {
    place: Place,
    /// The thread, from the first question on. It ends when it is dropped, after the answer that it is at.
    worker: Option<Worker>,
}

#[derive(Debug)]
enum Place {
    /// Here, and what it allows next, where that was asked and not taken.
    Here(Box<Guide>, Option<Result<Allowed>>),
    /// It looks for what is allowed next.
    Away,
    /// Its thread panicked, or it was not answered and is gone.
    Lost,
}

#[derive(Debug)]
struct Worker {
    questions: SyncSender<Question>,
    answers: Receiver<Answer>,
}

/// A guide, and whether the text may end.
type Question = (Box<Guide>, bool);

/// The guide, what it allows, and how long that took.
type Answer = (Box<Guide>, Result<Allowed>, Duration);

impl Scout {
    pub(crate) fn new(guide: Guide) -> Self {
        Self { place: Place::Here(Box::new(guide), None), worker: None }
    }

    /// Begins to find out which tokens may come next, where that is not known and not under way. `took` is told how long it
    /// took, where it is found at once for want of a thread.
    pub(crate) fn ask(&mut self, may_end: bool, took: impl FnOnce(Duration)) {
        let (guide, known) = match std::mem::replace(&mut self.place, Place::Away) {
            Place::Here(guide, known) => (guide, known),
            other => {
                self.place = other;
                return;
            }
        };
        if known.is_some() {
            self.place = Place::Here(guide, known);
            return;
        }
        if self.worker.is_none() {
            self.worker = Worker::start();
        }
        let guide = match &self.worker {
            None => guide,
            Some(worker) => match worker.questions.send((guide, may_end)) {
                Ok(()) => return,
                // It has panicked.
                Err(_) => {
                    self.place = Place::Lost;
                    return;
                }
            },
        };
        let (guide, allowed, spent) = answer((guide, may_end));
        took(spent);
        self.place = Place::Here(guide, Some(allowed));
    }

    /// Whether it is known which tokens may come next, at `until` at the latest. `took` is told how long it took to find.
    pub(crate) fn answered(&mut self, until: Instant, took: impl FnOnce(Duration)) -> bool {
        if let (Place::Away, Some(worker)) = (&self.place, &self.worker) {
            match worker.answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((guide, allowed, spent)) => {
                    took(spent);
                    self.place = Place::Here(guide, Some(allowed));
                }
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => self.place = Place::Lost,
            }
        }
        true
    }

    /// Which tokens may come next; it was asked and has answered.
    ///
    /// # Errors
    /// Those of [`Guide::allowed`].
    pub(crate) fn allowed(&mut self) -> Result<Allowed> {
        match &mut self.place {
            Place::Here(_, known) => known.take().unwrap_or_else(|| Err(lost())),
            Place::Away | Place::Lost => Err(lost()),
        }
    }

    /// Goes on by a token. Returns whether nothing can come after it.
    ///
    /// # Errors
    /// Those of [`Guide::accept`].
    pub(crate) fn accept(&mut self, token: u32) -> Result<bool> {
        match &mut self.place {
            Place::Here(guide, _) => guide.accept(token),
            Place::Away | Place::Lost => Err(lost()),
        }
    }
}

fn lost() -> BackendError {
    BackendError::internal("the guide of a constraint did not answer")
}

impl Worker {
    /// `None` where no thread can be had.
    fn start() -> Option<Self> {
        // One question is under way at a time.
        let (questions, asked) = sync_channel::<Question>(1);
        let (answered, answers) = sync_channel::<Answer>(1);
        let work = move || {
            for question in asked {
                if answered.send(answer(question)).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().name("guide".to_owned()).spawn(work).ok()?;
        Some(Self { questions, answers })
    }
}

fn answer((mut guide, may_end): Question) -> Answer {
    let begun = Instant::now();
    let allowed = guide.allowed(may_end);
    (guide, allowed, begun.elapsed())
}
