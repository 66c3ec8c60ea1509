//! What our server owes to those that use it together: a short wait for a second turn, streams that keep flowing while
//! others read long prompts, and little work beside the graph.

use std::time::Instant;

use super::server::Client;
use crate::Failure;
use crate::stats::{median, quantile};
use crate::texts::token_ids;

/// Tokens of a first turn, which the second one finds cached.
pub(super) const FIRST_TURN: usize = 1000;
/// Tokens that the second turn adds.
pub(super) const SECOND_TURN: usize = 32;
/// Tokens of the prompt that is read while another stream runs.
pub(super) const DISTURBING: usize = 2000;
/// Tokens of the prompt of that stream.
const RUNNING: usize = 64;
/// Tokens that it runs undisturbed: those that settle, those whose times count.
const SETTLING: usize = 16;
const STEADY: usize = 96;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    /// Seconds to the first token of the first and of the second turn.
    pub(super) turns: (f64, f64),
    /// Seconds between two tokens: the median of a stream alone, before and after, and the 95th percentile while another
    /// prompt is read.
    pub(super) gaps: (f64, f64),
    /// Work beside the graph, as a share of the decoding steps, of one stream and of several.
    pub(super) share: (f64, f64),
}

impl Service {
    /// # Errors
    /// When a request fails, or the second turn finds nothing cached.
    pub(super) async fn measure(
        client: &Client,
        words: &[u32],
        seed: u64,
        share: (f64, f64),
    ) -> Result<Self, Failure> {
        Ok(Self {
            turns: turns(client, words, seed + 100).await?,
            gaps: gaps(client, words, seed + 200).await?,
            share,
        })
    }

    pub(super) fn line(&self) -> String {
        format!(
            "first token {:.0} ms, in the second turn {:.0} ms; between tokens {:.1} ms, disturbed p95 {:.1} ms; beside \
             the graph {:.2} % and {:.2} %",
            self.turns.0 * 1e3,
            self.turns.1 * 1e3,
            self.gaps.0 * 1e3,
            self.gaps.1 * 1e3,
            self.share.0 * 1e2,
            self.share.1 * 1e2
        )
    }
}

async fn turns(client: &Client, words: &[u32], seed: u64) -> Result<(f64, f64), Failure> {
    let mut prompt = token_ids(FIRST_TURN, words, seed);
    let (first, _) = client.first_token(&prompt).await?;
    prompt.extend(token_ids(SECOND_TURN, words, seed + 1));
    let (second, cached) = client.first_token(&prompt).await?;
    if cached < FIRST_TURN as u64 {
        return Err(Failure::of(format!(
            "the second turn found {cached} of {FIRST_TURN} tokens cached; give the server more `--cache`"
        )));
    }
    Ok((first, second))
}

async fn gaps(client: &Client, words: &[u32], seed: u64) -> Result<(f64, f64), Failure> {
    // More tokens than it will need: it is stopped when the other prompt has been read.
    let mut stream = client.begin(&token_ids(RUNNING, words, seed), 10 * DISTURBING).await?;
    let mut next = async |last: &mut Instant| {
        stream.text().await?.ok_or_else(|| Failure::of("the running stream ended too early".to_owned()))?;
        let now = Instant::now();
        Ok::<_, Failure>(now.duration_since(std::mem::replace(last, now)).as_secs_f64())
    };
    let mut last = Instant::now();
    for _ in 0..SETTLING {
        next(&mut last).await?;
    }
    // Half of them before and half after: a stream slows down by itself as its context grows.
    let mut steady = Vec::with_capacity(STEADY);
    for _ in 0..STEADY / 2 {
        steady.push(next(&mut last).await?);
    }
    let (reader, prompt) = (client.clone(), token_ids(DISTURBING, words, seed + 1));
    let other = tokio::spawn(async move { reader.first_token(&prompt).await });
    let mut disturbed = Vec::new();
    while !other.is_finished() {
        disturbed.push(next(&mut last).await?);
    }
    other.await??;
    for _ in 0..STEADY / 2 {
        steady.push(next(&mut last).await?);
    }
    // Read to its end: nothing may run on beside what is measured next.
    client.stop().await?;
    while stream.text().await?.is_some() {}
    let (before, after) = steady.split_at(STEADY / 2);
    Ok(((median(before) + median(after)) / 2.0, quantile(&disturbed, 0.95)))
}
