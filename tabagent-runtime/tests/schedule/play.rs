//! A schedule that is played, and what must hold while it is and afterwards.

use std::time::{Duration, Instant};

use tabagent_runtime::{BackendError, Runtime, RuntimeOptions, generate::metrics::GenerationMetrics};

use crate::{
    CONTEXT, LONGEST, MODELS, PATIENCE, TOKEN_BYTES,
    live::{Alone, Answer, Live, ignores_end, request, start},
    plan::{Join, Schedule, Step},
};

/// A schedule that is played.
pub(crate) struct Play<'a> {
    pub(crate) schedule: &'a Schedule,
    pub(crate) model: &'static str,
    pub(crate) prompts: &'a [Vec<u32>],
    pub(crate) alone: &'a Alone,
    pub(crate) runtime: Runtime,
    pub(crate) live: Vec<Live>,
    pub(crate) asked: u64,
    pub(crate) requests: u64,
    pub(crate) sequences: u64,
    pub(crate) rejected: u64,
}

/// What the schedules did together, to see that they do what they are for.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) ended: u64,
    pub(crate) cancelled: u64,
    pub(crate) timeouts: u64,
    pub(crate) rejected: u64,
    pub(crate) preempted: u64,
    pub(crate) cached: u64,
    pub(crate) parts: u64,
    pub(crate) begun: u64,
}

impl Play<'_> {
    pub(crate) async fn expected(&self, join: &Join) -> Vec<Answer> {
        let prompt = self.prompts[join.prompt].len();
        let tokens = join.tokens.min(CONTEXT.min(self.schedule.room) - prompt);
        let alone = self.alone.answers(self.prompts, self.model, join).await;
        alone.iter().take(join.choices).map(|answer| answer.cut(tokens)).collect()
    }

    pub(crate) async fn join(&mut self, join: &Join) -> Option<Live> {
        let id = format!("request {}", self.asked);
        self.asked += 1;
        match self.runtime.generate(request(&id, self.model, self.prompts, join)).await {
            Ok(generation) => {
                self.requests += 1;
                self.sequences += join.choices as u64;
                Some(Live::new(id, join.clone(), generation))
            }
            Err(BackendError::InvalidInput { field, .. }) => {
                assert!(field == "n" && join.choices > self.schedule.queue);
                None
            }
            Err(BackendError::ResourceLimitExceeded { limit, current, retry_after, .. }) => {
                assert_eq!(limit, self.schedule.queue as u64);
                assert!(current + join.choices as u64 > limit && current <= limit);
                assert!(retry_after >= Duration::from_secs(1));
                self.rejected += 1;
                None
            }
            Err(other) => panic!("{id}: {other}"),
        }
    }

    pub(crate) async fn step(&mut self, step: &Step) {
        if let Step::Join(join) = step {
            let joined = self.join(join).await;
            self.live.extend(joined);
        } else if !self.live.is_empty() {
            match step {
                Step::Join(_) => {}
                Step::Read(which, events) => {
                    let at = which.index(self.live.len());
                    for _ in 0..*events {
                        if !self.live[at].read().await {
                            break;
                        }
                        self.within_budget();
                    }
                }
                Step::Leave(which) => {
                    let live = self.live.swap_remove(which.index(self.live.len()));
                    let expected = self.expected(&live.join).await;
                    live.check(&expected, false);
                }
                Step::Stop(which) => {
                    let at = which.index(self.live.len());
                    let live = &mut self.live[at];
                    // What has ended is on no list any more, and cannot be stopped.
                    live.stopped |= !self.runtime.stop(Some(&live.id)).is_empty();
                }
                Step::StopAll => {
                    let stopped = self.runtime.stop(None);
                    for live in &mut self.live {
                        live.stopped |= stopped.contains(&live.id);
                    }
                }
            }
        }
        self.within_budget();
    }

    pub(crate) fn metrics(&self) -> GenerationMetrics {
        self.runtime.metrics().generation.swap_remove(0)
    }

    pub(crate) fn within_budget(&self) {
        let (held, budget) = (self.metrics().cache_bytes, self.schedule.room as u64 * TOKEN_BYTES);
        assert!(held <= budget, "{held} bytes of keys and values where {budget} are allowed");
    }

    /// Reads what is left and holds it to what comes alone.
    pub(crate) async fn finish(&mut self) {
        for mut live in std::mem::take(&mut self.live) {
            while live.read().await {
                self.within_budget();
            }
            let expected = self.expected(&live.join).await;
            live.check(&expected, true);
        }
    }

    /// Waits until nothing waits or runs and every sequence is accounted for.
    pub(crate) async fn settle(&self) -> GenerationMetrics {
        let since = Instant::now();
        loop {
            let found = self.metrics();
            let over = found.ended + found.cancelled + found.timeouts + found.failed;
            if found.waiting + found.running == 0 && over == found.sequences {
                return found;
            }
            assert!(since.elapsed() < PATIENCE, "something is left behind: {found:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Nothing is left, and everything can be used again.
    pub(crate) async fn nothing_is_left(&mut self, totals: &mut Totals) {
        let found = self.settle().await;
        assert!(self.runtime.generating().is_empty());
        assert_eq!(
            (found.requests, found.sequences, found.rejected, found.failed),
            (self.requests, self.sequences, self.rejected, 0)
        );
        self.within_budget();
        totals.ended += found.ended;
        totals.cancelled += found.cancelled;
        totals.timeouts += found.timeouts;
        totals.rejected += found.rejected;
        totals.preempted += found.preempted;
        totals.cached += found.cached_tokens;
        totals.parts += found.prefill.count();
        totals.begun += found.queue_wait.count();

        // Every row: as many sequences as there are rows run side by side. Were one missing, the last sequence would begin where
        // the first one has ended.
        let short = self.prompts.iter().position(|prompt| prompt.len() <= 2).unwrap();
        let side_by_side = Join {
            prompt: short,
            tokens: LONGEST,
            choices: self.schedule.parallel,
            draws: false,
            deadline: None,
        };
        assert!(ignores_end(short), "the answers have to be of one length");
        let mut live = self.join(&side_by_side).await.unwrap();
        while live.read().await {}
        let steps = self.settle().await.batch_rows.count() - found.batch_rows.count();
        assert!(steps < 2 * (LONGEST as u64 - 1), "rows are missing: {steps} steps");

        // All of the cache: a sequence as long as fits.
        let longest = (0..self.prompts.len()).max_by_key(|at| self.prompts[*at].len()).unwrap();
        let long = Join { prompt: longest, tokens: LONGEST, choices: 1, draws: false, deadline: None };
        let live = self.join(&long).await.unwrap();
        self.live.push(live);
        self.finish().await;
        self.settle().await;
        self.within_budget();
    }

    /// Shuts down with what is left, which ends with its answer or is told so.
    pub(crate) async fn shut_down(&mut self, grace: Duration) {
        let shutdown = self.runtime.shutdown(grace);
        tokio::time::timeout(PATIENCE, shutdown).await.unwrap_or_else(|_| panic!("the shutdown has no end"));
        for mut live in std::mem::take(&mut self.live) {
            while live.read().await {}
            if let Some(BackendError::ModelNotLoaded { model, .. }) = &live.error {
                assert_eq!(model, self.model);
                live.error = None;
                let expected = self.expected(&live.join).await;
                live.check(&expected, false);
            } else {
                let expected = self.expected(&live.join).await;
                live.check(&expected, true);
            }
        }
        assert!(self.runtime.generating().is_empty());
        let join = Join { prompt: 0, tokens: 1, choices: 1, draws: false, deadline: None };
        let refused = self.runtime.generate(request("late", self.model, self.prompts, &join)).await;
        assert!(matches!(refused, Err(BackendError::ModelNotLoaded { .. })), "{refused:?}");
    }
}

pub(crate) async fn play(schedule: &Schedule, alone: &[Alone; 2], prompts: &[Vec<u32>], totals: &mut Totals) {
    let at = usize::from(!schedule.grouped);
    let runtime = start(
        MODELS[at],
        RuntimeOptions {
            parallel: schedule.parallel,
            prompt_part: 16,
            generation_queue: schedule.queue,
            cache_bytes: Some(schedule.room as u64 * TOKEN_BYTES),
            ..RuntimeOptions::default()
        },
    );
    let mut play = Play {
        schedule,
        model: MODELS[at],
        prompts,
        alone: &alone[at],
        runtime,
        live: Vec::new(),
        asked: 0,
        requests: 0,
        sequences: 0,
        rejected: 0,
    };
    // Loads the model, so that what follows runs at once.
    let first = Join { prompt: 0, tokens: 1, choices: 1, draws: false, deadline: None };
    let first = play.join(&first).await;
    play.live.extend(first);
    for step in &schedule.steps {
        play.step(step).await;
    }
    if let Some(grace) = schedule.shutdown {
        play.shut_down(Duration::from_millis(grace)).await;
    } else {
        play.finish().await;
        play.nothing_is_left(totals).await;
    }
}
