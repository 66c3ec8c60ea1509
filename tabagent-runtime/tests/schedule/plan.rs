//! What may happen to a runtime: schedules, and the prompts that their requests have.

use std::path::Path;

use proptest::{prelude::*, sample::Index};
use serde::Deserialize;

use crate::{CHOICES, LONGEST, PROMPTS};

/// What happens to a runtime.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) grouped: bool,
    /// Sequences side by side.
    pub(crate) parallel: usize,
    /// Sequences that may wait.
    pub(crate) queue: usize,
    /// Tokens for which the cache has room.
    pub(crate) room: usize,
    pub(crate) steps: Vec<Step>,
    /// Milliseconds that a shutdown gives to what runs, where the schedule ends with one.
    pub(crate) shutdown: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
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
pub(crate) struct Join {
    /// Index of the prompt.
    pub(crate) prompt: usize,
    pub(crate) tokens: usize,
    pub(crate) choices: usize,
    /// Draws with a seed; else the likeliest token is taken.
    pub(crate) draws: bool,
    /// Milliseconds.
    pub(crate) deadline: Option<u64>,
}

pub(crate) fn schedules() -> impl Strategy<Value = Schedule> {
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

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => joins().prop_map(Step::Join),
        8 => (any::<Index>(), 1..40_usize).prop_map(|(which, events)| Step::Read(which, events)),
        3 => any::<Index>().prop_map(Step::Leave),
        2 => any::<Index>().prop_map(Step::Stop),
        1 => Just(Step::StopAll),
    ]
}

pub(crate) fn joins() -> impl Strategy<Value = Join> {
    let deadline = prop_oneof![9 => Just(None), 1 => (0..30_u64).prop_map(Some)];
    (0..PROMPTS, 1..=LONGEST, 1..=CHOICES, any::<bool>(), deadline).prop_map(
        |(prompt, tokens, choices, draws, deadline)| Join { prompt, tokens, choices, draws, deadline },
    )
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) prompts: Vec<Prompt>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Prompt {
    pub(crate) prompt_ids: Vec<u32>,
    pub(crate) greedy_ids: Vec<u32>,
}

/// Prompts of one to many parts, of which some begin like others, or like others with their answers.
pub(crate) fn prompts() -> Vec<Vec<u32>> {
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
