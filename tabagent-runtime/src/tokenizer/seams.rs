//! Where a long text can be parted so that the tokens of the parts are those of the whole.
//!
//! BERT's pre-tokenizer removes white space and keeps every punctuation mark for itself, and its normaliser puts spaces
//! around Chinese characters: in front of any of these a word ends, whatever stands around. SentencePiece's joins a word
//! to the space before it: [`sentencepiece`] says in front of which spaces. Other pre-tokenizers look across such places,
//! and their texts are tokenised whole.

mod sentencepiece;
#[cfg(test)]
mod tests;

use sentencepiece::SentencePiece;
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// The places of one tokenizer.
pub(super) enum Seams {
    /// BERT's.
    Bert {
        /// Whether the normaliser sets Chinese characters apart.
        chinese: bool,
        /// Characters of added tokens, such as `[` and `]`, in front of which nothing is parted.
        kept: Vec<char>,
    },
    /// SentencePiece's, as XLM-RoBERTa has it.
    SentencePiece(SentencePiece),
}

impl Seams {
    /// `None` where no place is safe.
    pub(super) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let added: Vec<AddedToken> = tokenizer.get_added_tokens_decoder().into_values().collect();
        // One that is only a token as a word of its own would be one at the end of a part.
        if added.iter().any(|token| token.single_word || token.content.contains(char::is_whitespace)) {
            return None;
        }
        let Some(PreTokenizerWrapper::BertPreTokenizer(_)) = tokenizer.get_pre_tokenizer() else {
            return SentencePiece::of(tokenizer, &added).map(Self::SentencePiece);
        };
        let chinese = match tokenizer.get_normalizer() {
            None => false,
            Some(NormalizerWrapper::BertNormalizer(normalizer)) => normalizer.handle_chinese_chars,
            Some(_) => return None,
        };
        let mut kept: Vec<char> = added.iter().flat_map(|token| token.content.chars()).collect();
        kept.sort_unstable();
        kept.dedup();
        Some(Self::Bert { chinese, kept })
    }

    /// Bytes of the first part of `text`: up to the last safe place within `size` bytes, else up to the first one after
    /// that, else all. Never 0 unless the text is empty.
    pub(super) fn after(&self, tokenizer: &Tokenizer, text: &str, size: usize) -> usize {
        if text.len() <= size {
            return text.len();
        }
        let size = text.ceil_char_boundary(size.max(1));
        let place = |(at, c): &(usize, char)| *at > 0 && self.is_safe(tokenizer, text, *at, *c);
        let before = text[..size].char_indices().rev().find(place).map(|(at, _)| at);
        before.unwrap_or_else(|| {
            text[size..]
                .char_indices()
                .map(|(at, c)| (size + at, c))
                .find(place)
                .map_or(text.len(), |(at, _)| at)
        })
    }

    /// The first place from `size` bytes on at which reading can stop within a part: the tokens up to it are those of the
    /// whole, save the last one. What follows it cannot be read on its own.
    pub(super) fn stop(&self, tokenizer: &Tokenizer, part: &str, size: usize) -> Option<usize> {
        match self {
            Self::Bert { .. } => None,
            Self::SentencePiece(places) => places.stop(tokenizer, part, size),
        }
    }

    /// Whether a word ends in front of the character `c` at `at`.
    fn is_safe(&self, tokenizer: &Tokenizer, text: &str, at: usize, c: char) -> bool {
        match self {
            Self::SentencePiece(places) => places.is_safe(tokenizer, text, at, c),
            Self::Bert { chinese, kept } => {
                let ends = matches!(c, ' ' | '\t' | '\n' | '\r')
                    || c.is_ascii_punctuation()
                    // The block of the common ideographs; the rarer ones are no more than places that are not used.
                    || (*chinese && ('\u{4e00}'..='\u{9fff}').contains(&c));
                ends && kept.binary_search(&c).is_err()
            }
        }
    }
}
