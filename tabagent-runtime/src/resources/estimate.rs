//! How much memory a model will take, from its real files: weights, keys and values, intermediate results, and the rest.

use serde::{Deserialize, Serialize};

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

// The figures below were measured with `examples/memory.rs` on ONNX Runtime 1.31.1 for x86-64 Linux: an encoder with 32-bit
// weights (MiniLM-L6) and decoders with 4-bit ones (135 million and 0.6 billion parameters), each at two contexts.

/// Bytes of a session beside its graph: threads with their stacks, and what ONNX Runtime keeps of every graph.
const BASE: u64 = 4 << 20;
/// Bytes that a tokenizer takes for each byte of its file: its tables are made of small pieces, words and pairs twice.
const TOKENIZER: u64 = 8;
/// Values of the width of the hidden state that are alive at once for each token.
const HIDDEN: u64 = 8;
/// Values of the width of the feed-forward part that are alive beside them.
const FEED_FORWARD: u64 = 2;
/// Bytes that ONNX Runtime's allocator takes for a 32-bit float: it hands out coarse pieces.
const FLOAT: u64 = 5;
/// Tokens of a batch of an encoder on a CPU, and the longest text that is expected of it.
const BATCH: u64 = 512;

/// Estimates a model.
///
/// # Errors
/// [`crate::BackendError::ModelCorrupted`] where its files cannot be read.
pub fn estimate(entry: &Entry, variant: &Variant, request: &EstimateRequest) -> Result<Estimate> {
    let description = entry.usable()?;
    let facts = graph::read(&entry.id, &entry.files, &variant.file)?;
    let widths = Widths::read(entry)?;
    let weights = weights(&facts);
    let tokenizer =
        entry.list.iter().filter(|file| file.path.ends_with("tokenizer.json")).map(|file| file.size).max();
    let base = BASE + TOKENIZER * tokenizer.unwrap_or(0);
    if description.kind != ModelKind::Chat {
        let longest = description.max_length.map_or(BATCH, |length| BATCH.min(length as u64));
        let arena = widths.arena(BATCH, longest, description.heads as u64);
        return Ok(Estimate { weights, arena, base, ..Estimate::default() });
    }
    let (longest, sizes) = files::sizes(entry)?;
    let token_bytes = token_bytes(&facts, sizes.kv_heads, sizes.head_dim);
    let context = request.context.unwrap_or_else(|| longest.min(USUAL_CONTEXT));
    let cache = token_bytes.saturating_mul(context as u64).saturating_mul(request.sequences as u64);
    // Half of them: a prompt's parts see half of it on the way through.
    let arena = widths.arena(request.prompt_part as u64, context as u64 / 2, description.heads as u64);
    Ok(Estimate { weights, cache, arena, base, token_bytes, context })
}

/// Widths of a model's layers, as config.json states them.
#[derive(Debug, Default, Deserialize)]
struct Widths {
    #[serde(default)]
    text_config: Option<Box<Widths>>,
    #[serde(default, alias = "n_embd", alias = "d_model", alias = "dim")]
    hidden_size: Option<u64>,
    #[serde(default, alias = "n_inner", alias = "d_ff", alias = "hidden_dim")]
    intermediate_size: Option<u64>,
}

impl Widths {
    fn read(entry: &Entry) -> Result<Self> {
        let widths: Self = entry.files.json(&entry.id, "config.json")?.unwrap_or_default();
        Ok(match widths.text_config {
            Some(inner) => *inner,
            None => widths,
        })
    }

    /// Bytes of intermediate results where `tokens` run at once, each of which attends to `seen`.
    fn arena(&self, tokens: u64, seen: u64, heads: u64) -> u64 {
        let hidden = self.hidden_size.unwrap_or(1024);
        let inner = self.intermediate_size.unwrap_or(4 * hidden);
        let layer = tokens.saturating_mul(HIDDEN * hidden + FEED_FORWARD * inner);
        let scores = tokens.saturating_mul(seen).saturating_mul(heads);
        layer.saturating_add(scores).saturating_mul(FLOAT)
    }
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

/// Bytes of weights as ONNX Runtime holds them on a CPU.
///
/// What is stored stays, or is replaced by a packed form of the same size. `MatMulNBits` packs integers and scales with the
/// sums of its blocks, as many as scales, and tensors that something else uses as well (a table of tokens that is also the
/// last layer) are there twice.
fn weights(facts: &GraphFacts) -> u64 {
    let stored: u64 = facts.tensors.iter().map(StoredTensor::bytes).sum();
    let of = |name: &String| {
        facts.tensors.iter().find(|tensor| tensor.name == *name).map_or(0, StoredTensor::bytes)
    };
    let sums: u64 = facts.packed.iter().map(|(_, scales)| of(scales)).sum();
    let shared =
        facts.packed.iter().filter(|(weights, _)| facts.uses.get(weights).is_some_and(|uses| *uses > 1));
    let twice: u64 = shared.map(|(weights, scales)| of(weights) + of(scales)).sum();
    stored.saturating_add(sums).saturating_add(twice)
}
