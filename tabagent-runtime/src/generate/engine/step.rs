//! One step: a part of one prompt, and one token for every sequence that is beyond its prompt.

use std::time::{Duration, Instant};

use super::Engine;
use crate::{
    error::Result,
    generate::{
        metrics::Counters,
        rows::Row,
        sequence::{FinishReason, Sequence},
    },
    runtime::pool::slot::EngineQueue as _,
    tokenizer::Tokenizer,
};

/// Least tokens of one part, while others decode.
const LEAST_PART: usize = 16;
/// Most tokens of one part, while nobody decodes. Up to here ONNX Runtime's kernels get faster; beyond, attention computes
/// more that the causal mask throws away: on the models that `benches` measures, 512 tokens are read up to a seventh faster
/// in four parts than in one.
const BEST_PART: usize = 128;
/// Decoding steps between two parts of a prompt that are as long as they may be.
///
/// A part stops the streams that run, and many short ones stop them for longer than a few long ones: on those models a token
/// costs three times as much in a part of 16 as in one of 128. So a part takes as long as the steps between it and the next
/// together, where one stream runs and one prompt is read. Of a stream's tokens fewer than one in twenty then waits for a
/// part or is the first after it, for which weights come back into the processor's caches.
const BETWEEN: u32 = 40;
/// Seconds that a part may stop running streams, where a step is shorter.
const LONGEST_STALL: f64 = 1.0;
/// Least time after a run of the model in which constraints may still find what they allow, and the part of the run's own
/// time that they may take where that is more. A sequence that does not know it then sits the step out: the model runs on
/// its last token once more in the next one.
const PATIENCE: Duration = Duration::from_millis(2);
const PATIENCE_PART: u32 = 4;
/// The same where no sequence could go on, so that nobody is held up; then it is looked whether somebody left.
const ALL_LATE: Duration = Duration::from_millis(20);

impl Engine {
    /// Reads the next part of the prompt that is being read.
    pub(super) fn read(&mut self) {
        let place = self.rows.decoding;
        let (part, share) = (self.part(), self.share());
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
        let (seconds, tokens) = (took.as_secs_f64(), self.ids.len() as f64);
        // One that took longer than others do met another program, not a long prompt.
        let usual = if self.token_seconds > 0.0 { self.token_seconds * tokens } else { seconds };
        self.pause = steps_of(seconds.min(usual) * share, self.step_seconds);
        // A few tokens cost more each than a prompt's do.
        if self.token_seconds == 0.0 || self.ids.len() >= LEAST_PART {
            mean(&mut self.token_seconds, seconds / tokens);
        }
        let row = &mut self.rows.all[place];
        row.used = self.clock;
        let advanced = match outcome {
            Ok(logits) => {
                let Some(sequence) = &mut row.sequence else { return };
                let patience = if self.rows.decoding == 0 { ALL_LATE } else { PATIENCE };
                let ready = finished && sequence.ready(Instant::now() + patience, &self.counters);
                // Of the last token the logits are needed, so it is read once more.
                let read = if finished && !ready { self.ids.len() - 1 } else { self.ids.len() };
                row.tokens.extend_from_slice(&self.ids[..read]);
                if !ready {
                    return;
                }
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

    /// Tokens of the next part of a prompt: [`BEST_PART`] while nobody decodes, else what takes about as long as [`BETWEEN`]
    /// decoding steps.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped right away")]
    fn part(&self) -> usize {
        if self.rows.decoding == 0 || self.token_seconds == 0.0 {
            return self.limits.part.min(BEST_PART);
        }
        let seconds = (self.step_seconds * f64::from(BETWEEN)).min(LONGEST_STALL.max(self.step_seconds));
        ((seconds / self.token_seconds) as usize).clamp(LEAST_PART.min(self.limits.part), self.limits.part)
    }

    /// Seconds of decoding for each second of reading: one, and less where more prompts are to be read than sequences
    /// decode, so that each of these gets the same part of the time. Prompts that come together are then read in one go:
    /// steps of few rows are what costs most for each token.
    fn share(&self) -> f64 {
        let free = self.limits.rows.saturating_sub(self.rows.active());
        let unread = 1 + self.queue.waiting().min(free);
        (self.rows.decoding as f64 / unread as f64).min(1.0)
    }

    /// Decodes one token for every sequence that is beyond its prompt.
    pub(super) fn decode(&mut self) {
        while self.rows.decoding > 0 && !self.has_room_for_a_token() {
            self.preempt();
        }
        let count = self.rows.decoding;
        if count == 0 {
            return;
        }
        // What constraints allow depends on no logits: it is found while the model runs.
        let rows = &mut self.rows.all[..count];
        let late = |row: &Row| row.sequence.as_ref().is_some_and(|sequence| sequence.late);
        if rows.iter().all(late) && !settle(rows, ALL_LATE, &self.counters) {
            return;
        }
        self.ids.clear();
        self.lengths.clear();
        for row in rows {
            let Some(sequence) = &mut row.sequence else { continue };
            sequence.look_ahead(&self.counters);
            self.ids.extend(sequence.tokens.last());
            self.lengths.push(row.tokens.len());
        }
        let begun = Instant::now();
        let outcome = self.decoder.run(&self.run, 0, &self.ids, &self.lengths);
        let mut ended: Vec<(usize, Result<()>)> = Vec::new();
        match outcome {
            Ok(logits) => {
                let ran = begun.elapsed();
                mean(&mut self.step_seconds, ran.as_secs_f64());
                let vocabulary = logits.len() / count;
                let rows = &mut self.rows.all[..count];
                if !settle(rows, PATIENCE.max(ran / PATIENCE_PART), &self.counters) {
                    settle(rows, ALL_LATE, &self.counters);
                }
                let rows = rows.iter_mut().zip(self.ids.iter().zip(logits.chunks(vocabulary)));
                for (index, (row, (token, logits))) in rows.enumerate() {
                    row.used = self.clock;
                    let Some(sequence) = row.sequence.as_mut().filter(|sequence| !sequence.late) else {
                        continue;
                    };
                    row.tokens.push(*token);
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
}

/// Finds out which sequences can go on, and waits for those that cannot at most so long. Returns whether any can.
fn settle(rows: &mut [Row], patience: Duration, counters: &Counters) -> bool {
    let until = Instant::now() + patience;
    let mut any = false;
    for sequence in rows.iter_mut().filter_map(|row| row.sequence.as_mut()) {
        sequence.late = !sequence.ready(until, counters);
        any |= !sequence.late;
    }
    any
}

/// Chooses the next token of a sequence and notes when it came.
fn advance(
    sequence: &mut Sequence,
    tokenizer: &Tokenizer,
    logits: &[f32],
    counters: &Counters,
) -> Result<Option<FinishReason>> {
    let reason = sequence.advance(tokenizer, logits)?;
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

/// Decoding steps that take about so many seconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a few")]
fn steps_of(seconds: f64, step_seconds: f64) -> u32 {
    if step_seconds == 0.0 {
        return 1;
    }
    ((seconds / step_seconds).ceil() as u32).clamp(1, BETWEEN)
}

/// A moving mean over about eight values.
fn mean(mean: &mut f64, value: f64) {
    *mean = if *mean > 0.0 { *mean + (value - *mean) / 8.0 } else { value };
}
