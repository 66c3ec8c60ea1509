//! What a contestant did with one task: the tokens of each stream and when they came. All rates are computed here.

use serde::Deserialize;

use crate::Failure;

/// The tokens of some streams that began together.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Timeline {
    /// Ids of each stream.
    pub(super) ids: Vec<Vec<u32>>,
    /// When each of them came, in seconds since the task began.
    pub(super) times: Vec<Vec<f64>>,
}

impl Timeline {
    /// # Errors
    /// Where it is not so many streams of so many tokens: a rate of something else says nothing.
    pub(super) fn check(self, name: &str, streams: usize, tokens: usize) -> Result<Self, Failure> {
        let lengths = |list: &mut dyn Iterator<Item = usize>| {
            let list: Vec<usize> = list.collect();
            list.len() == streams && list.iter().all(|length| *length == tokens)
        };
        if lengths(&mut self.ids.iter().map(Vec::len)) && lengths(&mut self.times.iter().map(Vec::len)) {
            return Ok(self);
        }
        Err(Failure::of(format!("{name} did not give {tokens} tokens in each of {streams} streams")))
    }

    /// Seconds until every stream had its first token.
    pub(super) fn first(&self) -> f64 {
        self.times.iter().filter_map(|times| times.first()).copied().fold(f64::NAN, f64::max)
    }

    /// Seconds until the last token of all.
    pub(super) fn last(&self) -> f64 {
        self.times.iter().filter_map(|times| times.last()).copied().fold(f64::NAN, f64::max)
    }

    /// Tokens a second while all streams run: from the time at which the last one began until the first one ended. NaN
    /// where one ended before all had begun.
    pub(super) fn decode_rate(&self) -> f64 {
        let begin = self.first();
        let end = self.times.iter().filter_map(|times| times.last()).copied().fold(f64::NAN, f64::min);
        let tokens = self.times.iter().flatten().filter(|time| **time > begin && **time <= end).count();
        if end > begin { tokens as f64 / (end - begin) } else { f64::NAN }
    }

    /// Tokens a second from beginning to end, reading the prompts included.
    pub(super) fn whole_rate(&self) -> f64 {
        self.times.iter().map(Vec::len).sum::<usize>() as f64 / self.last()
    }
}

/// Tokens at the beginning of each stream that two contestants chose alike, the least over all streams.
pub(super) fn alike(ours: &[Vec<u32>], theirs: &[Vec<u32>]) -> usize {
    let common = |(a, b): (&Vec<u32>, &Vec<u32>)| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    ours.iter().zip(theirs).map(common).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_by_hand() {
        // One stream from 1 s on, the other from 2 s on; the first one ends at 4 s.
        let timeline = Timeline {
            ids: vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]],
            times: vec![vec![1.0, 2.0, 3.0, 4.0], vec![2.0, 3.0, 4.0, 5.0]],
        };
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(timeline.first(), 2.0));
        assert!(close(timeline.decode_rate(), 2.0));
        assert!(close(timeline.whole_rate(), 8.0 / 5.0));
        let apart = Timeline { ids: Vec::new(), times: vec![vec![1.0, 2.0], vec![3.0, 4.0]] };
        assert!(apart.decode_rate().is_nan());
        assert_eq!(alike(&timeline.ids, &[vec![1, 2, 9], vec![5, 6, 7]]), 2);
        assert!(timeline.clone().check("it", 2, 4).is_ok());
        assert!(timeline.check("it", 2, 5).is_err());
    }
}
