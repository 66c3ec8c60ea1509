//! What a contestant did with one task: whether it did all of it, and how far it did the same as another.

use tabagent_runtime::bench::Timeline;

use crate::Failure;

/// # Errors
/// Where it is not so many streams of so many tokens: a rate of something else says nothing.
pub(super) fn whole(
    timeline: Timeline,
    name: &str,
    streams: usize,
    tokens: usize,
) -> Result<Timeline, Failure> {
    let lengths = |list: &mut dyn Iterator<Item = usize>| {
        let list: Vec<usize> = list.collect();
        list.len() == streams && list.iter().all(|length| *length == tokens)
    };
    if lengths(&mut timeline.ids.iter().map(Vec::len)) && lengths(&mut timeline.times.iter().map(Vec::len)) {
        return Ok(timeline);
    }
    Err(Failure::of(format!("{name} did not give {tokens} tokens in each of {streams} streams")))
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
    fn what_is_short_of_the_task_is_refused() {
        let timeline = Timeline {
            ids: vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]],
            times: vec![vec![1.0, 2.0, 3.0, 4.0], vec![2.0, 3.0, 4.0, 5.0]],
        };
        assert_eq!(alike(&timeline.ids, &[vec![1, 2, 9], vec![5, 6, 7]]), 2);
        assert!(whole(timeline.clone(), "it", 2, 4).is_ok());
        assert!(whole(timeline, "it", 2, 5).is_err());
    }
}
