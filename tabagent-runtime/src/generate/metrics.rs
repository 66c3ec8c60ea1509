//! Counters of one decoder's engine, and the same as plain data.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::queue::patience;
use crate::embed::metrics::{Histogram, ROWS, Recorder, SECONDS};

/// Counters of one decoder.
#[derive(Debug)]
pub(crate) struct Counters {
    requests: AtomicU64,
    sequences: AtomicU64,
    rejected: AtomicU64,
    cancelled: AtomicU64,
    timeouts: AtomicU64,
    failed: AtomicU64,
    ended: AtomicU64,
    preempted: AtomicU64,
    cache_bytes: AtomicU64,
    tokens_in: AtomicU64,
    tokens_out: AtomicU64,
    tokens_cached: AtomicU64,
    queue_wait: Recorder,
    first_token: Recorder,
    inter_token: Recorder,
    batch_rows: Recorder,
    step: Recorder,
    choosing: Recorder,
    prefill: Recorder,
    guide: Recorder,
    /// Seconds of a whole sequence, a moving mean.
    duration: Mutex<f64>,
    last: Mutex<Option<LastGeneration>>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            sequences: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            preempted: AtomicU64::new(0),
            cache_bytes: AtomicU64::new(0),
            tokens_in: AtomicU64::new(0),
            tokens_out: AtomicU64::new(0),
            tokens_cached: AtomicU64::new(0),
            queue_wait: Recorder::new(SECONDS),
            first_token: Recorder::new(SECONDS),
            inter_token: Recorder::new(SECONDS),
            batch_rows: Recorder::new(ROWS),
            step: Recorder::new(SECONDS),
            choosing: Recorder::new(SECONDS),
            prefill: Recorder::new(SECONDS),
            guide: Recorder::new(SECONDS),
            duration: Mutex::new(0.0),
            last: Mutex::new(None),
        }
    }
}

/// One sequence that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastGeneration {
    /// When it ended.
    pub ended: Instant,
    /// Seconds from admission to the first token.
    pub time_to_first_token: f64,
    /// Tokens a second after the first one.
    pub tokens_per_second: f64,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens that were generated.
    pub output_tokens: u64,
    /// Tokens of the prompt that were kept from before.
    pub cached_tokens: u64,
}

impl Counters {
    /// A request with so many sequences was admitted.
    pub(crate) fn admitted(&self, sequences: usize) {
        self.requests.fetch_add(1, Relaxed);
        self.sequences.fetch_add(sequences as u64, Relaxed);
    }

    pub(crate) fn rejected(&self) {
        self.rejected.fetch_add(1, Relaxed);
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    pub(crate) fn timed_out(&self) {
        self.timeouts.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    pub(crate) fn preempted(&self) {
        self.preempted.fetch_add(1, Relaxed);
    }

    /// Bytes that the cache takes.
    pub(crate) fn cache_bytes(&self) -> u64 {
        self.cache_bytes.load(Relaxed)
    }

    /// The cache takes so many bytes now.
    pub(crate) fn cache(&self, bytes: u64) {
        self.cache_bytes.store(bytes, Relaxed);
    }

    /// A sequence began to read its prompt.
    pub(crate) fn begun(&self, waited: Duration, prompt: usize, cached: usize) {
        self.queue_wait.observe(waited.as_secs_f64());
        self.tokens_in.fetch_add(prompt as u64, Relaxed);
        self.tokens_cached.fetch_add(cached as u64, Relaxed);
    }

    /// A part of a prompt was read.
    pub(crate) fn read(&self, took: Duration) {
        self.prefill.observe(took.as_secs_f64());
    }

    /// What a constraint allows was computed for one token.
    pub(crate) fn guided(&self, took: Duration) {
        self.guide.observe(took.as_secs_f64());
    }

    /// A sequence's first token came.
    pub(crate) fn first(&self, since: Duration) {
        self.first_token.observe(since.as_secs_f64());
        self.tokens_out.fetch_add(1, Relaxed);
    }

    /// A further token came.
    pub(crate) fn further(&self, after: Duration) {
        self.inter_token.observe(after.as_secs_f64());
        self.tokens_out.fetch_add(1, Relaxed);
    }

    /// Rows decoded together. Of what the step took, `choosing` came after the logits.
    pub(crate) fn step(&self, rows: usize, took: Duration, choosing: Duration) {
        self.batch_rows.observe(rows as f64);
        self.step.observe(took.as_secs_f64());
        self.choosing.observe(choosing.as_secs_f64());
    }

    /// A sequence ended by itself, `took` after its admission.
    pub(crate) fn ended(&self, took: Duration, last: LastGeneration) {
        self.ended.fetch_add(1, Relaxed);
        let mut duration = self.duration.lock().unwrap_or_else(PoisonError::into_inner);
        let now = took.as_secs_f64();
        *duration = if *duration > 0.0 { *duration + (now - *duration) / 16.0 } else { now };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// How long `waiting` sequences will take while `running` run side by side.
    pub(crate) fn wait_for(&self, waiting: usize, running: usize) -> Duration {
        let duration = *self.duration.lock().unwrap_or_else(PoisonError::into_inner);
        patience(duration * waiting as f64 / running.max(1) as f64)
    }

    pub(crate) fn snapshot(&self, model: &str, waiting: usize, running: usize) -> GenerationMetrics {
        GenerationMetrics {
            model: model.to_owned(),
            waiting: waiting as u64,
            running: running as u64,
            cache_bytes: self.cache_bytes.load(Relaxed),
            requests: self.requests.load(Relaxed),
            sequences: self.sequences.load(Relaxed),
            ended: self.ended.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            failed: self.failed.load(Relaxed),
            preempted: self.preempted.load(Relaxed),
            input_tokens: self.tokens_in.load(Relaxed),
            output_tokens: self.tokens_out.load(Relaxed),
            cached_tokens: self.tokens_cached.load(Relaxed),
            queue_wait: self.queue_wait.snapshot(),
            time_to_first_token: self.first_token.snapshot(),
            inter_token: self.inter_token.snapshot(),
            batch_rows: self.batch_rows.snapshot(),
            step: self.step.snapshot(),
            choosing: self.choosing.snapshot(),
            prefill: self.prefill.snapshot(),
            guide: self.guide.snapshot(),
            last: *self.last.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// What one decoder's engine did since the process began.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationMetrics {
    /// Id of the model.
    pub model: String,
    /// Sequences that wait: a gauge.
    pub waiting: u64,
    /// Sequences that are being generated: a gauge.
    pub running: u64,
    /// Bytes of the cache that are taken, by what ended sequences left as well: a gauge.
    pub cache_bytes: u64,
    /// Requests admitted.
    pub requests: u64,
    /// Their sequences. Each of them ends by itself, is cancelled, passes its deadline or fails.
    pub sequences: u64,
    /// Sequences that ended by themselves.
    pub ended: u64,
    /// Requests refused because the queue was full.
    pub rejected: u64,
    /// Sequences whose caller went away, or that somebody stopped.
    pub cancelled: u64,
    /// Sequences whose deadline passed.
    pub timeouts: u64,
    /// Sequences that failed while running.
    pub failed: u64,
    /// Times that a sequence gave its row to others and waited again.
    pub preempted: u64,
    /// Tokens of the prompts.
    pub input_tokens: u64,
    /// Tokens that were generated.
    pub output_tokens: u64,
    /// Tokens of the prompts that were kept from before.
    pub cached_tokens: u64,
    /// Seconds between admission and the first part of the prompt.
    pub queue_wait: Histogram,
    /// Seconds between admission and the first token.
    pub time_to_first_token: Histogram,
    /// Seconds between two tokens of a sequence.
    pub inter_token: Histogram,
    /// Sequences that decoded together, a step.
    pub batch_rows: Histogram,
    /// Seconds a decoding step.
    pub step: Histogram,
    /// Seconds of a decoding step in which tokens are chosen, turned to text and told.
    pub choosing: Histogram,
    /// Seconds a part of a prompt.
    pub prefill: Histogram,
    /// Seconds to find which tokens a constraint allows, a token.
    pub guide: Histogram,
    /// The sequence that ended last.
    pub last: Option<LastGeneration>,
}
