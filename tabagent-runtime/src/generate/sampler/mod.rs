//! From logits to a token: penalties, temperature, truncation of the distribution, and the draw.
//!
//! The order is that of Hugging Face's processors and warpers: bias, penalties, temperature, top-k, top-p, min-p. Log
//! probabilities are of the model's own distribution, before any of it.

mod options;

use std::collections::{HashMap, HashSet};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

pub use options::SamplingOptions;

use crate::error::{BackendError, Result};

/// The probability of a token, as a natural logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenProbability {
    /// The token.
    pub token: u32,
    /// Its log probability.
    pub logprob: f32,
}

/// A token that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) token: u32,
    /// Of the token, where log probabilities are asked for.
    pub(crate) logprob: Option<f32>,
    /// The likeliest tokens, as many as are asked for, the likeliest first.
    pub(crate) top: Vec<TokenProbability>,
}

/// The sampler of one sequence.
#[derive(Debug)]
pub(crate) struct Sampler {
    options: SamplingOptions,
    random: ChaCha8Rng,
    /// How often each token was generated.
    generated: HashMap<u32, u32>,
    /// Tokens of the prompt, where a repetition penalty looks at them.
    prompt: HashSet<u32>,
    /// How many of the likeliest tokens are told with each; `None`: no log probabilities.
    logprobs: Option<usize>,
    scratch: Vec<f32>,
    candidates: Vec<(u32, f32)>,
}

/// Candidates that are sorted first; most distributions hold their mass in fewer.
const HEAD: usize = 256;

impl Sampler {
    /// `choice` tells apart the choices of one request, which share its seed.
    pub(crate) fn new(
        options: SamplingOptions,
        prompt: &[u32],
        logprobs: Option<usize>,
        choice: usize,
    ) -> Result<Self> {
        let seed = match options.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(choice as u64);
        let prompt =
            if options.repetition_penalty == 1.0 { HashSet::new() } else { prompt.iter().copied().collect() };
        Ok(Self {
            options,
            random,
            generated: HashMap::new(),
            prompt,
            logprobs,
            scratch: Vec::new(),
            candidates: Vec::new(),
        })
    }

    /// Chooses the next token. Of `allowed` each token has a bit, 32 a word, and those without are left out.
    pub(crate) fn choose(&mut self, logits: &[f32], allowed: Option<&[u32]>) -> Choice {
        let token = if self.is_plain() && allowed.is_none() {
            likeliest(logits)
        } else {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            scratch.extend_from_slice(logits);
            self.adjust(&mut scratch, allowed);
            let token =
                if self.options.temperature == 0.0 { likeliest(&scratch) } else { self.draw(&scratch) };
            self.scratch = scratch;
            token
        };
        *self.generated.entry(token).or_default() += 1;
        match self.logprobs {
            None => Choice { token, logprob: None, top: Vec::new() },
            Some(count) => {
                let norm = log_sum_exp(logits);
                let of = |token: u32| logits[token as usize] - norm;
                let top = top(logits, count)
                    .into_iter()
                    .map(|token| TokenProbability { token, logprob: of(token) })
                    .collect();
                Choice { token, logprob: Some(of(token)), top }
            }
        }
    }

    /// Whether the likeliest of the model's own logits is what is wanted.
    fn is_plain(&self) -> bool {
        let options = &self.options;
        options.temperature == 0.0
            && options.logit_bias.is_empty()
            && options.repetition_penalty == 1.0
            && options.presence_penalty == 0.0
            && options.frequency_penalty == 0.0
    }

    /// Bias, penalties and what is forbidden.
    fn adjust(&self, logits: &mut [f32], allowed: Option<&[u32]>) {
        let options = &self.options;
        for (token, bias) in &options.logit_bias {
            logits[*token as usize] += bias;
        }
        if options.repetition_penalty != 1.0 {
            let seen =
                self.prompt.iter().chain(self.generated.keys().filter(|token| !self.prompt.contains(token)));
            for token in seen {
                if let Some(logit) = logits.get_mut(*token as usize) {
                    *logit = if *logit > 0.0 {
                        *logit / options.repetition_penalty
                    } else {
                        *logit * options.repetition_penalty
                    };
                }
            }
        }
        if options.presence_penalty != 0.0 || options.frequency_penalty != 0.0 {
            for (token, count) in &self.generated {
                logits[*token as usize] -=
                    options.presence_penalty + options.frequency_penalty * *count as f32;
            }
        }
        if let Some(allowed) = allowed {
            let mut words = allowed.iter();
            for logits in logits.chunks_mut(32) {
                match words.next().copied().unwrap_or(0) {
                    0 => logits.fill(f32::NEG_INFINITY),
                    u32::MAX => {}
                    word => {
                        for (bit, logit) in logits.iter_mut().enumerate() {
                            if word >> bit & 1 == 0 {
                                *logit = f32::NEG_INFINITY;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Draws from the distribution that temperature, top-k, top-p and min-p leave.
    fn draw(&mut self, logits: &[f32]) -> u32 {
        let options = &self.options;
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scale = 1.0 / options.temperature;
        // Relative to the likeliest token, so that nothing overflows; what is below e⁻⁸⁰ of it is never drawn.
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        candidates.extend((0_u32..).zip(logits).filter_map(|(token, logit)| {
            let weight = ((logit - most) * scale).exp();
            (weight > 1e-35 && weight >= options.min_p).then_some((token, weight))
        }));
        // min-p compares with the likeliest token, whatever the others: it can be applied first. top-k and top-p count in
        // order, likeliest first, equal ones by id.
        let by_weight = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if options.top_k > 0 && options.top_k < candidates.len() {
            candidates.select_nth_unstable_by(options.top_k - 1, by_weight);
            candidates.truncate(options.top_k);
        }
        let total: f64 = candidates.iter().map(|(_, weight)| f64::from(*weight)).sum();
        let mut kept = total;
        if options.top_p < 1.0 {
            let wanted = total * f64::from(options.top_p);
            let head = HEAD.min(candidates.len());
            if head < candidates.len() {
                candidates.select_nth_unstable_by(head - 1, by_weight);
            }
            candidates[..head].sort_unstable_by(by_weight);
            let mut sum = 0.0;
            let mut cut = None;
            for (index, (_, weight)) in candidates.iter().enumerate().take(head) {
                sum += f64::from(*weight);
                if sum >= wanted {
                    cut = Some(index + 1);
                    break;
                }
            }
            if cut.is_none() {
                candidates.sort_unstable_by(by_weight);
                sum = 0.0;
                for (index, (_, weight)) in candidates.iter().enumerate() {
                    sum += f64::from(*weight);
                    if sum >= wanted {
                        cut = Some(index + 1);
                        break;
                    }
                }
            }
            if let Some(cut) = cut {
                candidates.truncate(cut.max(1));
                kept = sum;
            }
        }
        // 53 random bits: a double between 0 and 1.
        let point = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 * kept;
        let mut sum = 0.0;
        let drawn = candidates.iter().find(|(_, weight)| {
            sum += f64::from(*weight);
            sum > point
        });
        let token = drawn.or(candidates.last()).map_or_else(|| likeliest(logits), |(token, _)| *token);
        self.candidates = candidates;
        token
    }
}

/// Logits whose largest is found at once.
const BLOCK: usize = 1024;
/// Lanes of a comparison: of independent ones the compiler makes vectors.
const LANES: usize = 16;

/// The token with the largest logit, the first of several.
pub(crate) fn likeliest(logits: &[f32]) -> u32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (mut begin, mut most) = (0, f32::NEG_INFINITY);
    for (index, block) in logits.chunks(BLOCK).enumerate() {
        let (wide, rest) = block.as_chunks::<LANES>();
        let mut lanes = [f32::NEG_INFINITY; LANES];
        for values in wide {
            for (lane, value) in lanes.iter_mut().zip(values) {
                *lane = larger(*lane, *value);
            }
        }
        let here = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger);
        if here > most {
            (begin, most) = (index * BLOCK, here);
        }
    }
    (0_u32..).zip(logits).skip(begin).find(|(_, logit)| **logit == most).map_or(0, |(token, _)| token)
}

/// The `count` likeliest tokens, the likeliest first.
fn top(logits: &[f32], count: usize) -> Vec<u32> {
    let count = count.min(logits.len());
    if count == 0 {
        return Vec::new();
    }
    let order = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    let mut tokens: Vec<u32> = (0_u32..).take(logits.len()).collect();
    if count < tokens.len() {
        tokens.select_nth_unstable_by(count - 1, order);
        tokens.truncate(count);
    }
    tokens.sort_unstable_by(order);
    tokens
}

/// The logarithm of the sum of all exponentials.
#[allow(clippy::cast_possible_truncation, reason = "more precise than the logits themselves")]
fn log_sum_exp(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    most + sum.ln() as f32
}

/// A seed that nobody can foresee.
fn random_seed() -> Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| BackendError::internal(format!("the system gives no random numbers: {error}")))?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests;
