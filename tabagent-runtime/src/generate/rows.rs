//! Which sequence is in which row of the cache, and what the other rows still hold.
//!
//! The rows in front decode together, so they are neighbours. The row after them reads its prompt, where one does. What
//! stands behind holds the tokens of sequences that ended, for prompts that begin like them.

use super::sequence::Sequence;

/// One row of the cache.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Tokens whose keys and values it holds.
    pub(crate) tokens: Vec<u32>,
    /// What is being generated in it.
    pub(crate) sequence: Option<Sequence>,
    /// When it was last used, in steps.
    pub(crate) used: u64,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) all: Vec<Row>,
    /// How many of them decode, from the first on.
    pub(crate) decoding: usize,
    /// Whether the one after them reads its prompt.
    pub(crate) reading: bool,
}

impl Rows {
    /// Rows with a sequence.
    pub(crate) fn active(&self) -> usize {
        self.decoding + usize::from(self.reading)
    }

    /// Tokens that each row holds.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.all.iter().map(|row| row.tokens.len()).collect()
    }

    /// The row that shares the longest beginning with `tokens`, and its length. Of equally long ones a row that nobody
    /// uses, since it can be taken over as it is.
    pub(crate) fn longest_prefix(&self, tokens: &[u32]) -> Option<(usize, usize)> {
        self.all
            .iter()
            .enumerate()
            .map(|(index, row)| (index, common(&row.tokens, tokens)))
            .filter(|(_, length)| *length > 0)
            .max_by_key(|(index, length)| (*length, self.all[*index].sequence.is_none()))
    }

    /// The row without a sequence that was not used for longest; an empty one before all others.
    pub(crate) fn oldest_idle(&self) -> Option<usize> {
        self.all
            .iter()
            .enumerate()
            .filter(|(_, row)| row.sequence.is_none())
            .min_by_key(|(_, row)| (!row.tokens.is_empty(), row.used))
            .map(|(index, _)| index)
    }
}

/// Length of the beginning that two lists share.
fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
