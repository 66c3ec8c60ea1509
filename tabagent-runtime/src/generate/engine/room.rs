//! Memory of the cache: it grows by doubling under a budget, and where the budget ends somebody gives way.

use super::Engine;
use crate::generate::rows::Row;

/// Tokens for which a row first has room.
const FIRST_CAPACITY: usize = 256;

impl Engine {
    /// Bytes of a cache of this size.
    pub(super) fn bytes(&self, rows: usize, capacity: usize) -> u64 {
        self.decoder.token_bytes().saturating_mul((rows as u64).saturating_mul(capacity as u64))
    }

    /// Makes room for `rows` rows of `tokens` tokens. What rows hold without a sequence is given up for it where the
    /// budget demands it. Returns whether there is room. Where rows grow by themselves, `tokens` is what they grow by.
    pub(super) fn make_room(&mut self, rows: usize, tokens: usize) -> bool {
        if self.decoder.grows() {
            return self.make_room_by_tokens(rows, tokens);
        }
        let have = self.rows.all.len();
        let active = self.rows.active();
        let longest = self.rows.all[..active].iter().map(|row| row.tokens.len() + 1).max().unwrap_or(0);
        let needed = longest.max(tokens);
        // What an ended sequence left is worth keeping, so rows are added before they are reused.
        let unused = self.rows.all[active..].iter().any(|row| row.tokens.is_empty());
        let wished = if unused { have } else { (2 * have).clamp(1, self.limits.rows) }.max(rows);
        // As it is, where that suffices; else doubled; else, or where a longer sequence has left, just enough.
        let doubled = needed.next_power_of_two().max(FIRST_CAPACITY).min(self.limits.context);
        let enough = needed.next_multiple_of(64).min(self.limits.context);
        let sizes = [self.decoder.capacity(), doubled, enough];
        let fits = |count: usize, capacity: usize| self.bytes(count, capacity) <= self.limits.cache_bytes;
        let found = sizes.into_iter().filter(|capacity| *capacity >= needed).find_map(|capacity| {
            (rows..=wished).rev().find(|count| fits(*count, capacity)).map(|count| (count, capacity))
        });
        let Some((count, capacity)) = found else { return false };
        if (count, capacity) != (self.decoder.rows(), self.decoder.capacity()) {
            // Where rows are let go, those that were used last stay.
            for place in active..count.min(have) {
                let latest = (place..have).max_by_key(|index| self.rows.all[*index].used);
                self.swap(latest.unwrap_or(place), place);
            }
            self.rows.all.resize_with(count, Row::default);
            for row in &mut self.rows.all {
                row.tokens.truncate(capacity);
            }
            self.decoder.resize(count, capacity, &self.rows.lengths());
        }
        true
    }

    /// [`Engine::make_room`] where a row takes memory only for the tokens that it holds.
    fn make_room_by_tokens(&mut self, rows: usize, tokens: usize) -> bool {
        let count = rows.max(self.rows.all.len()).max(self.limits.rows.min(self.rows.all.len() + 1));
        if count > self.rows.all.len() {
            self.rows.all.resize_with(count, Row::default);
            self.decoder.resize(count, 0, &[]);
        }
        loop {
            let held: usize = self.rows.all.iter().map(|row| row.tokens.len()).sum();
            if self.bytes(1, held + tokens) <= self.limits.cache_bytes {
                return true;
            }
            let rows = self.rows.all.iter().enumerate();
            let idle = rows.filter(|(_, row)| row.sequence.is_none() && !row.tokens.is_empty());
            match idle.min_by_key(|(_, row)| row.used) {
                Some((index, _)) => self.forget(index),
                None => return false,
            }
        }
    }

    /// Gives up what a row holds.
    pub(super) fn forget(&mut self, index: usize) {
        self.rows.all[index].tokens.clear();
        self.decoder.clear(index);
    }

    /// Makes room for one more token in every row that decodes. Returns whether there is.
    pub(super) fn has_room_for_a_token(&mut self) -> bool {
        if self.decoder.grows() {
            // What is left of the prompt that is being read was promised its room when it began.
            let reading = self.rows.all.get(self.rows.decoding).filter(|_| self.rows.reading);
            let unread = reading.and_then(|row| Some(row.sequence.as_ref()?.tokens.len() - row.tokens.len()));
            return self.make_room(self.rows.active(), self.rows.decoding + unread.unwrap_or(0));
        }
        let longest = self.rows.all[..self.rows.decoding].iter().map(|row| row.tokens.len()).max();
        let wanted = longest.unwrap_or(0) + 1;
        wanted <= self.decoder.capacity() || self.make_room(self.rows.active(), wanted)
    }

    /// Puts the sequence that came last back into the queue: the others need its memory. What it has so far is read again
    /// when there is room.
    pub(super) fn preempt(&mut self) {
        let youngest = (0..self.rows.active())
            .max_by_key(|index| self.rows.all[*index].sequence.as_ref().map(|sequence| sequence.job.since));
        let Some(index) = youngest else { return };
        if let Some(sequence) = self.release(index) {
            self.counters.preempted();
            self.queue.put_back(sequence);
        }
    }
}
