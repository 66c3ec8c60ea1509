//! The engine: one thread for each loaded decoder, which owns its session and runs continuous batching.
//!
//! Between two steps sequences join and leave. A step reads one part of one prompt, where a prompt waits to be read, and
//! decodes one token for every sequence that is beyond its prompt. A part is as long as takes about the time of one
//! decoding step, so that running streams keep flowing.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Instant,
};

use ort::session::RunOptions;

use super::{
    decoder::Decoder,
    metrics::{Counters, LastGeneration},
    queue::Queue,
    rows::{Row, Rows},
    sequence::{FinishReason, Sequence},
};
use crate::{
    error::{BackendError, Result},
    tokenizer::Tokenizer,
};

/// What an engine may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Sequences that run side by side.
    pub(crate) rows: usize,
    /// Bytes of the cache.
    pub(crate) cache_bytes: u64,
    /// Tokens of one sequence.
    pub(crate) context: usize,
}

/// Tokens for which a row first has room.
const FIRST_CAPACITY: usize = 256;
/// Most tokens of one part of a prompt.
const LARGEST_PART: usize = 512;
/// Least tokens of one part, while others decode.
const LEAST_PART: usize = 16;

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
        if self.rows.reading {
            self.read();
        }
        if self.rows.decoding > 0 {
            self.decode();
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

    /// Bytes of a cache of this size.
    fn bytes(&self, rows: usize, capacity: usize) -> u64 {
        self.decoder.token_bytes().saturating_mul((rows as u64).saturating_mul(capacity as u64))
    }

    /// Makes room for `rows` rows of `tokens` tokens. What rows hold without a sequence is given up for it where the
    /// budget demands it. Returns whether there is room. Where rows grow by themselves, `tokens` is what they grow by.
    fn make_room(&mut self, rows: usize, tokens: usize) -> bool {
        if self.decoder.grows() {
            return self.make_room_by_tokens(rows, tokens);
        }
        let have = self.rows.all.len();
        let active = self.rows.active();
        let longest = self.rows.all[..active].iter().map(|row| row.tokens.len() + 1).max().unwrap_or(0);
        let needed = longest.max(tokens);
        // What an ended sequence left is worth keeping, so rows are added before they are reused.
        let unused = self.rows.all[active..].iter().any(|row| row.tokens.is_empty());
        let wished = if unused { have } else { (2 * have).clamp(1, self.limits.rows) }.max(rows);
        // As it is, where that suffices; else doubled; else, or where a longer sequence has left, just enough.
        let doubled = needed.next_power_of_two().max(FIRST_CAPACITY).min(self.limits.context);
        let enough = needed.next_multiple_of(64).min(self.limits.context);
        let sizes = [self.decoder.capacity(), doubled, enough];
        let fits = |count: usize, capacity: usize| self.bytes(count, capacity) <= self.limits.cache_bytes;
        let found = sizes.into_iter().filter(|capacity| *capacity >= needed).find_map(|capacity| {
            (rows..=wished).rev().find(|count| fits(*count, capacity)).map(|count| (count, capacity))
        });
        let Some((count, capacity)) = found else { return false };
        if (count, capacity) != (self.decoder.rows(), self.decoder.capacity()) {
            // Where rows are let go, those that were used last stay.
            for place in active..count.min(have) {
                let latest = (place..have).max_by_key(|index| self.rows.all[*index].used);
                self.swap(latest.unwrap_or(place), place);
            }
            self.rows.all.resize_with(count, Row::default);
            for row in &mut self.rows.all {
                row.tokens.truncate(capacity);
            }
            self.decoder.resize(count, capacity, &self.rows.lengths());
        }
        true
    }

    /// [`Engine::make_room`] where a row takes memory only for the tokens that it holds.
    fn make_room_by_tokens(&mut self, rows: usize, tokens: usize) -> bool {
        let count = rows.max(self.rows.all.len()).max(self.limits.rows.min(self.rows.all.len() + 1));
        if count > self.rows.all.len() {
            self.rows.all.resize_with(count, Row::default);
            self.decoder.resize(count, 0, &[]);
        }
        loop {
            let held: usize = self.rows.all.iter().map(|row| row.tokens.len()).sum();
            if self.bytes(1, held + tokens) <= self.limits.cache_bytes {
                return true;
            }
            let rows = self.rows.all.iter().enumerate();
            let idle = rows.filter(|(_, row)| row.sequence.is_none() && !row.tokens.is_empty());
            match idle.min_by_key(|(_, row)| row.used) {
                Some((index, _)) => self.forget(index),
                None => return false,
            }
        }
    }

    /// Gives up what a row holds.
    fn forget(&mut self, index: usize) {
        self.rows.all[index].tokens.clear();
        self.decoder.clear(index);
    }

    /// Reads the next part of the prompt that is being read.
    fn read(&mut self) {
        let place = self.rows.decoding;
        let part = self.part();
        let row = &self.rows.all[place];
        let Some(sequence) = &row.sequence else { return };
        let past = row.tokens.len();
        let end = sequence.tokens.len().min(past + part);
        let begun = Instant::now();
        self.ids.clear();
        self.ids.extend_from_slice(&sequence.tokens[past..end]);
        let finished = end == sequence.tokens.len();
        let outcome = self.decoder.run(&self.run, place, &self.ids, &[past]);
        let took = begun.elapsed();
        self.counters.read(took);
        mean(&mut self.token_seconds, took.as_secs_f64() / self.ids.len() as f64);
        let row = &mut self.rows.all[place];
        row.used = self.clock;
        let advanced = match outcome {
            Ok(logits) => {
                row.tokens.extend_from_slice(&self.ids);
                if !finished {
                    return;
                }
                let Some(sequence) = &mut row.sequence else { return };
                advance(sequence, &self.tokenizer, logits, &self.counters)
            }
            Err(error) => {
                self.forget(place);
                Err(error)
            }
        };
        match advanced {
            Ok(None) => {
                self.rows.reading = false;
                self.rows.decoding += 1;
            }
            Ok(Some(_)) => self.end(place),
            Err(error) => self.fail(place, &error),
        }
    }

    /// Tokens of the next part of a prompt: all that fit while nobody decodes, else what takes about as long as a
    /// decoding step.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped right away")]
    fn part(&self) -> usize {
        if self.rows.decoding == 0 || self.token_seconds == 0.0 {
            return LARGEST_PART;
        }
        ((self.step_seconds / self.token_seconds) as usize).clamp(LEAST_PART, LARGEST_PART)
    }

    /// Decodes one token for every sequence that is beyond its prompt.
    fn decode(&mut self) {
        while self.rows.decoding > 0 && !self.has_room_for_a_token() {
            self.preempt();
        }
        let count = self.rows.decoding;
        if count == 0 {
            return;
        }
        self.ids.clear();
        self.lengths.clear();
        for row in &self.rows.all[..count] {
            let Some(sequence) = &row.sequence else { continue };
            self.ids.extend(sequence.tokens.last());
            self.lengths.push(row.tokens.len());
        }
        let begun = Instant::now();
        let (rows, counters) = (&mut self.rows.all[..count], &self.counters);
        // What constraints allow depends on no logits: it is found while the model runs.
        let outcome = thread::scope(|scope| {
            let guided = |row: &Row| row.sequence.as_ref().is_some_and(|sequence| sequence.guide.is_some());
            if rows.iter().any(guided) {
                let look_ahead = || {
                    for sequence in rows.iter_mut().filter_map(|row| row.sequence.as_mut()) {
                        sequence.look_ahead(counters);
                    }
                };
                // Where there is no thread, it is found afterwards.
                let _spawned =
                    thread::Builder::new().name("guide".to_owned()).spawn_scoped(scope, look_ahead);
            }
            self.decoder.run(&self.run, 0, &self.ids, &self.lengths)
        });
        let mut ended: Vec<(usize, Result<()>)> = Vec::new();
        match outcome {
            Ok(logits) => {
                let ran = begun.elapsed();
                mean(&mut self.step_seconds, ran.as_secs_f64());
                let vocabulary = logits.len() / count;
                let rows =
                    self.rows.all.iter_mut().zip(self.ids.iter().zip(logits.chunks(vocabulary))).take(count);
                for (index, (row, (token, logits))) in rows.enumerate() {
                    row.tokens.push(*token);
                    row.used = self.clock;
                    let Some(sequence) = &mut row.sequence else { continue };
                    match advance(sequence, &self.tokenizer, logits, &self.counters) {
                        Ok(None) => {}
                        Ok(Some(_)) => ended.push((index, Ok(()))),
                        Err(error) => ended.push((index, Err(error))),
                    }
                }
                let whole = begun.elapsed();
                self.counters.step(count, whole, whole - ran);
            }
            Err(error) => {
                for index in 0..count {
                    self.forget(index);
                    ended.push((index, Err(error.clone())));
                }
            }
        }
        // From behind, so that the places of those in front stay.
        for (index, outcome) in ended.into_iter().rev() {
            match outcome {
                Ok(()) => self.end(index),
                Err(error) => self.fail(index, &error),
            }
        }
    }

    /// Makes room for one more token in every row that decodes. Returns whether there is.
    fn has_room_for_a_token(&mut self) -> bool {
        if self.decoder.grows() {
            // What is left of the prompt that is being read was promised its room when it began.
            let reading = self.rows.all.get(self.rows.decoding).filter(|_| self.rows.reading);
            let unread = reading.and_then(|row| Some(row.sequence.as_ref()?.tokens.len() - row.tokens.len()));
            return self.make_room(self.rows.active(), self.rows.decoding + unread.unwrap_or(0));
        }
        let longest = self.rows.all[..self.rows.decoding].iter().map(|row| row.tokens.len()).max();
        let wanted = longest.unwrap_or(0) + 1;
        wanted <= self.decoder.capacity() || self.make_room(self.rows.active(), wanted)
    }

    /// Puts the sequence that came last back into the queue: the others need its memory. What it has so far is read again
    /// when there is room.
    fn preempt(&mut self) {
        let youngest = (0..self.rows.active())
            .max_by_key(|index| self.rows.all[*index].sequence.as_ref().map(|sequence| sequence.job.since));
        let Some(index) = youngest else { return };
        if let Some(sequence) = self.release(index) {
            self.counters.preempted();
            self.queue.put_back(sequence);
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

/// Chooses the next token of a sequence and notes when it came.
fn advance(
    sequence: &mut Sequence,
    tokenizer: &Tokenizer,
    logits: &[f32],
    counters: &Counters,
) -> Result<Option<FinishReason>> {
    let reason = sequence.advance(tokenizer, logits, counters)?;
    let now = Instant::now();
    match sequence.last.replace(now) {
        Some(last) => counters.further(now - last),
        None => {
            sequence.first = Some(now);
            counters.first(now - sequence.job.since);
        }
    }
    Ok(reason)
}

/// A moving mean over about eight values.
fn mean(mean: &mut f64, value: f64) {
    *mean = if *mean > 0.0 { *mean + (value - *mean) / 8.0 } else { value };
}
