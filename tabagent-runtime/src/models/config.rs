//! The files that a Hugging Face repository keeps beside its weights: what is read of each, and nothing more.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::files::ModelFiles;
use crate::error::{BackendError, Result};

/// `config.json`, of transformers.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct TransformerConfig {
    #[serde(default)]
    pub(crate) architectures: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) model_type: Option<String>,
    #[serde(default)]
    num_labels: Option<usize>,
    #[serde(default)]
    id2label: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default, alias = "n_positions", alias = "n_ctx")]
    max_position_embeddings: Option<i64>,
    #[serde(default)]
    pad_token_id: Option<serde_json::Value>,
    #[serde(default, alias = "dim", alias = "n_embd", alias = "d_model")]
    pub(crate) hidden_size: Option<usize>,
    #[serde(default, alias = "n_heads", alias = "n_head")]
    pub(crate) num_attention_heads: Option<usize>,
    #[serde(default)]
    pub(crate) vocab_size: Option<usize>,
    #[serde(default)]
    pub(crate) matryoshka_dimensions: Option<Vec<usize>>,
    #[serde(default)]
    pub(crate) truncate_dim: Option<usize>,
}

impl TransformerConfig {
    /// Number of labels of a classifier; transformers counts two where the file says nothing.
    pub(crate) fn labels(&self) -> usize {
        self.id2label.as_ref().map(BTreeMap::len).or(self.num_labels).unwrap_or(2)
    }

    /// Whether an architecture's name ends with `suffix`.
    pub(crate) fn is(&self, suffix: &str) -> bool {
        self.architectures.iter().flatten().any(|name| name.ends_with(suffix))
    }

    /// Most tokens for which the graph has positions.
    ///
    /// RoBERTa's kind counts positions from the padding id plus one: of 514 entries 512 can be used.
    pub(crate) fn positions(&self) -> Option<usize> {
        let entries = usize::try_from(self.max_position_embeddings?).ok().filter(|entries| *entries > 0)?;
        let offset = match self.model_type.as_deref() {
            Some("roberta" | "xlm-roberta" | "camembert" | "mpnet" | "xlm-roberta-xl" | "longformer") => {
                let pad = self.pad_token_id.as_ref().and_then(serde_json::Value::as_u64).unwrap_or(1);
                usize::try_from(pad).unwrap_or(1) + 1
            }
            _ => 0,
        };
        Some(entries.saturating_sub(offset))
    }
}

/// `tokenizer_config.json`, of transformers.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct TokenizerConfig {
    /// A number, and where nothing is known one about 1e30.
    #[serde(default)]
    model_max_length: Option<f64>,
}

impl TokenizerConfig {
    /// The maximum length, where one is stated.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Checked to lie between 1 and 1e9.
    pub(crate) fn max_length(&self) -> Option<usize> {
        self.model_max_length.filter(|length| (1.0..=1e9).contains(length)).map(|length| length as usize)
    }
}

/// `sentence_bert_config.json`, of sentence-transformers.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct SentenceBertConfig {
    #[serde(default)]
    pub(crate) max_seq_length: Option<usize>,
    #[serde(default)]
    pub(crate) do_lower_case: Option<bool>,
}

/// `config_sentence_transformers.json`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct SentenceConfig {
    #[serde(default)]
    prompts: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    default_prompt_name: Option<String>,
    #[serde(default)]
    pub(crate) similarity_fn_name: Option<String>,
    #[serde(default)]
    pub(crate) truncate_dim: Option<usize>,
    #[serde(default)]
    pub(crate) matryoshka_dimensions: Option<Vec<usize>>,
}

/// The prompts of a model: texts put before the input, by the use that is made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// Text by name, such as `query` and `passage`.
    pub texts: BTreeMap<String, String>,
    /// Name of the one that is used where a request names none.
    pub default: Option<String>,
}

impl SentenceConfig {
    /// The prompts that are stated.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where the default names none of them.
    pub(crate) fn prompts(&self, model: &str) -> Result<Prompts> {
        let texts: BTreeMap<_, _> = self
            .prompts
            .iter()
            .flatten()
            .filter_map(|(name, text)| text.as_ref().map(|text| (name.clone(), text.clone())))
            .collect();
        match &self.default_prompt_name {
            Some(name) if !texts.contains_key(name) => Err(BackendError::corrupted(
                model,
                format!(
                    "config_sentence_transformers.json names the default prompt `{name}` and does not have it"
                ),
            )),
            default => Ok(Prompts { texts, default: default.clone() }),
        }
    }
}

/// One entry of `modules.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ModuleEntry {
    #[serde(default)]
    pub(crate) path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl ModuleEntry {
    /// The class: the last part of the type's name, which all versions of sentence-transformers share.
    pub(crate) fn class(&self) -> &str {
        self.kind.rsplit('.').next().unwrap_or_default()
    }
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolingMode {
    /// The first token's.
    Cls,
    /// The mean.
    Mean,
    /// The maximum of each dimension.
    Max,
    /// The sum, divided by the square root of the number of tokens.
    MeanSqrtLen,
    /// The mean weighted by position, the first token weighing 1, the second 2.
    WeightedMean,
    /// The last token's.
    LastToken,
}

impl PoolingMode {
    /// Name in the field, as sentence-transformers writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::MeanSqrtLen => "mean_sqrt_len_tokens",
            Self::WeightedMean => "weightedmean",
            Self::LastToken => "lasttoken",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Cls, Self::Max, Self::Mean, Self::MeanSqrtLen, Self::WeightedMean, Self::LastToken]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

/// Pooling: the modes, whose vectors are joined where there are several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooling {
    /// In the order in which they are joined.
    pub modes: Vec<PoolingMode>,
    /// Whether the tokens of a prompt take part.
    pub include_prompt: bool,
}

/// One name or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// `1_Pooling/config.json`: the classic form with a flag a mode, and the one of sentence-transformers 5.
#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode: Option<OneOrMany>,
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
    #[serde(default)]
    pooling_mode_weightedmean_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
    #[serde(default)]
    include_prompt: Option<bool>,
}

/// Reads the configuration of a pooling module.
///
/// # Errors
/// [`BackendError::ModelCorrupted`] where it is missing, is not JSON or names a mode that does not exist.
pub(crate) fn pooling(model: &str, files: &ModelFiles, file: &str) -> Result<Pooling> {
    let config: PoolingConfig = files.json(model, file)?.ok_or_else(|| {
        BackendError::corrupted(model, format!("{file} is missing, which modules.json names"))
    })?;
    let named = match config.pooling_mode {
        Some(OneOrMany::One(name)) => vec![name],
        Some(OneOrMany::Many(names)) => names,
        None => Vec::new(),
    };
    let mut modes = Vec::new();
    for name in &named {
        modes.push(PoolingMode::parse(name).ok_or_else(|| {
            BackendError::corrupted(
                model,
                format!("{file} names the pooling mode `{name}`, which does not exist"),
            )
        })?);
    }
    if modes.is_empty() {
        // The order in which sentence-transformers joins them.
        let flags = [
            (config.pooling_mode_cls_token, PoolingMode::Cls),
            (config.pooling_mode_max_tokens, PoolingMode::Max),
            (config.pooling_mode_mean_tokens, PoolingMode::Mean),
            (config.pooling_mode_mean_sqrt_len_tokens, PoolingMode::MeanSqrtLen),
            (config.pooling_mode_weightedmean_tokens, PoolingMode::WeightedMean),
            (config.pooling_mode_lasttoken, PoolingMode::LastToken),
        ];
        modes.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, mode)| mode));
    }
    if modes.is_empty() {
        modes.push(PoolingMode::Mean);
    }
    Ok(Pooling { modes, include_prompt: config.include_prompt.unwrap_or(true) })
}

/// `config.json` of a Dense module.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DenseConfig {
    pub(crate) in_features: usize,
    pub(crate) out_features: usize,
    #[serde(default = "yes")]
    pub(crate) bias: bool,
    #[serde(default)]
    pub(crate) activation_function: Option<String>,
    #[serde(default)]
    pub(crate) module_input_name: Option<String>,
    #[serde(default)]
    pub(crate) module_output_name: Option<String>,
}

fn yes() -> bool {
    true
}
