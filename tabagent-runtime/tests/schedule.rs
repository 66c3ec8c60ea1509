//! Random schedules of the scheduler: whatever joins, leaves, is stopped, passes its deadline or has to make room, every
//! sequence that ends by itself has the ids that it has alone, and nothing is left behind.
//!
//! The schedules are the same on every run; `PROPTEST_CASES` runs more of them, `PROPTEST_RNG_SEED` others.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they saw"
)]

use std::{
    cell::RefCell,
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde::Deserialize;
use tabagent_runtime::{
    BackendError, FinishReason, GeneratePrompt, GenerateRequest, Generation, GenerationEvent, Runtime,
    RuntimeOptions, SamplingRequest, device::Device, generate::metrics::GenerationMetrics,
};

/// The same weights with `GroupQueryAttention`, rows together over one cache, and without, a row at a time.
const MODELS: [&str; 2] = ["llama-gqa", "llama-plain"];
/// Tokens that both take.
const CONTEXT: usize = 512;
/// Bytes of one token in the cache: keys and values of two layers of two heads of 16 floats.
const TOKEN_BYTES: u64 = 2 * 2 * 2 * 16 * 4;
/// Most tokens of an answer.
const LONGEST: usize = 48;
/// Different prompts.
const PROMPTS: usize = 24;
/// Most answers to a prompt.
const CHOICES: usize = 3;
/// Schedules where `PROPTEST_CASES` does not say.
const SCHEDULES: u32 = 60;
/// Longest wait for what has to come; nothing here takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Milliseconds for the search of a shorter schedule that fails.
const SHRINKING: u32 = 60_000;

/// What happens to a runtime.
#[derive(Debug, Clone)]
struct Schedule {
    grouped: bool,
    /// Sequences side by side.
    parallel: usize,
    /// Sequences that may wait.
    queue: usize,
    /// Tokens for which the cache has room.
    room: usize,
    steps: Vec<Step>,
    /// Milliseconds that a shutdown gives to what runs, where the schedule ends with one.
    shutdown: Option<u64>,
}

#[derive(Debug, Clone)]
enum Step {
    Join(Join),
    /// Waits for so many events of one request.
    Read(Index, usize),
    /// The client of one request goes away.
    Leave(Index),
    /// One request is stopped by its id.
    Stop(Index),
    /// All are stopped.
    StopAll,
}

/// A request.
#[derive(Debug, Clone)]
struct Join {
    /// Index of the prompt.
    prompt: usize,
    tokens: usize,
    choices: usize,
    /// Draws with a seed; else the likeliest token is taken.
    draws: bool,
    /// Milliseconds.
    deadline: Option<u64>,
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let room = prop_oneof![3 => 300..700_usize, 1 => 700..2500_usize];
    let shutdown = prop_oneof![4 => Just(None), 1 => (0..4_u64).prop_map(Some)];
    (any::<bool>(), 1..=4_usize, 0..6_usize, room, prop::collection::vec(steps(), 4..40), shutdown).prop_map(
        |(grouped, parallel, more, room, steps, shutdown)| Schedule {
            grouped,
            parallel,
            queue: parallel + more,
            room,
            steps,
            shutdown,
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => joins().prop_map(Step::Join),
        8 => (any::<Index>(), 1..40_usize).prop_map(|(which, events)| Step::Read(which, events)),
        3 => any::<Index>().prop_map(Step::Leave),
        2 => any::<Index>().prop_map(Step::Stop),
        1 => Just(Step::StopAll),
    ]
}

fn joins() -> impl Strategy<Value = Join> {
    let deadline = prop_oneof![9 => Just(None), 1 => (0..30_u64).prop_map(Some)];
    (0..PROMPTS, 1..=LONGEST, 1..=CHOICES, any::<bool>(), deadline).prop_map(
        |(prompt, tokens, choices, draws, deadline)| Join { prompt, tokens, choices, draws, deadline },
    )
}

#[derive(Debug, Deserialize)]
struct Reference {
    prompts: Vec<Prompt>,
}

#[derive(Debug, Deserialize)]
struct Prompt {
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
}

/// Prompts of one to many parts, of which some begin like others, or like others with their answers.
fn prompts() -> Vec<Vec<u32>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders/llama-gqa/reference.json");
    let reference: Reference = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut prompts: Vec<Vec<u32>> = Vec::new();
    for (prompt, next) in reference.prompts.iter().zip(reference.prompts.iter().cycle().skip(1)) {
        let ids = &prompt.prompt_ids;
        prompts.push(ids.clone());
        for kept in [9, 40] {
            prompts.push([ids, &prompt.greedy_ids[..kept]].concat());
        }
        let mut long = [ids, &prompt.greedy_ids[..20], &next.prompt_ids, ids].concat();
        long.truncate(280);
        prompts.push(long);
    }
    assert_eq!(prompts.len(), PROMPTS);
    prompts
}

/// What one sequence came to.
#[derive(Debug, Default, Clone, PartialEq)]
struct Answer {
    ids: Vec<u32>,
    reason: Option<FinishReason>,
}

impl Answer {
    /// What an answer is that may have fewer tokens.
    fn cut(&self, tokens: usize) -> Self {
        if tokens >= self.ids.len() {
            return self.clone();
        }
        Self { ids: self.ids[..tokens].to_vec(), reason: Some(FinishReason::Length) }
    }
}

/// A runtime in whose cache there is one sequence at a time, and what each prompt came to there.
struct Alone {
    runtime: Runtime,
    known: RefCell<HashMap<(usize, bool), Vec<Answer>>>,
}

impl Alone {
    async fn answers(&self, prompts: &[Vec<u32>], model: &str, join: &Join) -> Vec<Answer> {
        let key = (join.prompt, join.draws);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let asked = Join { tokens: LONGEST, choices: CHOICES, deadline: None, ..join.clone() };
        let generation = self.runtime.generate(request("alone", model, prompts, &asked)).await.unwrap();
        let mut live = Live::new("alone".to_owned(), asked, generation);
        while live.read().await {}
        self.known.borrow_mut().insert(key, live.answers.clone());
        live.answers
    }
}

fn start(model: &str, options: RuntimeOptions) -> Runtime {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders");
    assert!(folder.join(model).is_dir());
    Runtime::start(RuntimeOptions { models_dir: folder, device: Device::Cpu, threads: Some(1), ..options })
        .unwrap()
}

fn request(id: &str, model: &str, prompts: &[Vec<u32>], join: &Join) -> GenerateRequest {
    let sampling = SamplingRequest {
        temperature: Some(if join.draws { 0.8 } else { 0.0 }),
        seed: join.draws.then_some(join.prompt as u64),
        ..SamplingRequest::default()
    };
    GenerateRequest {
        id: id.to_owned(),
        model: Some(model.to_owned()),
        prompt: GeneratePrompt::Tokens(prompts[join.prompt].clone()),
        sampling,
        max_tokens: Some(join.tokens),
        stop: Vec::new(),
        ignore_end: ignores_end(join.prompt),
        choices: join.choices,
        logprobs: None,
        deadline: join.deadline.map(Duration::from_millis),
    }
}

/// Whether a prompt is answered to the length that is asked for, as every second one is; else until the model ends it.
fn ignores_end(prompt: usize) -> bool {
    prompt.is_multiple_of(2)
}

/// A request that was admitted.
struct Live {
    id: String,
    join: Join,
    generation: Generation,
    answers: Vec<Answer>,
    stopped: bool,
    error: Option<BackendError>,
}

impl Live {
    fn new(id: String, join: Join, generation: Generation) -> Self {
        let answers = vec![Answer::default(); join.choices];
        Self { id, join, generation, answers, stopped: false, error: None }
    }

    /// Waits for the next event. Returns whether there was one.
    async fn read(&mut self) -> bool {
        let event = tokio::time::timeout(PATIENCE, self.generation.next()).await;
        match event.unwrap_or_else(|_| panic!("{}: neither an event nor an end", self.id)) {
            None => return false,
            Some(Ok(GenerationEvent::Delta { choice, tokens, .. })) => {
                self.answers[choice].ids.extend(tokens.iter().map(|token| token.id));
            }
            Some(Ok(GenerationEvent::End { choice, reason, completion_tokens, .. })) => {
                let answer = &mut self.answers[choice];
                assert_eq!((answer.ids.len(), answer.reason), (completion_tokens, None), "{}", self.id);
                answer.reason = Some(reason);
            }
            Some(Err(error)) => self.error = Some(error),
        }
        true
    }

    /// Holds what came to what comes alone; `whole`: the client waited for all of it.
    fn check(&self, expected: &[Answer], whole: bool) {
        for (choice, (answer, expected)) in self.answers.iter().zip(expected).enumerate() {
            let shown = format!("{}: answer {choice}", self.id);
            assert!(expected.ids.starts_with(&answer.ids), "{shown}: {answer:?} alone is {expected:?}");
            match answer.reason {
                Some(FinishReason::Stop) if self.stopped => {}
                Some(_) => assert_eq!(answer, expected, "{shown}"),
                None => assert!(!whole || self.error.is_some(), "{shown} has no end"),
            }
        }
        match &self.error {
            None => {}
            Some(BackendError::GenerationTimeout { .. }) => assert!(self.join.deadline.is_some()),
            Some(other) => panic!("{}: {other}", self.id),
        }
    }
}

/// A schedule that is played.
struct Play<'a> {
    schedule: &'a Schedule,
    model: &'static str,
    prompts: &'a [Vec<u32>],
    alone: &'a Alone,
    runtime: Runtime,
    live: Vec<Live>,
    asked: u64,
    requests: u64,
    sequences: u64,
    rejected: u64,
}

/// What the schedules did together, to see that they do what they are for.
#[derive(Debug, Default)]
struct Totals {
    ended: u64,
    cancelled: u64,
    timeouts: u64,
    rejected: u64,
    preempted: u64,
    cached: u64,
    parts: u64,
    begun: u64,
}

impl Play<'_> {
    async fn expected(&self, join: &Join) -> Vec<Answer> {
        let prompt = self.prompts[join.prompt].len();
        let tokens = join.tokens.min(CONTEXT.min(self.schedule.room) - prompt);
        let alone = self.alone.answers(self.prompts, self.model, join).await;
        alone.iter().take(join.choices).map(|answer| answer.cut(tokens)).collect()
    }

    async fn join(&mut self, join: &Join) -> Option<Live> {
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

    async fn step(&mut self, step: &Step) {
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

    fn metrics(&self) -> GenerationMetrics {
        self.runtime.metrics().generation.swap_remove(0)
    }

    fn within_budget(&self) {
        let (held, budget) = (self.metrics().cache_bytes, self.schedule.room as u64 * TOKEN_BYTES);
        assert!(held <= budget, "{held} bytes of keys and values where {budget} are allowed");
    }

    /// Reads what is left and holds it to what comes alone.
    async fn finish(&mut self) {
        for mut live in std::mem::take(&mut self.live) {
            while live.read().await {
                self.within_budget();
            }
            let expected = self.expected(&live.join).await;
            live.check(&expected, true);
        }
    }

    /// Waits until nothing waits or runs and every sequence is accounted for.
    async fn settle(&self) -> GenerationMetrics {
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
    async fn nothing_is_left(&mut self, totals: &mut Totals) {
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

        // Every row: as many sequences as there are rows join one after the other and then decode together, so that no step
        // is for fewer of them than have joined.
        let tokens = 24;
        let short = self.prompts.iter().position(|prompt| prompt.len() <= 2).unwrap();
        let side_by_side =
            Join { prompt: short, tokens, choices: self.schedule.parallel, draws: false, deadline: None };
        assert!(ignores_end(short), "the answers have to be of one length");
        let mut live = self.join(&side_by_side).await.unwrap();
        while live.read().await {}
        let together = self.settle().await;
        let steps = together.batch_rows.count() - found.batch_rows.count();
        assert_eq!(steps, (self.schedule.parallel + tokens - 2) as u64, "rows are missing");

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
    async fn shut_down(&mut self, grace: Duration) {
        let shutdown = self.runtime.shutdown(grace);
        tokio::time::timeout(PATIENCE, shutdown).await.unwrap_or_else(|_| panic!("the shutdown has no end"));
        for mut live in std::mem::take(&mut self.live) {
            while live.read().await {}
            if let Some(BackendError::ModelNotLoaded { model }) = &live.error {
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

async fn play(schedule: &Schedule, alone: &[Alone; 2], prompts: &[Vec<u32>], totals: &mut Totals) {
    let at = usize::from(!schedule.grouped);
    let runtime = start(
        MODELS[at],
        RuntimeOptions {
            parallel: schedule.parallel,
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

#[test]
fn random_schedules_leave_nothing_behind_and_change_no_answer() {
    let prompts = prompts();
    let alone = MODELS.map(|model| Alone {
        runtime: start(model, RuntimeOptions { parallel: 1, ..RuntimeOptions::default() }),
        known: RefCell::default(),
    });
    let mut config = Config { failure_persistence: None, max_shrink_time: SHRINKING, ..Config::default() };
    let given = |name: &str| std::env::var_os(name).is_some();
    if !given("PROPTEST_CASES") {
        config.cases = SCHEDULES;
    }
    if !given("PROPTEST_RNG_SEED") {
        config.rng_seed = RngSeed::Fixed(20);
    }
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let totals = RefCell::new(Totals::default());
    TestRunner::new(config)
        .run(&schedules(), |schedule| {
            executor.block_on(play(&schedule, &alone, &prompts, &mut totals.borrow_mut()));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let totals = totals.into_inner();
    println!("{totals:?}");
    // The schedules are no schedules where one of these never happens.
    assert!(totals.ended > 0 && totals.cancelled > 0 && totals.timeouts > 0 && totals.rejected > 0);
    assert!(totals.preempted > 0 && totals.cached > 0 && totals.parts > totals.begun);
}
