//! Texts to token ids: never cut without a word, never padded here.
//!
//! Padding is the batch former's, which knows the neighbours; the tokenizer's own padding and truncation are switched
//! off when it is read. An input over the maximum length is an error unless its sender allowed truncation, and then the
//! answer counts what was cut. Token ids that a client sends are ids of *this* model's vocabulary: libraries that
//! tokenise for OpenAI's models by default (LangChain with `check_embedding_ctx_length`) send ids of another vocabulary,
//! which no server can tell from its own as long as they are in range.

use tokenizers::{
    Encoding, Tokenizer as Inner, TruncationDirection, TruncationParams, TruncationStrategy,
    utils::truncation::truncate_encodings,
};

use crate::{
    error::{BackendError, Result},
    models::{Description, ModelFiles},
};

/// The tokenizer of one model.
pub struct Tokenizer {
    inner: Inner,
    max_length: Option<usize>,
    lower_case: bool,
    special_tokens: bool,
    vocabulary: usize,
}

/// One input, tokenised: what the graph is given, without padding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// Segment of each token, empty where all are 0.
    pub types: Vec<u32>,
    /// Whether the input was longer than the model takes and was cut.
    pub truncated: bool,
    /// Tokens at the start that pooling leaves out: those of a prompt that the model excludes.
    pub skip: usize,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where it is missing or not a tokenizer.
    pub fn open(model: &str, files: &ModelFiles, description: &Description) -> Result<Self> {
        let name = ["tokenizer.json", "0_StaticEmbedding/tokenizer.json", "0_Transformer/tokenizer.json"]
            .into_iter()
            .find(|name| files.has(name))
            .ok_or_else(|| BackendError::corrupted(model, missing(files)))?;
        let bytes = files.read(model, name)?.unwrap_or_default();
        let corrupted = |error: tokenizers::Error| {
            BackendError::corrupted(model, format!("{name} is not a tokenizer: {error}"))
        };
        let mut inner = Inner::from_bytes(&bytes).map_err(corrupted)?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(corrupted)?;
        let largest = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Ok(Self {
            inner,
            max_length: description.max_length,
            lower_case: description.lower_case,
            special_tokens: description.special_tokens,
            vocabulary: description.vocabulary.map_or(largest, |table| table.min(largest)),
        })
    }

    /// Most tokens of one input, special tokens included; `None` where the model has no limit.
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// Number of token ids; a valid id is below it.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Tokenises one text. `field` names it in errors, as the request does (`input[3]`).
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where it is longer than the model takes and `truncate` is false, or has no token.
    pub fn encode(&self, field: &str, text: &str, truncate: bool) -> Result<Tokens> {
        let lower;
        let text = if self.lower_case {
            lower = text.to_lowercase();
            lower.as_str()
        } else {
            text
        };
        let failed = |error: tokenizers::Error| cannot(field, &error);
        let encoding = self.inner.encode_fast(text, self.special_tokens).map_err(failed)?;
        let length = encoding.len();
        match self.max_length {
            Some(limit) if length > limit => {
                if !truncate {
                    return Err(too_long(field, length, limit));
                }
                let plain = self.inner.encode_fast(text, false).map_err(failed)?;
                let added = if self.special_tokens { self.inner_added(false) } else { 0 };
                let (cut, _) = truncate_encodings(plain, None, &longest_first(limit.saturating_sub(added)))
                    .map_err(failed)?;
                let encoding = self.inner.post_process(cut, None, self.special_tokens).map_err(failed)?;
                tokens(field, &encoding, true)
            }
            _ => tokens(field, &encoding, false),
        }
    }

    /// Tokenises a pair as a cross-encoder takes it: both texts, the separators, the segments.
    ///
    /// With `truncate` the longer of the two loses tokens first, as in sentence-transformers.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the pair is longer than the model takes and `truncate` is false.
    pub fn encode_pair(&self, field: &str, first: &str, second: &str, truncate: bool) -> Result<Tokens> {
        let failed = |error: tokenizers::Error| cannot(field, &error);
        let encoding = self.inner.encode_fast((first, second), true).map_err(failed)?;
        let length = encoding.len();
        match self.max_length {
            Some(limit) if length > limit => {
                if !truncate {
                    return Err(too_long(field, length, limit));
                }
                let first = self.inner.encode_fast(first, false).map_err(failed)?;
                let mut second = self.inner.encode_fast(second, false).map_err(failed)?;
                // Some post-processors take the segment from the encoding instead of setting it.
                second.set_type_ids(vec![1; second.len()]);
                let room = limit.saturating_sub(self.inner_added(true));
                let (first, second) =
                    truncate_encodings(first, Some(second), &longest_first(room)).map_err(failed)?;
                let encoding = self.inner.post_process(first, second, true).map_err(failed)?;
                tokens(field, &encoding, true)
            }
            _ => tokens(field, &encoding, false),
        }
    }

    /// Takes token ids as they are: of this model's vocabulary, special tokens as the sender put them.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where there are none, one is not in the vocabulary, or there are too many and
    /// `truncate` is false.
    pub fn check_ids(&self, field: &str, mut ids: Vec<u32>, truncate: bool) -> Result<Tokens> {
        if ids.is_empty() {
            return Err(BackendError::invalid(field, "is an empty list of token ids; give at least one"));
        }
        if let Some(position) = ids.iter().position(|id| *id as usize >= self.vocabulary) {
            return Err(BackendError::invalid(
                format!("{field}[{position}]"),
                format!(
                    "token id {} is not in this model's vocabulary of {}; ids of another model's tokenizer mean \
                     nothing here: send text",
                    ids[position], self.vocabulary
                ),
            ));
        }
        let length = ids.len();
        let mut truncated = false;
        if let Some(limit) = self.max_length.filter(|limit| length > *limit) {
            if !truncate {
                return Err(too_long(field, length, limit));
            }
            ids.truncate(limit);
            truncated = true;
        }
        Ok(Tokens { ids, truncated, ..Tokens::default() })
    }

    /// Tokens that a prompt occupies at the start of a text, as sentence-transformers counts them.
    pub fn prompt_length(&self, prompt: &str) -> Result<usize> {
        let encoding =
            self.inner.encode_fast(prompt, self.special_tokens).map_err(|error| cannot("prompt", &error))?;
        let ends_special = self.special_tokens
            && encoding.get_ids().last().is_some_and(|id| {
                self.inner
                    .get_added_vocabulary()
                    .get_added_tokens_decoder()
                    .get(id)
                    .is_some_and(|token| token.special)
            });
        Ok(encoding.len() - usize::from(ends_special))
    }

    /// Special tokens that the post-processor adds to one text, or to a pair.
    fn inner_added(&self, pair: bool) -> usize {
        self.inner
            .get_post_processor()
            .map_or(0, |processor| tokenizers::PostProcessor::added_tokens(processor, pair))
    }
}

/// What is said where `tokenizer.json` is missing, by what is there instead.
fn missing(files: &ModelFiles) -> String {
    let slow = ["vocab.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "vocab.json"];
    match slow.into_iter().find(|name| files.has(name)) {
        Some(found) => format!(
            "tokenizer.json is missing; {found} is there and is not enough: save the tokenizer with transformers once"
        ),
        None => "tokenizer.json is missing".to_owned(),
    }
}

fn longest_first(max_length: usize) -> TruncationParams {
    TruncationParams {
        direction: TruncationDirection::Right,
        max_length,
        strategy: TruncationStrategy::LongestFirst,
        stride: 0,
    }
}

fn tokens(field: &str, encoding: &Encoding, truncated: bool) -> Result<Tokens> {
    if encoding.is_empty() {
        return Err(BackendError::invalid(
            field,
            "has no token that this model knows; give a text that is not blank",
        ));
    }
    let types = encoding.get_type_ids();
    Ok(Tokens {
        ids: encoding.get_ids().to_vec(),
        types: if types.iter().all(|kind| *kind == 0) { Vec::new() } else { types.to_vec() },
        truncated,
        skip: 0,
    })
}

fn too_long(field: &str, length: usize, limit: usize) -> BackendError {
    BackendError::context_length(
        field,
        format!(
            "is {length} tokens long and the model takes {limit}; shorten it, split it, or send `truncate`: true"
        ),
    )
}

fn cannot(field: &str, error: &tokenizers::Error) -> BackendError {
    BackendError::invalid(field, format!("cannot be tokenised: {error}"))
}

#[cfg(test)]
mod tests;
