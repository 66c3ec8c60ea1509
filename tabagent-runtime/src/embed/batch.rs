//! The batch former: which waiting texts run together.
//!
//! Texts of like length run together, because the graph computes every row at the length of the longest. The former
//! sees the waiting texts sorted by length, starts at one of them (the anchor: the queue chooses it so that nobody
//! starves) and widens to whichever neighbour adds less padding, for as long as the batch stays within its budget and
//! padding costs less than the separate run that it saves.

use std::ops::Range;

/// What one batch may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most tokens, padding included: rows times the longest of them.
    pub tokens: usize,
    /// Most bytes of attention scores: rows × heads × length² × 4.
    pub attention_bytes: u64,
    /// Attention heads of the model; 0 where it has none.
    pub heads: usize,
    /// Padding, in tokens, that costs as much as starting a run of its own.
    pub overhead: usize,
    /// Whether every text runs alone, as it must where its vector would depend on its neighbours.
    pub alone: bool,
}

impl Budget {
    /// Whether `rows` texts of at most `longest` tokens are within the budget.
    pub fn fits(&self, rows: usize, longest: usize) -> bool {
        let attention = [rows, self.heads, longest, longest, size_of::<f32>()]
            .into_iter()
            .fold(1_u64, |product, factor| product.saturating_mul(factor as u64));
        rows.saturating_mul(longest) <= self.tokens && attention <= self.attention_bytes
    }

    /// The batch around `anchor`, as a range of `lengths`, which are sorted ascending.
    ///
    /// The range always holds `anchor`. It is within the budget unless it holds `anchor` alone: a text that is larger
    /// than the budget runs by itself instead of waiting for ever.
    pub fn window(&self, lengths: &[usize], anchor: usize) -> Range<usize> {
        let mut range = anchor..anchor + 1;
        if self.alone {
            return range;
        }
        let mut real = lengths[anchor];
        loop {
            let longest = lengths[range.end - 1];
            let rows = range.len() + 1;
            let shorter = range.start.checked_sub(1).map(|at| (longest - lengths[at], lengths[at], longest));
            let longer =
                lengths.get(range.end).map(|length| ((length - longest) * range.len(), *length, *length));
            let widens = |side: Option<(usize, usize, usize)>| {
                side.filter(|(_, length, longest)| {
                    let padded = rows * longest;
                    let padding = padded - (real + length);
                    self.fits(rows, *longest) && padding <= self.overhead.max(padded / 8)
                })
            };
            match (widens(shorter), widens(longer)) {
                (Some((less, length, _)), longer) if longer.is_none_or(|(more, ..)| less <= more) => {
                    range.start -= 1;
                    real += length;
                }
                (_, Some((_, length, _))) => {
                    range.end += 1;
                    real += length;
                }
                _ => return range,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(tokens: usize) -> Budget {
        Budget { tokens, attention_bytes: 1 << 20, heads: 4, overhead: 16, alone: false }
    }

    #[test]
    fn like_lengths_run_together() {
        let lengths = [8, 9, 9, 10, 100, 101, 102];
        assert_eq!(budget(1024).window(&lengths, 0), 0..4);
        assert_eq!(budget(1024).window(&lengths, 6), 4..7);
    }

    #[test]
    fn a_text_larger_than_the_budget_runs_alone() {
        assert_eq!(budget(100).window(&[50, 500, 501], 1), 1..2);
    }

    #[test]
    fn attention_bounds_long_texts() {
        let lengths = [100; 64];
        // 100² × 4 heads × 4 bytes = 160,000 bytes a row, six of them in 1 MiB.
        assert_eq!(budget(100_000).window(&lengths, 0).len(), 6);
    }

    #[test]
    fn alone_is_alone() {
        assert_eq!(Budget { alone: true, ..budget(1024) }.window(&[4, 4, 4], 1), 1..2);
    }

    proptest! {
        #[test]
        fn every_text_is_in_exactly_one_batch_within_the_budget(
            mut lengths in prop::collection::vec(1_usize..600, 1..200),
            tokens in 1_usize..4096,
            overhead in 0_usize..64,
            picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            lengths.sort_unstable();
            let budget = Budget { tokens, attention_bytes: 8 << 20, heads: 4, overhead, alone: false };
            let mut waiting: Vec<(usize, usize)> = lengths.iter().copied().enumerate().map(|(i, l)| (l, i)).collect();
            let mut seen = vec![0; lengths.len()];
            let mut picks = picks.iter();
            while !waiting.is_empty() {
                let anchor = picks.next().map_or(0, |pick| pick.index(waiting.len()));
                let sorted: Vec<usize> = waiting.iter().map(|(length, _)| *length).collect();
                let range = budget.window(&sorted, anchor);
                prop_assert!(range.contains(&anchor));
                let longest = sorted[range.end - 1];
                prop_assert!(range.len() == 1 || budget.fits(range.len(), longest));
                let real: usize = sorted[range.clone()].iter().sum();
                let padding = range.len() * longest - real;
                prop_assert!(padding <= overhead.max(range.len() * longest / 8));
                for (_, index) in waiting.drain(range) {
                    seen[index] += 1;
                }
            }
            prop_assert!(seen.iter().all(|count| *count == 1));
        }
    }
}
