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

mod live;
mod plan;
mod play;

use std::{cell::RefCell, time::Duration};

use proptest::test_runner::{Config, RngSeed, TestRunner};
use tabagent_runtime::RuntimeOptions;

use live::{Alone, start};
use plan::{prompts, schedules};
use play::{Totals, play};

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
