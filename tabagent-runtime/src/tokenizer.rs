//! Texts to token ids: never cut without a word, never padded here.
//!
//! Padding is the batch former's, which knows the neighbours; the tokenizer's own padding and truncation are switched
//! off when it is read. An input over the maximum length is an error unless its sender allowed truncation, and then the
//! answer counts what was cut. Token ids that a client sends are ids of *this* model's vocabulary: libraries that
//! tokenise for OpenAI's models by default (LangChain with `check_embedding_ctx_length`) send ids of another vocabulary,
//! which no server can tell from its own as long as they are in range.

mod bytes;
mod seams;

use std::panic::catch_unwind;

use bytes::Spelling;
use seams::Seams;
use tokenizers::{Encoding, Tokenizer as Inner, TruncationDirection};

use crate::{
    compute::Abandoned,
    error::{BackendError, Result},
    models::{Description, ModelFiles},
};

/// Bytes of text that are tokenised at once where a text can be parted.
const PIECE: usize = 16 << 10;

/// The tokenizer of one model.
pub struct Tokenizer {
    inner: Inner,
    max_length: Option<usize>,
    lower_case: bool,
    special_tokens: bool,
    vocabulary: usize,
    /// Where long texts may be parted.
    seams: Option<Seams>,
    /// How the vocabulary writes bytes.
    spelling: Spelling,
    /// Bytes of the longest token, at least.
    longest: usize,
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
        let name = locate(|name| files.has(name)).map_err(|reason| BackendError::corrupted(model, reason))?;
        let bytes = files.read(model, name)?.unwrap_or_default();
        let corrupted = |error: tokenizers::Error| {
            BackendError::corrupted(model, format!("{name} is not a tokenizer: {error}"))
        };
        let mut inner = read(&bytes).map_err(corrupted)?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(corrupted)?;
        let longest = inner.get_vocab(true).keys().map(String::len).max().unwrap_or(0);
        let largest = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Ok(Self {
            seams: Seams::of(&inner),
            spelling: Spelling::of(&inner),
            inner,
            longest,
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
        self.encode_until(field, text, truncate, &|| false)
    }

    /// [`Tokenizer::encode`] that leaves a long text in the middle, with an error, once `stopped`.
    pub(crate) fn encode_until(
        &self,
        field: &str,
        text: &str,
        truncate: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Tokens> {
        let lower;
        let text = if self.lower_case {
            lower = text.to_lowercase();
            lower.as_str()
        } else {
            text
        };
        let failed = |error: tokenizers::Error| cannot(field, &error);
        let added = self.special();
        let room = self.max_length.map(|limit| limit.saturating_sub(added));
        let plain = self.plain(field, text, room.unwrap_or(usize::MAX), stopped)?;
        let length = plain.encoding.len() + added;
        let mut encoding = plain.encoding;
        let mut truncated = false;
        if let (Some(limit), Some(room)) = (self.max_length, room)
            && length > limit
        {
            if !truncate {
                return Err(too_long(field, length, plain.whole, limit));
            }
            cut(&mut encoding, room);
            truncated = true;
        }
        let encoding = self.inner.post_process(encoding, None, self.special_tokens).map_err(failed)?;
        tokens(field, &encoding, truncated)
    }

    /// Tokens of a text without the special ones, whatever its length.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where it cannot be tokenised.
    pub(crate) fn count(&self, field: &str, text: &str, stopped: &dyn Fn() -> bool) -> Result<usize> {
        let plain = if self.lower_case {
            self.plain(field, &text.to_lowercase(), usize::MAX, stopped)
        } else {
            self.plain(field, text, usize::MAX, stopped)
        };
        Ok(plain?.encoding.len())
    }

    /// Special tokens that are added to a text.
    pub(crate) fn special(&self) -> usize {
        if self.special_tokens { self.inner_added(false) } else { 0 }
    }

    /// Tokenises a pair as a cross-encoder takes it: both texts, the separators, the segments.
    ///
    /// With `truncate` the longer of the two loses tokens first, as in sentence-transformers.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the pair is longer than the model takes and `truncate` is false.
    pub fn encode_pair(&self, field: &str, first: &str, second: &str, truncate: bool) -> Result<Tokens> {
        let first = self.first(field, first, truncate, &|| false)?;
        self.pair(field, &first, second, truncate, &|| false)
    }

    /// Tokenises the first text of pairs, once for all of them; leaves a long one in the middle, with an error, once
    /// `stopped`.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where it is too long for any pair and `truncate` is false.
    pub(crate) fn first(
        &self,
        field: &str,
        text: &str,
        truncate: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Result<First> {
        let added = self.inner_added(true);
        let room = self.max_length.map_or(usize::MAX, |limit| limit.saturating_sub(added));
        // Of an odd number of tokens the longer of two long texts keeps one more, which only reading tells.
        let most = if truncate && room % 2 == 1 { usize::MAX } else { room };
        let Plain { mut encoding, whole } = self.plain(field, text, most, stopped)?;
        let length = encoding.len();
        if let Some(limit) = self.max_length
            && length > room
            && !truncate
        {
            return Err(too_long(field, length + added, whole, limit));
        }
        cut(&mut encoding, room);
        Ok(First { encoding, length })
    }

    /// Tokenises the second text of a pair and joins it to the first; leaves a long one in the middle, with an error, once
    /// `stopped`.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the pair is longer than the model takes and `truncate` is false.
    pub(crate) fn pair(
        &self,
        field: &str,
        first: &First,
        second: &str,
        truncate: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Tokens> {
        let added = self.inner_added(true);
        let room = self.max_length.map_or(usize::MAX, |limit| limit.saturating_sub(added));
        let most = room.max(first.length);
        let Plain { encoding: mut second, whole } = self.plain(field, second, most, stopped)?;
        let length = first.length.saturating_add(second.len());
        let mut first_kept = first.encoding.clone();
        let truncated = length > room;
        if truncated {
            if let Some(limit) = self.max_length.filter(|_| !truncate) {
                return Err(too_long(field, length + added, whole, limit));
            }
            let (kept, second_kept) = kept(first.length, second.len(), room);
            cut(&mut first_kept, kept);
            cut(&mut second, second_kept);
        }
        // Some post-processors take the segment from the encoding instead of setting it.
        second.set_type_ids(vec![1; second.len()]);
        let encoding =
            self.inner.post_process(first_kept, Some(second), true).map_err(|error| cannot(field, &error))?;
        tokens(field, &encoding, truncated)
    }

    /// The token ids of a text that says its special tokens itself, as a rendered chat template does. At most a few more
    /// than `most` where the text can be parted.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where it cannot be tokenised.
    pub(crate) fn encode_plain(
        &self,
        field: &str,
        text: &str,
        most: usize,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<u32>> {
        self.check_size(field, text, most)?;
        Ok(self.plain(field, text, most, stopped)?.encoding.get_ids().to_vec())
    }

    /// The token ids of a text with the special tokens of a text by itself, whatever its length: the limit of a decoder is
    /// its caller's to hold. At most a few more than `most` where the text can be parted.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where it cannot be tokenised.
    pub(crate) fn encode_text(
        &self,
        field: &str,
        text: &str,
        most: usize,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<u32>> {
        self.check_size(field, text, most)?;
        let plain = self.plain(field, text, most, stopped)?;
        let encoding =
            self.inner.post_process(plain.encoding, None, true).map_err(|error| cannot(field, &error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Refuses a text that is more than `most` tokens for sure, before the time is spent that reading it takes: the library
    /// reads a text of a byte-level vocabulary as a whole.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`], as for a text that was read.
    fn check_size(&self, field: &str, text: &str, most: usize) -> Result<()> {
        // Such a vocabulary has a token for every byte. What normalisation composes has at most three times the bytes.
        let largest = most.saturating_mul(self.longest).saturating_mul(3);
        if self.spelling == Spelling::ByteLevel && text.len() > largest {
            let bytes = text.len();
            let reason = format!(
                "has {bytes} bytes, which is more than the {most} tokens that the model takes with its answer"
            );
            return Err(BackendError::context_length(field, reason));
        }
        Ok(())
    }

    /// The bytes that a token stands for, which may be a part of a character.
    pub(crate) fn bytes_of(&self, id: u32) -> Vec<u8> {
        let token = self.inner.id_to_token(id).unwrap_or_default();
        if self.inner.get_added_tokens_decoder().contains_key(&id) {
            return token.into_bytes();
        }
        self.spelling.bytes(&token)
    }

    /// The bytes that a token adds to a text; none for a special token, which is no text.
    pub(crate) fn text_bytes(&self, id: u32) -> Vec<u8> {
        let special = self.inner.get_added_tokens_decoder().get(&id).is_some_and(|token| token.special);
        if special { Vec::new() } else { self.bytes_of(id) }
    }

    /// Whether a space in front of a text is no part of it.
    pub(crate) fn strips_space(&self) -> bool {
        self.spelling == Spelling::SentencePiece { strips: true }
    }

    /// The id of a token by its name in the vocabulary.
    pub(crate) fn token_id(&self, name: &str) -> Option<u32> {
        self.inner.token_to_id(name)
    }

    /// A text without special tokens. Of a text that can be parted only as much is read as gives more than `most` tokens,
    /// of which the first `most` are those of the whole.
    fn plain(&self, field: &str, text: &str, most: usize, stopped: &dyn Fn() -> bool) -> Result<Plain> {
        let failed = |error: tokenizers::Error| cannot(field, &error);
        let Some(seams) = self.seams.as_ref().filter(|_| text.len() > PIECE) else {
            let encoding = self.inner.encode_fast(text, false).map_err(failed)?;
            return Ok(Plain { encoding, whole: true });
        };
        let mut encoding = Encoding::default();
        let mut rest = text;
        while !rest.is_empty() && encoding.len() <= most {
            let (part, after) = rest.split_at(seams.after(&self.inner, rest, PIECE));
            // A part far longer than a piece has no seam: its start is read, and more of it while that is not enough.
            let mut size = PIECE;
            while size < part.len() / 2
                && let Some(end) = seams.stop(&self.inner, part, size)
            {
                if stopped() {
                    return Err(Abandoned::error());
                }
                let start = self.inner.encode_fast(&part[..end], false).map_err(failed)?;
                if encoding.len() + start.len() > most {
                    encoding.merge_with(start, false);
                    return Ok(Plain { encoding, whole: false });
                }
                size = end.saturating_mul(4);
            }
            if stopped() {
                return Err(Abandoned::error());
            }
            encoding.merge_with(self.inner.encode_fast(part, false).map_err(failed)?, false);
            rest = after;
        }
        Ok(Plain { encoding, whole: rest.is_empty() })
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
                return Err(too_long(field, length, true, limit));
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

/// The tokenizer among the files of a model.
///
/// # Errors
/// What is said where it is missing, by what is there instead.
pub(crate) fn locate(has: impl Fn(&str) -> bool) -> Result<&'static str, String> {
    let names = ["tokenizer.json", "0_StaticEmbedding/tokenizer.json", "0_Transformer/tokenizer.json"];
    if let Some(name) = names.into_iter().find(|name| has(name)) {
        return Ok(name);
    }
    let slow = ["vocab.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "vocab.json"];
    Err(match slow.into_iter().find(|name| has(name)) {
        Some(found) => format!(
            "tokenizer.json is missing; {found} is there and is not enough: save the tokenizer with transformers once"
        ),
        None => "tokenizer.json is missing; restore the model's files".to_owned(),
    })
}

/// Reads a tokenizer's file. The library panics on some that are damaged, such as those with a cut `precompiled_charsmap`.
fn read(bytes: &[u8]) -> tokenizers::Result<Inner> {
    catch_unwind(|| Inner::from_bytes(bytes))
        .unwrap_or_else(|_| Err("the library that reads it panicked".into()))
}

/// Keeps the first `most` tokens.
fn cut(encoding: &mut Encoding, most: usize) {
    encoding.truncate(most, 0, TruncationDirection::Right);
    // What was cut off stays in the encoding, and the post-processor would pair each piece with each.
    encoding.take_overflowing();
}

/// How many tokens two texts of these lengths keep of `room`, which they exceed together, as `truncate_encodings` of
/// `tokenizers` has it: the longer one loses tokens first, and the token that is left over is its own.
fn kept(first: usize, second: usize, room: usize) -> (usize, usize) {
    let half = room / 2;
    if first <= half {
        (first, room - first)
    } else if second <= half {
        (room - second, second)
    } else if first > second {
        (room - half, half)
    } else {
        (half, room - half)
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

/// `whole`: whether `length` is that of the whole input, or of as much as was read of it.
fn too_long(field: &str, length: usize, whole: bool, limit: usize) -> BackendError {
    let reason = if whole {
        format!("is {length} tokens long and the model takes {limit}")
    } else {
        format!("is longer than the {limit} tokens that the model takes")
    };
    BackendError::context_length(field, reason)
}

fn cannot(field: &str, error: &tokenizers::Error) -> BackendError {
    BackendError::invalid(field, format!("cannot be tokenised: {error}"))
}

/// The first text of pairs.
#[derive(Debug)]
pub(crate) struct First {
    /// As much of it as a model takes at most.
    encoding: Encoding,
    /// How many tokens it has; at least more than a model takes where it was not read whole.
    length: usize,
}

impl First {
    /// Tokens that each pair has of it at most.
    pub(crate) fn len(&self) -> usize {
        self.encoding.len()
    }
}

/// A text without special tokens.
struct Plain {
    encoding: Encoding,
    /// Whether all of the text was read.
    whole: bool,
}

#[cfg(test)]
mod tests;
