//! The safe places of SentencePiece's tokenizers, as `tokenizers` has them: a normaliser, then `Metaspace`.
//!
//! `Metaspace` begins a word at every space that the normaliser left, and the space is the word's first character. So in
//! front of a space a word ends, if the space is still one after the normaliser and the only one there. What a normaliser
//! does is in the model's files, as a table; it is asked about the place and its neighbours. Beyond them it sees nothing
//! as long as they are characters that stand for themselves, which no mark changes and which change no other: letters,
//! ideographs, punctuation.
//!
//! A text without spaces, as Chinese and Japanese are written, is one word. Unigram models choose the tokens of a word as
//! a whole, from its start to its end: between two characters that stand together in no piece of the vocabulary a token
//! ends whatever follows, so that a prefix up to there has the tokens that it has in the whole.

use std::collections::HashSet;
use std::sync::OnceLock;

use tokenizers::{
    AddedToken, ModelWrapper, NormalizedString, Normalizer as _, NormalizerWrapper, PreTokenizerWrapper,
    Tokenizer,
    models::unigram::Unigram,
    normalizers::{Replace, replace::ReplacePattern},
    pre_tokenizers::metaspace::PrependScheme,
};

/// What may stand for a space in a text.
const SPACES: [char; 3] = [' ', '\n', '\t'];

/// The places of one tokenizer.
pub(in crate::tokenizer) struct SentencePiece {
    /// Characters that part words, each with what the normaliser makes of it.
    spaces: Vec<(char, char)>,
    /// Characters of added tokens, which may stand for more than themselves.
    kept: Vec<char>,
    /// Characters that stand next to each other in pieces of the vocabulary; looked up when a text first needs it.
    pairs: OnceLock<HashSet<(char, char)>>,
}

impl SentencePiece {
    /// `None` where the tokenizer is of another kind or no place is safe.
    pub(super) fn of(tokenizer: &Tokenizer, added: &[AddedToken]) -> Option<Self> {
        let removes_spaces = match tokenizer.get_pre_tokenizer()? {
            PreTokenizerWrapper::Metaspace(words) if words.split => false,
            PreTokenizerWrapper::Sequence(steps) => match steps.as_ref() {
                // A part's first word must not be told from others.
                [PreTokenizerWrapper::WhitespaceSplit(_), PreTokenizerWrapper::Metaspace(words)]
                    if words.get_prepend_scheme() != PrependScheme::First =>
                {
                    true
                }
                _ => return None,
            },
            _ => return None,
        };
        if !tokenizer.get_normalizer().is_none_or(is_local) {
            return None;
        }
        let mut kept: Vec<char> = Vec::new();
        for token in added {
            // One is looked for in the text as it came or as the normaliser makes it.
            let made = normal(tokenizer, &token.content)?;
            // One that takes the spaces behind it would not see them at the end of a part.
            if token.rstrip || made.contains(char::is_whitespace) {
                return None;
            }
            kept.extend(token.content.chars().chain(made.chars()));
        }
        kept.sort_unstable();
        kept.dedup();
        let stays = |c: &char| {
            let between = normal(tokenizer, &format!("a{c}b"))?;
            let becomes = between.strip_prefix('a')?.strip_suffix('b')?.parse().ok()?;
            (becomes == ' ' || (removes_spaces && becomes == *c)).then_some((*c, becomes))
        };
        let spaces: Vec<(char, char)> = SPACES.iter().filter_map(stays).collect();
        (!spaces.is_empty()).then(|| Self { spaces, kept, pairs: OnceLock::new() })
    }

    /// Whether a word ends in front of the character `c` at `at`.
    pub(super) fn is_safe(&self, tokenizer: &Tokenizer, text: &str, at: usize, c: char) -> bool {
        let Some((_, becomes)) = self.spaces.iter().find(|(space, _)| *space == c) else { return false };
        let Some([_, before, after, _]) = neighbours(text, at, at + c.len_utf8()) else { return false };
        normal(tokenizer, &format!("{before}{c}{after}")) == Some(format!("{before}{becomes}{after}"))
    }

    /// The first place from `size` bytes on up to which a prefix of a word has the tokens of the whole.
    pub(super) fn stop(&self, tokenizer: &Tokenizer, part: &str, size: usize) -> Option<usize> {
        let ModelWrapper::Unigram(model) = tokenizer.get_model() else { return None };
        // Bytes for characters that no piece has, or one token for them all: that depends on what follows.
        if model.byte_fallback() {
            return None;
        }
        let pairs = self.pairs.get_or_init(|| pairs(model));
        let is_kept = |c: &char| self.kept.binary_search(c).is_ok();
        let from = part.ceil_char_boundary(size);
        part[from..].char_indices().map(|(at, _)| from + at).find(|at| {
            neighbours(part, *at, *at).is_some_and(|[_, before, after, _]| {
                let text = format!("{before}{after}");
                !pairs.contains(&(before, after))
                    && !is_kept(&before)
                    && !is_kept(&after)
                    && normal(tokenizer, &text).as_ref() == Some(&text)
            })
        })
    }
}

/// The two characters before `end` and the two from `begin` on, where all of them stand for themselves.
fn neighbours(text: &str, end: usize, begin: usize) -> Option<[char; 4]> {
    let (mut before, mut after) = (text[..end].chars().rev(), text[begin..].chars());
    let (second, first) = (before.next()?, before.next()?);
    let all = [first, second, after.next()?, after.next()?];
    all.iter().all(|c| stands_alone(*c)).then_some(all)
}

/// Whether a character is one that no mark belongs to by itself: neither a mark nor what joins others.
///
/// Blocks of letters, ideographs and punctuation; what is missing is no more than places that are not used.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '!'..='~'
        // Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai.
        | '\u{c0}'..='\u{24f}' | '\u{391}'..='\u{3c9}' | '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}'
        | '\u{5d0}'..='\u{5ea}' | '\u{621}'..='\u{64a}' | '\u{904}'..='\u{939}' | '\u{e01}'..='\u{e30}'
        // Punctuation, Hiragana, Katakana, ideographs, Hangul.
        | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// A text as the model sees it; `None` where the normaliser fails.
fn normal(tokenizer: &Tokenizer, text: &str) -> Option<String> {
    let mut text = NormalizedString::from(text);
    if let Some(normalizer) = tokenizer.get_normalizer() {
        normalizer.normalize(&mut text).ok()?;
    }
    Some(text.get().to_owned())
}

/// Whether what a normaliser makes of a character depends on no more than the marks around it.
fn is_local(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Sequence(steps) => steps.as_ref().iter().all(is_local),
        NormalizerWrapper::NFC(_)
        | NormalizerWrapper::NFD(_)
        | NormalizerWrapper::NFKC(_)
        | NormalizerWrapper::NFKD(_)
        | NormalizerWrapper::Nmt(_)
        | NormalizerWrapper::Lowercase(_)
        | NormalizerWrapper::StripAccents(_)
        | NormalizerWrapper::Precompiled(_) => true,
        // Every part but the first begins with the space of its word.
        NormalizerWrapper::StripNormalizer(strip) => !strip.strip_left,
        NormalizerWrapper::Replace(replace) => is_known(replace),
        NormalizerWrapper::BertNormalizer(_)
        | NormalizerWrapper::Prepend(_)
        | NormalizerWrapper::ByteLevel(_) => false,
    }
}

/// The replacements that SentencePiece's models are converted with: of runs of spaces, and of quotation marks.
fn is_known(replace: &Replace) -> bool {
    let spaces = ReplacePattern::Regex(" {2,}".to_owned());
    [spaces, "``".into(), "''".into()]
        .into_iter()
        .any(|pattern| Replace::new(pattern, replace.content.clone()).is_ok_and(|known| known == *replace))
}

/// The characters that stand next to each other in some piece.
fn pairs(model: &Unigram) -> HashSet<(char, char)> {
    model.iter().flat_map(|(piece, _)| piece.chars().zip(piece.chars().skip(1))).collect()
}
