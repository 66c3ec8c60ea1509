//! What a benchmark of generation does with a model, and the rates that come of it.

use std::time::Instant;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::{
    error::{BackendError, Result},
    generate::{GeneratePrompt, GenerateRequest, GenerationEvent},
    runtime::Runtime,
};

/// The tokens of some streams that began together.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Timeline {
    /// Ids of each stream.
    pub ids: Vec<Vec<u32>>,
    /// When each of them came, in seconds since the streams began.
    pub times: Vec<Vec<f64>>,
}

impl Timeline {
    /// Seconds until every stream had its first token.
    pub fn first(&self) -> f64 {
        self.times.iter().filter_map(|times| times.first()).copied().fold(f64::NAN, f64::max)
    }

    /// Seconds until the last token of all.
    pub fn last(&self) -> f64 {
        self.times.iter().filter_map(|times| times.last()).copied().fold(f64::NAN, f64::max)
    }

    /// Tokens a second while all streams run: from the time at which the last one began until the first one ended. NaN
    /// where one ended before all had begun.
    pub fn decode_rate(&self) -> f64 {
        let begin = self.first();
        let end = self.times.iter().filter_map(|times| times.last()).copied().fold(f64::NAN, f64::min);
        let tokens = self.times.iter().flatten().filter(|time| **time > begin && **time <= end).count();
        if end > begin { tokens as f64 / (end - begin) } else { f64::NAN }
    }

    /// Tokens a second from beginning to end, reading the prompts included.
    pub fn whole_rate(&self) -> f64 {
        self.times.iter().map(Vec::len).sum::<usize>() as f64 / self.last()
    }
}

/// So many token ids below `vocabulary`, each equally likely: the same for the same seed.
pub fn token_ids(count: usize, vocabulary: u32, seed: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.next_u32() % vocabulary.max(1)).collect()
}

/// Continues all prompts together, each by so many greedy tokens, whatever ends a text ignored.
///
/// # Errors
/// As [`Runtime::generate`].
pub async fn generate(
    runtime: &Runtime,
    model: &str,
    prompts: Vec<Vec<u32>>,
    tokens: usize,
) -> Result<Timeline> {
    let begin = Instant::now();
    let mut streams = JoinSet::new();
    for (index, prompt) in prompts.into_iter().enumerate() {
        let (runtime, model) = (runtime.clone(), model.to_owned());
        streams.spawn(async move { (index, stream(&runtime, model, prompt, tokens, begin).await) });
    }
    let mut answers = Vec::new();
    while let Some(ended) = streams.join_next().await {
        let (index, answer) =
            ended.map_err(|error| BackendError::internal(format!("a stream ended early: {error}")))?;
        answers.push((index, answer?));
    }
    answers.sort_by_key(|(index, _)| *index);
    let (ids, times) = answers.into_iter().map(|(_, answer)| answer).unzip();
    Ok(Timeline { ids, times })
}

/// The tokens after a prompt, and the seconds since `begin` at which each came.
async fn stream(
    runtime: &Runtime,
    model: String,
    prompt: Vec<u32>,
    tokens: usize,
    begin: Instant,
) -> Result<(Vec<u32>, Vec<f64>)> {
    let request = GenerateRequest {
        ignore_end: true,
        ..GenerateRequest::greedy("bench", &model, GeneratePrompt::Tokens(prompt), tokens)
    };
    let mut generation = runtime.generate(request).await?;
    let (mut ids, mut times) = (Vec::new(), Vec::new());
    while let Some(event) = generation.next().await {
        if let GenerationEvent::Delta { tokens, .. } = event? {
            for token in tokens {
                ids.push(token.id);
                times.push(begin.elapsed().as_secs_f64());
            }
        }
    }
    Ok((ids, times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_by_hand() {
        // One stream from 1 s on, the other from 2 s on; the first one ends at 4 s.
        let timeline = Timeline {
            ids: vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]],
            times: vec![vec![1.0, 2.0, 3.0, 4.0], vec![2.0, 3.0, 4.0, 5.0]],
        };
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(timeline.first(), 2.0));
        assert!(close(timeline.last(), 5.0));
        assert!(close(timeline.decode_rate(), 2.0));
        assert!(close(timeline.whole_rate(), 8.0 / 5.0));
        let apart = Timeline { ids: Vec::new(), times: vec![vec![1.0, 2.0], vec![3.0, 4.0]] };
        assert!(apart.decode_rate().is_nan());
    }

    #[test]
    fn prompts_repeat_by_their_seed() {
        assert_eq!(token_ids(64, 250, 1), token_ids(64, 250, 1));
        assert_ne!(token_ids(64, 250, 1), token_ids(64, 250, 2));
        assert!(token_ids(1000, 7, 3).iter().all(|id| *id < 7));
    }
}
