//! What a model is, read from its own files: its kind, its length, and the steps from tokens to a vector.

use serde::{Deserialize, Serialize};

use super::{
    config::{
        ModuleEntry, Pooling, PoolingMode, Prompts, SentenceBertConfig, SentenceConfig, TokenizerConfig,
        TransformerConfig, pooling,
    },
    files::ModelFiles,
    id::join_inside,
};
use crate::error::{BackendError, Result};

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Turns texts into vectors.
    Embedding,
    /// Scores a pair of texts: a cross-encoder.
    Rerank,
    /// Continues text.
    Chat,
    /// Something else, or files that do not tell.
    Unknown,
}

/// One step from the output of the graph to the vector of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Token vectors to one.
    Pool(Pooling),
    /// A linear layer with an activation; the folder of its module.
    Dense(String),
    /// To unit length.
    Normalize,
}

/// What a model's files say about it.
#[derive(Debug, Clone)]
pub struct Description {
    /// What it does.
    pub kind: ModelKind,
    /// Most tokens of one input, special tokens included. `None`: the model has no limit of its own.
    pub max_length: Option<usize>,
    /// Steps after the graph, in order.
    pub steps: Vec<Step>,
    /// Prompts.
    pub prompts: Prompts,
    /// Whether texts are put in lower case before they are tokenised.
    pub lower_case: bool,
    /// Whether the tokenizer adds its special tokens.
    pub special_tokens: bool,
    /// Length of the graph's vectors, where the files tell; else it is known once the model is loaded.
    pub dimensions: Option<usize>,
    /// Lengths to which the vectors were trained to be cut. Empty: the files name none.
    pub matryoshka: Vec<usize>,
    /// Similarity for which the model was trained: `cosine`, `dot`, `euclidean` or `manhattan`.
    pub similarity: Option<String>,
    /// Whether a text's vector is the mean of its tokens' own, which knows nothing of their order.
    pub static_embedding: bool,
    /// Attention heads, for estimates of memory.
    pub heads: usize,
    /// Entries of the token table, where the files tell.
    pub vocabulary: Option<usize>,
    /// Class name in transformers, such as `BertModel`.
    pub architecture: Option<String>,
}

/// Reads what the files of a model say.
///
/// # Errors
/// [`BackendError::ModelCorrupted`] where a file contradicts itself or is not readable,
/// [`BackendError::NotImplemented`] where the model needs a module that this runtime does not have.
pub fn describe(model: &str, files: &ModelFiles) -> Result<Description> {
    let modules: Option<Vec<ModuleEntry>> = files.json(model, "modules.json")?;
    // The transformer's own files lie in the folder of its module: the root, or `0_Transformer` in older models.
    let base = match modules.iter().flatten().find(|module| is_encoder(module.class())) {
        Some(module) => inside(model, "", &module.path)?,
        None => String::new(),
    };
    let at = |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") };
    let config: TransformerConfig = match files.json(model, &at("config.json"))? {
        Some(config) => config,
        None => files.json(model, "config.json")?.unwrap_or_default(),
    };
    let tokenizer: TokenizerConfig = match files.json(model, &at("tokenizer_config.json"))? {
        Some(tokenizer) => tokenizer,
        None => files.json(model, "tokenizer_config.json")?.unwrap_or_default(),
    };
    let sentence_bert: SentenceBertConfig =
        files.json(model, &at("sentence_bert_config.json"))?.unwrap_or_default();
    let sentence: SentenceConfig =
        files.json(model, "config_sentence_transformers.json")?.unwrap_or_default();

    let kind = kind(files, modules.as_deref(), &config);
    let static_embedding = modules.iter().flatten().any(|module| module.class() == "StaticEmbedding");
    let steps = match kind {
        ModelKind::Embedding => steps(model, files, modules.as_deref())?,
        _ => Vec::new(),
    };
    let modes = steps.iter().find_map(|step| match step {
        Step::Pool(pooling) => Some(pooling.modes.len()),
        _ => None,
    });
    let dense = steps.iter().any(|step| matches!(step, Step::Dense(_)));

    // What the author set for sentence-transformers goes before what the tokenizer states; neither goes beyond the
    // positions that the graph has.
    let stated = sentence_bert.max_seq_length.filter(|length| *length > 0).or_else(|| tokenizer.max_length());
    let max_length = match (stated, config.positions().filter(|_| !static_embedding)) {
        (Some(stated), Some(positions)) => Some(stated.min(positions)),
        (stated, positions) => stated.or(positions),
    };
    let mut matryoshka =
        sentence.matryoshka_dimensions.clone().or(config.matryoshka_dimensions.clone()).unwrap_or_default();
    matryoshka.extend(sentence.truncate_dim.or(config.truncate_dim));
    matryoshka.retain(|dimensions| *dimensions > 0);
    matryoshka.sort_unstable();
    matryoshka.dedup();

    Ok(Description {
        kind,
        max_length,
        prompts: sentence.prompts(model)?,
        lower_case: sentence_bert.do_lower_case.unwrap_or(false),
        // sentence-transformers gives its static embeddings no special tokens, whatever their tokenizer would add. One
        // that states its own kind in config.json, as ours does, was trained on what its tokenizer gives.
        special_tokens: !static_embedding || config.model_type.as_deref() == Some("static_embedding"),
        dimensions: if dense { None } else { config.hidden_size.map(|size| size * modes.unwrap_or(1)) },
        steps,
        matryoshka,
        similarity: sentence.similarity_fn_name.clone(),
        static_embedding,
        heads: config.num_attention_heads.unwrap_or(if static_embedding { 0 } else { 12 }),
        vocabulary: config.vocab_size,
        architecture: config.architectures.as_ref().and_then(|names| names.first().cloned()),
    })
}

/// What the model does, by its files.
fn kind(files: &ModelFiles, modules: Option<&[ModuleEntry]>, config: &TransformerConfig) -> ModelKind {
    if config.is("ForSequenceClassification") {
        return if config.labels() == 1 { ModelKind::Rerank } else { ModelKind::Unknown };
    }
    // An embedding model may be made from a decoder: modules.json tells the two apart.
    let embeds = modules.is_some_and(|modules| modules.iter().any(|module| is_encoder(module.class())))
        || files.has("1_Pooling/config.json")
        || files.has("config_sentence_transformers.json");
    if embeds {
        ModelKind::Embedding
    } else if config.is("ForCausalLM") || config.is("LMHeadModel") || files.has("genai_config.json") {
        ModelKind::Chat
    } else if config.is("Model") || config.is("ForMaskedLM") {
        // A bare encoder: sentence-transformers takes it with mean pooling, and so do we.
        ModelKind::Embedding
    } else {
        ModelKind::Unknown
    }
}

/// The steps after the graph.
fn steps(model: &str, files: &ModelFiles, modules: Option<&[ModuleEntry]>) -> Result<Vec<Step>> {
    let Some(modules) = modules else {
        // Without modules.json: what 1_Pooling says, else the mean, which sentence-transformers takes as well.
        let pooled = if files.has("1_Pooling/config.json") {
            pooling(model, files, "1_Pooling/config.json")?
        } else {
            Pooling { modes: vec![PoolingMode::Mean], include_prompt: true }
        };
        return Ok(vec![Step::Pool(pooled)]);
    };
    let mut steps = Vec::new();
    for module in modules {
        match module.class() {
            class if is_encoder(class) => {}
            "Pooling" => {
                let folder = inside(model, "", &module.path)?;
                steps.push(Step::Pool(pooling(model, files, &format!("{folder}/config.json"))?));
            }
            "Dense" => steps.push(Step::Dense(inside(model, "", &module.path)?)),
            "Normalize" => steps.push(Step::Normalize),
            // Dropout does nothing once training is over.
            "Dropout" => {}
            other => {
                return Err(BackendError::NotImplemented {
                    feature: format!(
                        "model `{model}`: its module {other}; a model of Transformer or StaticEmbedding, Pooling, Dense and Normalize"
                    ),
                });
            }
        }
    }
    Ok(steps)
}

/// Whether a module is the part that the ONNX graph holds.
fn is_encoder(class: &str) -> bool {
    matches!(class, "Transformer" | "StaticEmbedding")
}

/// A path that a model's file names, inside the model's folder.
fn inside(model: &str, base: &str, path: &str) -> Result<String> {
    join_inside(base, path).ok_or_else(|| {
        BackendError::corrupted(model, format!("modules.json names the path `{path}`, outside the model"))
    })
}

#[cfg(test)]
mod tests;
