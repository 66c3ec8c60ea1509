//! Counters of one model's engine, and the same as plain data.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde::Serialize;

/// Upper bounds of times, in seconds.
pub const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Upper bounds of rows in a batch.
pub const ROWS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
/// Upper bounds of the share of padding among a batch's tokens.
pub const SHARE: &[f64] = &[0.0, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75];

/// A histogram that any thread may add to.
#[derive(Debug)]
pub(crate) struct Recorder {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    /// Sum in millionths, so that it can be added to without a lock.
    micros: AtomicU64,
}

/// A histogram: how many observations fell under each bound.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// Upper bounds, ascending; one more bucket holds what is above the last.
    pub bounds: &'static [f64],
    /// Observations a bucket, not cumulated; one longer than `bounds`.
    pub counts: Vec<u64>,
    /// Sum of all observations.
    pub sum: f64,
}

impl Recorder {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            micros: AtomicU64::new(0),
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Observations are positive and small.
    pub(crate) fn observe(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.micros.fetch_add((value * 1e6) as u64, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Histogram {
        Histogram {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Relaxed)).collect(),
            sum: self.micros.load(Relaxed) as f64 / 1e6,
        }
    }
}

impl Histogram {
    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Counters of one model.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) texts: AtomicU64,
    pub(crate) tokens: AtomicU64,
    pub(crate) padding: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) truncated: AtomicU64,
    pub(crate) queue_wait: Recorder,
    pub(crate) inference: Recorder,
    pub(crate) batch_rows: Recorder,
    pub(crate) padding_share: Recorder,
    /// Texts a second of recent batches, as the bits of an `f64`.
    rate: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            texts: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            padding: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
            queue_wait: Recorder::new(SECONDS),
            inference: Recorder::new(SECONDS),
            batch_rows: Recorder::new(ROWS),
            padding_share: Recorder::new(SHARE),
            rate: AtomicU64::new(0),
        }
    }
}

impl Counters {
    /// Notes a batch that ran: its rows, their tokens, the tokens computed, and how long it took.
    pub(crate) fn ran(&self, rows: usize, tokens: usize, padded: usize, took: Duration) {
        let padding = padded.saturating_sub(tokens);
        self.batches.fetch_add(1, Relaxed);
        self.texts.fetch_add(rows as u64, Relaxed);
        self.tokens.fetch_add(tokens as u64, Relaxed);
        self.padding.fetch_add(padding as u64, Relaxed);
        self.batch_rows.observe(rows as f64);
        self.padding_share.observe(padding as f64 / padded.max(1) as f64);
        self.inference.observe(took.as_secs_f64());
        // A moving mean over about sixteen batches. Only the engine's thread writes it.
        let now = rows as f64 / took.as_secs_f64().max(1e-6);
        let before = f64::from_bits(self.rate.load(Relaxed));
        let rate = if before > 0.0 { before + (now - before) / 16.0 } else { now };
        self.rate.store(rate.to_bits(), Relaxed);
    }

    /// How long `texts` texts will take at the recent rate: between one second and a minute.
    pub(crate) fn wait_for(&self, texts: usize) -> Duration {
        let rate = f64::from_bits(self.rate.load(Relaxed));
        let seconds = if rate > 0.0 { texts as f64 / rate } else { 1.0 };
        Duration::from_secs_f64(seconds.ceil().clamp(1.0, 60.0))
    }

    pub(crate) fn snapshot(&self, model: &str, waiting: usize) -> ModelMetrics {
        ModelMetrics {
            model: model.to_owned(),
            waiting: waiting as u64,
            requests: self.requests.load(Relaxed),
            texts: self.texts.load(Relaxed),
            tokens: self.tokens.load(Relaxed),
            padding: self.padding.load(Relaxed),
            batches: self.batches.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            failed: self.failed.load(Relaxed),
            truncated: self.truncated.load(Relaxed),
            queue_wait: self.queue_wait.snapshot(),
            inference: self.inference.snapshot(),
            batch_rows: self.batch_rows.snapshot(),
            padding_share: self.padding_share.snapshot(),
        }
    }
}

/// What one model's engine did since the process began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelMetrics {
    /// Id of the model.
    pub model: String,
    /// Texts admitted that have not begun to run: a gauge.
    pub waiting: u64,
    /// Requests admitted.
    pub requests: u64,
    /// Texts that ran.
    pub texts: u64,
    /// Tokens of those texts, padding not counted.
    pub tokens: u64,
    /// Padding tokens computed beside them.
    pub padding: u64,
    /// Batches that ran.
    pub batches: u64,
    /// Requests refused because the queue was full.
    pub rejected: u64,
    /// Requests whose caller went away before the answer.
    pub cancelled: u64,
    /// Requests whose deadline passed.
    pub timeouts: u64,
    /// Requests that failed while running.
    pub failed: u64,
    /// Texts that were cut to the model's length, as their request allowed.
    pub truncated: u64,
    /// Seconds between admission and the start of the batch, a text.
    pub queue_wait: Histogram,
    /// Seconds a batch.
    pub inference: Histogram,
    /// Texts a batch.
    pub batch_rows: Histogram,
    /// Share of padding among the tokens computed, a batch.
    pub padding_share: Histogram,
}
