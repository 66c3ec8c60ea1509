//! Fetching files: ranges over several connections, taken up again where they broke.
//!
//! Each connection has two threads. One waits for the network and hands on what comes; the other one writes it and is never
//! away for long, so that a pull can be paused or cancelled while a server says nothing.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use super::{
    checksum::Checksum,
    client::{Client, Failure, backoff},
    connection::{Message, check_head, read},
    folder::unusable,
    options::HubOptions,
    part::{Part, Range, write_at},
};
use crate::error::BackendError;

/// Longest range of one request.
const SEGMENT: u64 = 16 << 20;
/// Bytes after which the journal is told.
const RECORD: u64 = 128 << 10;
/// How often a wait looks whether it is still wanted.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// What is to become of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It goes on.
    Run,
    /// It ends and what has come stays.
    Pause,
    /// It ends and what has come goes.
    Cancel,
}

/// The wish that holds, for everybody who works on a pull.
#[derive(Debug, Default)]
pub(crate) struct Control(AtomicU8);

impl Control {
    pub(crate) fn wish(&self) -> Wish {
        match self.0.load(Relaxed) {
            0 => Wish::Run,
            1 => Wish::Pause,
            _ => Wish::Cancel,
        }
    }

    pub(crate) fn set(&self, wish: Wish) {
        self.0.store(wish as u8, Relaxed);
    }

    pub(crate) fn runs(&self) -> bool {
        self.wish() == Wish::Run
    }

    /// Waits; `false` where the pull is to end.
    fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while self.runs() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(POLL));
        }
        false
    }
}

/// Why a pull ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody wished it.
    Told,
    /// It failed.
    Failed(BackendError),
}

impl From<BackendError> for Stop {
    fn from(error: BackendError) -> Self {
        Self::Failed(error)
    }
}

/// Tries until an answer comes, as often as the options say.
pub(crate) fn persist<T>(
    options: &HubOptions,
    control: &Control,
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Stop> {
    let mut failures = 0;
    loop {
        let failure = match attempt() {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        failures += 1;
        let Failure::Temporary { reason, after, .. } = &failure else {
            return Err(Stop::Failed(failure.into_error(failures)));
        };
        if failures > options.retries {
            return Err(Stop::Failed(failure.into_error(failures)));
        }
        tracing::debug!(reason, failures, "the hub is asked again");
        if !control.wait(backoff(failures, *after)) {
            return Err(Stop::Told);
        }
    }
}

/// A file that is fetched.
pub(crate) struct Blob {
    /// What it is called in messages.
    pub(crate) path: String,
    /// Its address at the hub.
    pub(crate) url: String,
    pub(crate) commit: String,
    pub(crate) checksum: Checksum,
    pub(crate) size: u64,
    pub(crate) part: Mutex<Option<Part>>,
    pub(crate) data: PathBuf,
    /// Whether nothing of it comes from an earlier process, whose disk may have lost something.
    pub(crate) fresh: bool,
    /// Where the hub led to last.
    pub(crate) location: Mutex<Option<String>>,
    /// Bytes that are there, for those who watch.
    pub(crate) done: std::sync::Arc<AtomicU64>,
}

struct Segment {
    blob: usize,
    range: Range,
}

/// The work that is left, and how it ended.
struct Work {
    segments: VecDeque<Segment>,
    /// Segments of each blob that are not done.
    open: Vec<usize>,
    stop: Option<Stop>,
}

/// Fetches all of `blobs`, and hands each to `finish` once all of its bytes are there, on one of several threads.
pub(crate) fn fetch(
    client: &Client,
    blobs: &[Blob],
    options: &HubOptions,
    control: &Control,
    finish: impl Fn(&Blob) -> Result<(), Stop> + Sync,
) -> Result<(), Stop> {
    let mut work = Work { segments: VecDeque::new(), open: vec![0; blobs.len()], stop: None };
    for (index, blob) in blobs.iter().enumerate() {
        let missing = lock(&blob.part).as_ref().map(Part::missing).unwrap_or_default();
        for (mut from, to) in missing {
            while from < to {
                let end = to.min(from + SEGMENT);
                work.segments.push_back(Segment { blob: index, range: (from, end) });
                if let Some(open) = work.open.get_mut(index) {
                    *open += 1;
                }
                from = end;
            }
        }
        if work.open.get(index) == Some(&0) {
            finish(blob)?;
        }
    }
    let connections = options.connections.clamp(1, 64).min(work.segments.len());
    let work = Mutex::new(work);
    std::thread::scope(|scope| {
        for _ in 0..connections {
            let worker = Worker { client, blobs, options, control, work: &work };
            let finish = &finish;
            let spawned = std::thread::Builder::new()
                .name("pull".to_owned())
                .spawn_scoped(scope, move || worker.run(finish));
            if let Err(error) = spawned {
                let error = BackendError::internal(format!("no thread for a pull: {error}"));
                lock(&work).stop.get_or_insert(Stop::Failed(error));
            }
        }
    });
    let work = work.into_inner().unwrap_or_else(PoisonError::into_inner);
    match work.stop {
        Some(stop) => Err(stop),
        None if !control.runs() => Err(Stop::Told),
        None => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection.
struct Worker<'a> {
    client: &'a Client,
    blobs: &'a [Blob],
    options: &'a HubOptions,
    control: &'a Control,
    work: &'a Mutex<Work>,
}

/// How the transfer of a segment ended.
enum Broken {
    Stop(Stop),
    Failure(Failure),
}

impl Worker<'_> {
    fn run(&self, finish: &(impl Fn(&Blob) -> Result<(), Stop> + Sync)) {
        let mut failures = 0;
        while let Some(mut segment) = self.next() {
            let Some(blob) = self.blobs.get(segment.blob) else { return };
            let before = segment.range.0;
            let outcome = self.transfer(blob, &mut segment.range);
            if segment.range.0 > before {
                failures = 0;
            }
            let stop = match outcome {
                Ok(()) => {
                    let whole = {
                        let mut work = lock(self.work);
                        work.open.get_mut(segment.blob).is_some_and(|open| {
                            *open -= 1;
                            *open == 0
                        })
                    };
                    if whole { finish(blob).err() } else { None }
                }
                Err(Broken::Stop(stop)) => Some(stop),
                Err(Broken::Failure(failure)) => {
                    failures += 1;
                    self.again(blob, segment, failure, failures)
                }
            };
            if let Some(stop) = stop {
                lock(self.work).stop.get_or_insert(stop);
                return;
            }
        }
    }

    fn next(&self) -> Option<Segment> {
        let mut work = lock(self.work);
        if work.stop.is_some() || !self.control.runs() { None } else { work.segments.pop_front() }
    }

    /// Waits before the next try of a segment whose transfer broke, and puts it back.
    fn again(&self, blob: &Blob, segment: Segment, failure: Failure, failures: u32) -> Option<Stop> {
        let (reason, after) = match &failure {
            Failure::Final(_) => return Some(Stop::Failed(failure.into_error(failures))),
            Failure::Expired(reason) => {
                *lock(&blob.location) = None;
                (reason, None)
            }
            Failure::Temporary { reason, after, .. } => (reason, *after),
        };
        if failures > self.options.retries {
            let failure = match failure {
                Failure::Temporary { reason, after, limited } => {
                    Failure::Temporary { reason: format!("{}: {reason}", blob.path), after, limited }
                }
                other => other,
            };
            return Some(Stop::Failed(failure.into_error(failures)));
        }
        tracing::debug!(file = blob.path, reason, failures, "a part of a file is asked for again");
        if !self.control.wait(backoff(failures, after)) {
            return Some(Stop::Told);
        }
        lock(self.work).segments.push_front(segment);
        None
    }

    /// Fetches a range; what has come of it is taken off its begin, also where it breaks.
    fn transfer(&self, blob: &Blob, range: &mut Range) -> Result<(), Broken> {
        let known = lock(&blob.location).clone();
        let messages = read(self.client, known.as_deref().unwrap_or(&blob.url), *range);
        let messages = messages.map_err(|error| Broken::Stop(Stop::Failed(error)))?;
        let failed = |failure: Failure| Err(Broken::Failure(failure));
        match self.next_message(&messages, self.options.connect + self.options.stall) {
            Ok(Message::Head(head)) => {
                check_head(blob, *range, &head, known.is_none()).or_else(failed)?;
                if known.is_none() && head.url != blob.url {
                    *lock(&blob.location) = Some(head.url);
                }
            }
            Ok(Message::Failed(failure)) => return failed(failure),
            Ok(Message::Bytes(_)) => return failed(Failure::temporary("a body without a head")),
            Err(broken) => return Err(broken),
        }
        let write_failed = |error: std::io::Error| Broken::Stop(Stop::Failed(unusable(&blob.data, &error)));
        let mut file = OpenOptions::new().write(true).open(&blob.data).map_err(write_failed)?;
        let mut told = range.0;
        let outcome = loop {
            if range.0 == range.1 {
                break Ok(());
            }
            match self.next_message(&messages, self.options.stall) {
                Ok(Message::Bytes(bytes)) if bytes.is_empty() => {
                    break failed(Failure::temporary(format!(
                        "{} ends {} bytes before its end",
                        blob.path,
                        range.1 - range.0
                    )));
                }
                Ok(Message::Bytes(bytes)) => {
                    let left = usize::try_from(range.1 - range.0).unwrap_or(usize::MAX);
                    let bytes = bytes.get(..left).unwrap_or(&bytes);
                    if let Err(error) = self.write(blob, &mut file, range, bytes, &mut told) {
                        break Err(write_failed(error));
                    }
                }
                Ok(Message::Failed(failure)) => break failed(failure),
                Ok(Message::Head(_)) => break failed(Failure::temporary("a second head")),
                Err(broken) => break Err(broken),
            }
        };
        // What has come counts, however it ended.
        self.record(blob, (told, range.0)).map_err(write_failed)?;
        outcome
    }

    fn write(
        &self,
        blob: &Blob,
        file: &mut File,
        range: &mut Range,
        bytes: &[u8],
        told: &mut u64,
    ) -> std::io::Result<()> {
        write_at(file, range.0, bytes)?;
        range.0 += bytes.len() as u64;
        blob.done.fetch_add(bytes.len() as u64, Relaxed);
        if range.0 - *told >= RECORD {
            self.record(blob, (*told, range.0))?;
            *told = range.0;
        }
        Ok(())
    }

    fn record(&self, blob: &Blob, range: Range) -> std::io::Result<()> {
        lock(&blob.part).as_mut().map_or(Ok(()), |part| part.record(range))
    }

    /// The next message of a connection, unless it says nothing for `patience`, or the pull is to end.
    fn next_message(&self, messages: &Receiver<Message>, patience: Duration) -> Result<Message, Broken> {
        let end = Instant::now() + patience;
        loop {
            if !self.control.runs() || lock(self.work).stop.is_some() {
                return Err(Broken::Stop(Stop::Told));
            }
            match messages.recv_timeout(POLL) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout) => {
                    let reason = format!("stalled: nothing arrived for {} seconds", patience.as_secs_f64());
                    return Err(Broken::Failure(Failure::temporary(reason)));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Broken::Failure(Failure::temporary("the reading thread ended early")));
                }
            }
        }
    }
}
