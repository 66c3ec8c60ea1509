//! How much memory a model will take, from its real files: weights, keys and values, intermediate results, and the rest.

use serde::Serialize;

use super::graph::{self, GraphFacts, StoredTensor, element_bits};
use crate::{
    error::Result,
    generate::{decoder::is_state, files},
    models::{Entry, ModelKind, Variant},
};

/// Bytes that a model will take, by what for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Weights, as ONNX Runtime holds them.
    pub weights: u64,
    /// Keys and values.
    pub cache: u64,
    /// Intermediate results of a run.
    pub arena: u64,
    /// The tokenizer, the graph itself and the threads.
    pub base: u64,
    /// Bytes of keys and values a token; 0 for a model that generates no text.
    pub token_bytes: u64,
    /// Tokens of each sequence that it is for; 0 for a model that generates no text.
    pub context: usize,
}

impl Estimate {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.with_cache(0)
    }

    /// All of it, where keys and values take so much or more.
    pub fn with_cache(&self, cache: u64) -> u64 {
        self.without_cache().saturating_add(self.cache.max(cache))
    }

    /// All but keys and values.
    pub fn without_cache(&self) -> u64 {
        self.weights.saturating_add(self.arena).saturating_add(self.base)
    }

    /// What is known of a file that cannot be read: its size.
    pub(crate) fn of_file(variant: &Variant) -> Self {
        Self { weights: variant.size, base: BASE, ..Self::default() }
    }
}

/// What an estimate is for.
#[derive(Debug, Clone, Copy)]
pub struct EstimateRequest {
    /// Tokens of one sequence; [`USUAL_CONTEXT`], or what the model takes, where there is none.
    pub context: Option<usize>,
    /// Sequences of that length whose keys and values are counted.
    pub sequences: usize,
    /// Most tokens of a prompt that are read at once.
    pub prompt_part: usize,
    /// Threads that share an operator.
    pub threads: usize,
}

/// Tokens of a conversation that a decoder is expected to have where nobody says how many. Its keys and values grow with
/// what requests ask for; to count all that it could take would refuse models that run well.
pub const USUAL_CONTEXT: usize = 2048;

/// Bytes of a session beside its graph: threads with their stacks, and what ONNX Runtime keeps of every graph.
const BASE: u64 = 4 << 20;

/// Estimates a model.
///
/// # Errors
/// [`crate::BackendError::ModelCorrupted`] where its files cannot be read.
pub fn estimate(entry: &Entry, variant: &Variant, request: &EstimateRequest) -> Result<Estimate> {
    let description = entry.usable()?;
    let facts = graph::read(&entry.id, &entry.files, &variant.file)?;
    let weights = weights(&facts);
    let tokenizer =
        entry.list.iter().filter(|file| file.path.ends_with("tokenizer.json")).map(|file| file.size).max();
    let base = BASE + tokenizer.unwrap_or(0);
    if description.kind != ModelKind::Chat {
        return Ok(Estimate { weights, arena: 0, base, ..Estimate::default() });
    }
    let (longest, sizes) = files::sizes(entry)?;
    let token_bytes = token_bytes(&facts, sizes.kv_heads, sizes.head_dim);
    let context = request.context.unwrap_or_else(|| longest.min(USUAL_CONTEXT));
    let cache = token_bytes.saturating_mul(context as u64).saturating_mul(request.sequences as u64);
    Ok(Estimate { weights, cache, arena: 0, base, token_bytes, context })
}

/// Bytes of keys and values that one token has in all layers, as the graph's inputs say.
fn token_bytes(facts: &GraphFacts, kv_heads: Option<usize>, head_dim: Option<usize>) -> u64 {
    let states = facts.inputs.iter().filter(|input| is_state(&input.name));
    states
        .map(|input| {
            let told = |at: usize, other: Option<usize>| {
                input.shape.get(at).copied().flatten().or(other.map(|size| size as u64)).unwrap_or(1)
            };
            told(1, kv_heads).saturating_mul(told(3, head_dim)).saturating_mul(element_bits(input.element))
                / 8
        })
        .sum()
}

fn weights(facts: &GraphFacts) -> u64 {
    facts.tensors.iter().map(StoredTensor::bytes).sum()
}
