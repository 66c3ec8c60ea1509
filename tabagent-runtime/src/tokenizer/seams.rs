//! Where a long text can be parted so that the tokens of the parts are those of the whole.
//!
//! BERT's pre-tokenizer removes white space and keeps every punctuation mark for itself, and its normaliser puts spaces
//! around Chinese characters: in front of any of these a word ends, whatever stands around. Other pre-tokenizers look
//! across such places (SentencePiece joins a word to the space before it), and their texts are tokenised whole.

use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// The places of one tokenizer.
pub(super) struct Seams {
    /// Whether the normaliser sets Chinese characters apart.
    chinese: bool,
    /// Characters of added tokens, such as `[` and `]`, in front of which nothing is parted.
    kept: Vec<char>,
}

impl Seams {
    /// `None` where no place is safe.
    pub(super) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let Some(PreTokenizerWrapper::BertPreTokenizer(_)) = tokenizer.get_pre_tokenizer() else {
            return None;
        };
        let chinese = match tokenizer.get_normalizer() {
            None => false,
            Some(NormalizerWrapper::BertNormalizer(normalizer)) => normalizer.handle_chinese_chars,
            Some(_) => return None,
        };
        let added = tokenizer.get_added_tokens_decoder();
        // One that is only a token as a word of its own would be one at the end of a part.
        if added.values().any(|token| token.single_word || token.content.contains(char::is_whitespace)) {
            return None;
        }
        let mut kept: Vec<char> = added.values().flat_map(|token| token.content.chars()).collect();
        kept.sort_unstable();
        kept.dedup();
        Some(Self { chinese, kept })
    }

    /// Bytes of the first part of `text`: up to the last safe place within `size` bytes, else up to the first one after
    /// that, else all. Never 0 unless the text is empty.
    pub(super) fn after(&self, text: &str, size: usize) -> usize {
        if text.len() <= size {
            return text.len();
        }
        let size = text.ceil_char_boundary(size.max(1));
        let place = |(at, c): &(usize, char)| *at > 0 && self.is_safe(*c);
        let before = text[..size].char_indices().rev().find(place).map(|(at, _)| at);
        before.unwrap_or_else(|| {
            text[size..]
                .char_indices()
                .find(|(_, c)| self.is_safe(*c))
                .map_or(text.len(), |(at, _)| size + at)
        })
    }

    /// Whether a word ends in front of this character.
    fn is_safe(&self, c: char) -> bool {
        let ends = matches!(c, ' ' | '\t' | '\n' | '\r')
            || c.is_ascii_punctuation()
            // The block of the common ideographs; the rarer ones are no more than places that are not used.
            || (self.chinese && ('\u{4e00}'..='\u{9fff}').contains(&c));
        ends && self.kept.binary_search(&c).is_err()
    }
}
