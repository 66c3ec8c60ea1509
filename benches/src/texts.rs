//! Texts and prompts of known lengths, the same in every run.

use std::ops::RangeInclusive;

/// Frequent words, each one token in the vocabulary of BERT's uncased models.
pub(crate) const WORDS: [&str; 96] = [
    "the", "of", "and", "to", "in", "is", "was", "for", "on", "that", "with", "as", "by", "at", "from",
    "his", "it", "he", "are", "this", "be", "were", "an", "which", "had", "has", "not", "one", "new", "also",
    "or", "but", "its", "their", "they", "first", "who", "all", "have", "her", "two", "after", "time",
    "other", "been", "more", "she", "only", "year", "over", "during", "into", "some", "then", "can", "such",
    "these", "about", "her", "most", "made", "between", "used", "many", "world", "city", "state", "part",
    "later", "there", "through", "film", "school", "water", "house", "light", "river", "music", "book",
    "day", "night", "team", "game", "war", "life", "name", "work", "long", "great", "small", "people",
    "family", "church", "road", "north", "south",
];

/// Tokens that the tokenizer adds around a text.
const SPECIAL_TOKENS: usize = 2;

/// A generator of numbers that look random; splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next one, below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let value = value ^ (value >> 31);
        usize::try_from(value % bound.max(1) as u64).unwrap_or_default()
    }
}

/// So many texts, each of a length in tokens (special tokens counted) that is uniform over the range.
pub(crate) fn texts(count: usize, tokens: RangeInclusive<usize>, seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    let spread = tokens.end() - tokens.start() + 1;
    (0..count)
        .map(|_| {
            let words = tokens.start() + random.below(spread) - SPECIAL_TOKENS;
            (0..words).map(|_| WORDS[random.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// So many token ids, each of the given ones equally likely.
pub(crate) fn token_ids(count: usize, among: &[u32], seed: u64) -> Vec<u32> {
    let mut random = Random(seed);
    (0..count).filter_map(|_| among.get(random.below(among.len())).copied()).collect()
}
