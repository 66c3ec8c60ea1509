//! What is told about models: plain data for lists and details.

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use serde::Serialize;

use super::{
    catalog::Entry,
    describe::{ModelKind, Step},
    files::ModelFile,
    variants::Variant,
};

/// One model in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// Id: the path below the models folder, or the name of one inside the binary.
    pub id: String,
    /// What it does.
    pub kind: ModelKind,
    /// Most tokens of one input; `None` where the model has no limit.
    pub context_length: Option<usize>,
    /// Bytes of the ONNX file that runs by default and of its weights.
    pub size: u64,
    /// When it came to this machine, in seconds since 1970.
    pub created: u64,
    /// Whether it is in memory.
    pub loaded: bool,
    /// Whether it is inside the binary.
    pub embedded: bool,
    /// Length of its vectors, where it is an embedding model and its files or its graph tell.
    pub dimensions: Option<usize>,
    /// Why it cannot be used, where it cannot.
    pub problem: Option<String>,
}

/// One model with everything that its files tell.
#[derive(Debug, Clone, Serialize)]
pub struct ModelDetails {
    /// The same as in the list.
    pub info: ModelInfo,
    /// Its files, sorted by path.
    pub files: Vec<ModelFile>,
    /// ONNX files that can run it, the default one first.
    pub variants: Vec<Variant>,
    /// `config.json`, as it is.
    pub config: Option<serde_json::Value>,
    /// Class name in transformers.
    pub architecture: Option<String>,
    /// What it embeds with, where it is an embedding model.
    pub embedding: Option<EmbeddingModelInfo>,
    /// Bytes of memory that the default variant will need, by estimate; its size where its graph cannot be read.
    pub memory: u64,
}

/// One embedding model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmbeddingModelInfo {
    /// Id.
    pub id: String,
    /// Length of its vectors; `None` where only the graph tells and it is not loaded.
    pub dimensions: Option<usize>,
    /// Lengths to which its vectors were trained to be cut; empty where its files name none, and then any shorter
    /// length is taken.
    pub matryoshka: Vec<usize>,
    /// Most tokens of one input.
    pub max_length: Option<usize>,
    /// Pooling modes; empty where the graph gives the vector of the text itself.
    pub pooling: Vec<&'static str>,
    /// Whether its vectors have unit length.
    pub normalized: bool,
    /// Prompts by name.
    pub prompts: BTreeMap<String, String>,
    /// Prompt that is used where a request names none.
    pub default_prompt: Option<String>,
    /// Similarity for which it was trained.
    pub similarity: Option<String>,
    /// Whether it is in memory.
    pub loaded: bool,
}

impl ModelInfo {
    /// What the files of `entry` tell. `loaded` is the length of its vectors, where it is in memory.
    pub(crate) fn new(entry: &Entry, loaded: bool, dimensions: Option<usize>) -> Self {
        let description = entry.description.as_ref().ok();
        let embeds = entry.kind() == ModelKind::Embedding;
        Self {
            id: entry.id.clone(),
            kind: entry.kind(),
            context_length: description.and_then(|found| found.max_length),
            size: entry.variants.first().map_or(0, |variant| variant.size),
            created: entry
                .created()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map_or(0, |since| since.as_secs()),
            loaded,
            embedded: entry.embedded(),
            dimensions: dimensions.or_else(|| description.filter(|_| embeds)?.dimensions),
            problem: entry.problem().map(|error| error.to_string()),
        }
    }
}

impl EmbeddingModelInfo {
    /// `None` where `entry` is no embedding model that can be used.
    pub(crate) fn new(entry: &Entry, loaded: bool, dimensions: Option<usize>) -> Option<Self> {
        let description = entry.description.as_ref().ok()?;
        if description.kind != ModelKind::Embedding || entry.problem().is_some() {
            return None;
        }
        let pooling = description.steps.iter().find_map(|step| match step {
            Step::Pool(pooling) => Some(pooling.modes.iter().map(|mode| mode.name()).collect()),
            _ => None,
        });
        Some(Self {
            id: entry.id.clone(),
            dimensions: dimensions.or(description.dimensions),
            matryoshka: description.matryoshka.clone(),
            max_length: description.max_length,
            pooling: pooling.unwrap_or_default(),
            normalized: description.steps.last() == Some(&Step::Normalize),
            prompts: description.prompts.texts.clone(),
            default_prompt: description.prompts.default.clone(),
            similarity: description.similarity.clone(),
            loaded,
        })
    }
}
