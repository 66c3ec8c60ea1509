//! What the files of a decoder say: its context, its end tokens, the sizes of its cache, and the defaults of its author.

use serde::Deserialize;

use super::decoder::Sizes;
use crate::{
    error::{BackendError, Result},
    models::{Entry, ModelFiles},
    tokenizer::Tokenizer,
};

/// `config.json` of a decoder. Models that also see or hear keep it below `text_config`.
#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    text_config: Option<Box<Config>>,
    #[serde(default, alias = "n_positions", alias = "n_ctx")]
    max_position_embeddings: Option<usize>,
    #[serde(default, alias = "n_embd")]
    hidden_size: Option<usize>,
    #[serde(default, alias = "n_head")]
    num_attention_heads: Option<usize>,
    #[serde(default)]
    num_key_value_heads: Option<usize>,
    #[serde(default)]
    head_dim: Option<usize>,
    #[serde(default)]
    vocab_size: Option<usize>,
    #[serde(default)]
    eos_token_id: Option<OneOrMany>,
}

/// One id or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
        }
    }
}

/// `generation_config.json`: how its author samples.
#[derive(Debug, Clone, Default, Deserialize)]
struct GenerationConfig {
    #[serde(default)]
    eos_token_id: Option<OneOrMany>,
    #[serde(default)]
    do_sample: Option<bool>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    top_k: Option<usize>,
    #[serde(default)]
    top_p: Option<f32>,
    #[serde(default)]
    min_p: Option<f32>,
    #[serde(default)]
    repetition_penalty: Option<f32>,
}

/// `genai_config.json`, of onnxruntime-genai's builder.
#[derive(Debug, Default, Deserialize)]
struct GenaiConfig {
    model: GenaiModel,
}

#[derive(Debug, Default, Deserialize)]
struct GenaiModel {
    #[serde(default)]
    context_length: Option<usize>,
    #[serde(default)]
    eos_token_id: Option<OneOrMany>,
    #[serde(default)]
    vocab_size: Option<usize>,
    #[serde(default)]
    decoder: GenaiDecoder,
}

#[derive(Debug, Default, Deserialize)]
struct GenaiDecoder {
    #[serde(default)]
    head_size: Option<usize>,
    #[serde(default)]
    num_key_value_heads: Option<usize>,
    #[serde(default)]
    sliding_window: Option<GenaiWindow>,
}

#[derive(Debug, Default, Deserialize)]
struct GenaiWindow {
    #[serde(default)]
    slide_key_value_cache: bool,
}

/// What the author of a model recommends for sampling; what is absent is the server's to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SamplingDefaults {
    /// See [`super::SamplingOptions::temperature`]; 0 where the author takes the likeliest token.
    pub temperature: Option<f32>,
    /// See [`super::SamplingOptions::top_k`].
    pub top_k: Option<usize>,
    /// See [`super::SamplingOptions::top_p`].
    pub top_p: Option<f32>,
    /// See [`super::SamplingOptions::min_p`].
    pub min_p: Option<f32>,
    /// See [`super::SamplingOptions::repetition_penalty`].
    pub repetition_penalty: Option<f32>,
}

/// What the files of a decoder say.
#[derive(Debug, Clone)]
pub(crate) struct DecoderFiles {
    /// Tokens of one sequence, prompt and answer together.
    pub(crate) context: usize,
    /// Tokens that end an answer.
    pub(crate) ends: Vec<u32>,
    pub(crate) sizes: Sizes,
    pub(crate) defaults: SamplingDefaults,
}

/// Tokens of a model whose files do not tell how many it takes.
const UNKNOWN_CONTEXT: usize = 2048;

impl DecoderFiles {
    /// Reads them.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where a file is not what it should be, or no token ends an answer;
    /// [`BackendError::NotImplemented`] for a cache that slides.
    pub(crate) fn read(entry: &Entry, tokenizer: &Tokenizer) -> Result<Self> {
        let (id, files) = (entry.id.as_str(), &entry.files);
        let (config, genai) = configs(id, files)?;
        let generation: GenerationConfig = files.json(id, "generation_config.json")?.unwrap_or_default();
        let (context, sizes) = stated(&config, &genai);
        if genai.decoder.sliding_window.is_some_and(|window| window.slide_key_value_cache) {
            return Err(BackendError::NotImplemented {
                feature: format!(
                    "model `{id}`: a cache that slides (sliding_window.slide_key_value_cache in genai_config.json); \
                     a graph built with windowed_kv_cache=false"
                ),
            });
        }
        let mut ends: Vec<u32> = [generation.eos_token_id.clone(), genai.eos_token_id, config.eos_token_id]
            .into_iter()
            .flatten()
            .flat_map(OneOrMany::into_vec)
            .collect();
        ends.extend(end_token(id, files, tokenizer)?);
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            return Err(BackendError::corrupted(
                id,
                "no file says which token ends an answer; set eos_token_id in generation_config.json",
            ));
        }
        // Greedy where its author does not sample: what transformers does with the same files.
        let temperature = match generation.do_sample {
            Some(false) => Some(0.0),
            _ => generation.temperature,
        };
        Ok(Self {
            context,
            ends,
            sizes,
            defaults: SamplingDefaults {
                temperature,
                top_k: generation.top_k,
                top_p: generation.top_p,
                min_p: generation.min_p,
                repetition_penalty: generation.repetition_penalty,
            },
        })
    }
}

/// What the files say of the size of a decoder's sequences, without its tokenizer: the tokens of one, prompt and answer
/// together, and the sizes of its cache.
///
/// # Errors
/// [`BackendError::ModelCorrupted`] where a file is not what it should be.
pub(crate) fn sizes(entry: &Entry) -> Result<(usize, Sizes)> {
    let (config, genai) = configs(&entry.id, &entry.files)?;
    Ok(stated(&config, &genai))
}

fn configs(id: &str, files: &ModelFiles) -> Result<(Config, GenaiModel)> {
    let config: Config = files.json(id, "config.json")?.unwrap_or_default();
    let config = match config.text_config {
        Some(inner) => *inner,
        None => config,
    };
    let genai: Option<GenaiConfig> = files.json(id, "genai_config.json")?;
    Ok((config, genai.map(|config| config.model).unwrap_or_default()))
}

fn stated(config: &Config, genai: &GenaiModel) -> (usize, Sizes) {
    let context = genai.context_length.or(config.max_position_embeddings).filter(|length| *length > 1);
    let sizes = Sizes {
        kv_heads: genai
            .decoder
            .num_key_value_heads
            .or(config.num_key_value_heads)
            .or(config.num_attention_heads),
        head_dim: genai.decoder.head_size.or(config.head_dim).or_else(|| {
            let heads = config.num_attention_heads.filter(|heads| *heads > 0)?;
            Some(config.hidden_size? / heads)
        }),
        vocabulary: genai.vocab_size.or(config.vocab_size),
    };
    (context.unwrap_or(UNKNOWN_CONTEXT), sizes)
}

/// The end token that tokenizer_config.json names, which chat templates write after each turn.
fn end_token(id: &str, files: &ModelFiles, tokenizer: &Tokenizer) -> Result<Option<u32>> {
    #[derive(Default, Deserialize)]
    struct TokenizerConfig {
        #[serde(default)]
        eos_token: Option<TokenName>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TokenName {
        Name(String),
        Token { content: String },
    }
    let config: TokenizerConfig = files.json(id, "tokenizer_config.json")?.unwrap_or_default();
    Ok(config.eos_token.and_then(|name| {
        let (TokenName::Name(name) | TokenName::Token { content: name }) = name;
        tokenizer.token_id(&name)
    }))
}
