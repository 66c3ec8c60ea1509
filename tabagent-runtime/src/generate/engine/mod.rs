//! The engine: one thread for each loaded decoder, which owns its session and runs continuous batching.
//!
//! Between two steps sequences join and leave. A step decodes one token for every sequence that is beyond its prompt, and
//! from time to time reads a part of the prompt that is to be read. Reading gets as much time as decoding, and more where more
//! wait for it (`step`).

mod room;
mod step;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use ort::session::RunOptions;

use super::{
    decoder::Decoder,
    metrics::{Counters, LastGeneration},
    queue::Queue,
    rows::Rows,
    sequence::Sequence,
};
use crate::{error::BackendError, tokenizer::Tokenizer};

/// What an engine may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Sequences that run side by side.
    pub(crate) rows: usize,
    /// Most tokens of a prompt that are read at once.
    pub(crate) part: usize,
    /// Bytes of the cache.
    pub(crate) cache_bytes: u64,
    /// Tokens of one sequence.
    pub(crate) context: usize,
}

/// The engine of one decoder.
pub(crate) struct Engine {
    decoder: Decoder,
    tokenizer: Arc<Tokenizer>,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    limits: Limits,
    run: RunOptions,
    rows: Rows,
    /// Counts steps, to tell which row was used last.
    clock: u64,
    /// Decoding steps until the next part of a prompt is read, as long as somebody decodes.
    pause: u32,
    /// Seconds of a decoding step and of reading one token, moving means.
    step_seconds: f64,
    token_seconds: f64,
    /// Token ids and lengths of a step, kept for their memory.
    ids: Vec<u32>,
    lengths: Vec<usize>,
}

impl Engine {
    pub(crate) fn new(
        decoder: Decoder,
        tokenizer: Arc<Tokenizer>,
        queue: Arc<Queue>,
        counters: Arc<Counters>,
        limits: Limits,
        run: RunOptions,
    ) -> Self {
        Self {
            decoder,
            tokenizer,
            queue,
            counters,
            limits,
            run,
            rows: Rows::default(),
            clock: 0,
            pause: 0,
            step_seconds: 0.0,
            token_seconds: 0.0,
            ids: Vec::new(),
            lengths: Vec::new(),
        }
    }

    /// Runs until the queue is closed and empty. The calling thread is the model's own.
    pub(crate) fn serve(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.turn())).unwrap_or_else(|_| {
            self.fail_all(&BackendError::internal("the engine panicked while it generated"));
            true
        }) {}
        // The counters stay when the model goes.
        self.counters.cache(0);
    }

    /// Admits what there is room for and runs one step; waits where there is nothing to do. Returns whether to go on.
    fn turn(&mut self) -> bool {
        self.clock += 1;
        self.queue.step(None);
        if let Some(error) = self.queue.aborted() {
            self.fail_all(&error);
        }
        self.sweep();
        while !self.rows.reading && self.rows.active() < self.limits.rows {
            let Some(sequence) = self.queue.take(self.rows.active() == 0) else { break };
            if let Some(sequence) = self.begin(sequence) {
                self.queue.put_back(sequence);
                break;
            }
        }
        if self.rows.active() == 0 {
            return !self.queue.ended();
        }
        self.queue.step(Some(Instant::now()));
        if self.rows.reading && (self.pause == 0 || self.rows.decoding == 0) {
            self.read();
        }
        if self.rows.decoding > 0 {
            self.decode();
            self.pause = self.pause.saturating_sub(1);
        }
        self.counters.cache(self.decoder.cache_bytes());
        true
    }

    /// Lets go of sequences that nobody waits for.
    fn sweep(&mut self) {
        let now = Instant::now();
        let over = |sequence: &Sequence| {
            let job = &sequence.job;
            job.abandoned() || job.stopped.load(Relaxed) || job.deadline <= now
        };
        for mut sequence in self.queue.sweep(over) {
            self.dismiss(&mut sequence);
        }
        for index in (0..self.rows.active()).rev() {
            if self.rows.all[index].sequence.as_ref().is_some_and(over)
                && let Some(mut sequence) = self.release(index)
            {
                self.dismiss(&mut sequence);
                self.queue.done();
            }
        }
    }

    /// Ends a sequence that is to end before its time.
    fn dismiss(&self, sequence: &mut Sequence) {
        if sequence.job.abandoned() {
            self.counters.cancelled();
        } else if sequence.job.stopped.load(Relaxed) {
            self.counters.cancelled();
            sequence.stop();
        } else {
            let seconds = (sequence.job.deadline - sequence.job.since).as_secs_f64();
            self.counters.timed_out();
            sequence.job.fail(BackendError::GenerationTimeout { seconds });
        }
    }

    /// Gives a sequence the row after those that decode. Returns it where there is no room for it now.
    fn begin(&mut self, mut sequence: Sequence) -> Option<Sequence> {
        let place = self.rows.decoding;
        // Rows that grow by themselves grow while it reads.
        let beside = if self.decoder.grows() { self.rows.decoding } else { 0 };
        if !self.make_room(place + 1, sequence.tokens.len() + 1 + beside) {
            if self.rows.active() == 0 {
                // Nothing else holds memory: it will never fit.
                let required = self.bytes(1, sequence.tokens.len() + 1);
                sequence.job.fail(BackendError::OutOfMemory { required, available: self.limits.cache_bytes });
                self.counters.failed();
                self.queue.done();
                return None;
            }
            return Some(sequence);
        }
        // Of the last token the logits are needed, so it is always read.
        let most = sequence.tokens.len() - 1;
        let found = self.rows.longest_prefix(&sequence.tokens).map(|(row, length)| (row, length.min(most)));
        let kept = match found {
            Some((row, length)) if self.rows.all[row].sequence.is_none() => {
                self.swap(row, place);
                length
            }
            Some((row, length)) => {
                self.clear_for(place);
                match self.decoder.copy(row, place, length) {
                    Ok(()) => length,
                    Err(error) => {
                        tracing::warn!(%error, "a prompt's beginning could not be copied");
                        0
                    }
                }
            }
            None => {
                self.clear_for(place);
                0
            }
        };
        if sequence.cached.is_none() {
            sequence.cached = Some(kept);
            self.counters.begun(sequence.job.since.elapsed(), sequence.prompt, kept);
        }
        let row = &mut self.rows.all[place];
        row.tokens.clear();
        row.tokens.extend_from_slice(&sequence.tokens[..kept]);
        // While the prompt is read, its constraint is looked at.
        sequence.look_ahead(&self.counters);
        row.sequence = Some(sequence);
        row.used = self.clock;
        self.rows.reading = true;
        None
    }

    /// Puts the idle row that was not used for longest at `place`.
    fn clear_for(&mut self, place: usize) {
        if let Some(oldest) = self.rows.oldest_idle() {
            self.swap(oldest, place);
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        if a != b {
            let length = self.rows.all[a].tokens.len().max(self.rows.all[b].tokens.len());
            self.decoder.swap(a, b, length);
            self.rows.all.swap(a, b);
        }
    }

    /// Ends the sequence in a row, which told its end already.
    fn end(&mut self, index: usize) {
        if let Some(sequence) = self.release(index) {
            self.note(&sequence);
            self.queue.done();
        }
    }

    /// Ends the sequence in a row with an error.
    fn fail(&mut self, index: usize, error: &BackendError) {
        if let Some(sequence) = self.release(index) {
            tracing::warn!(%error, request_id = &*sequence.job.id, "a generation failed while it ran");
            self.counters.failed();
            sequence.job.fail(error.clone());
            self.queue.done();
        }
    }

    /// Ends everything that runs.
    fn fail_all(&mut self, error: &BackendError) {
        for index in (0..self.rows.active()).rev() {
            self.fail(index, error);
        }
        for index in 0..self.rows.all.len() {
            self.forget(index);
        }
    }

    /// Takes a sequence out of its row. The row keeps its tokens behind those that are in use.
    fn release(&mut self, index: usize) -> Option<Sequence> {
        let sequence = self.rows.all[index].sequence.take()?;
        if index < self.rows.decoding {
            let last = self.rows.decoding - 1;
            self.swap(index, last);
            if self.rows.reading {
                self.swap(last, last + 1);
            }
            self.rows.decoding = last;
        } else {
            self.rows.reading = false;
        }
        Some(sequence)
    }

    fn note(&self, sequence: &Sequence) {
        let took = sequence.job.since.elapsed();
        let output = sequence.tokens.len() - sequence.prompt;
        let first = sequence.first.map_or(took, |first| first - sequence.job.since);
        let rest = (took.saturating_sub(first)).as_secs_f64();
        self.counters.ended(
            took,
            LastGeneration {
                ended: Instant::now(),
                time_to_first_token: first.as_secs_f64(),
                tokens_per_second: if rest > 0.0 { output.saturating_sub(1) as f64 / rest } else { 0.0 },
                input_tokens: sequence.prompt as u64,
                output_tokens: output as u64,
                cached_tokens: sequence.cached.unwrap_or(0) as u64,
            },
        );
    }
}
