//! Maximal marginal relevance: what is relevant and not like what was chosen before (Carbonell and Goldstein 1998).

use super::{Stopped, go_on};
use crate::error::Result;

/// The order in which items are chosen, `count` of them: next is the item with the largest
/// (1 - `diversity`) · relevance - `diversity` · likeness to the chosen item that it is most like, the first of equal ones.
/// With a diversity of 0 this is the order of relevance, with 1 relevance does not count. The likeness to nothing is 0, so
/// that with 1 the first item is chosen first.
///
/// `like` tells how alike two items are, on the scale of the relevance.
///
/// # Errors
/// Where nobody waits any more.
pub fn order(
    relevance: &[f64],
    like: impl Fn(usize, usize) -> f64,
    diversity: f64,
    count: usize,
    stopped: Stopped<'_>,
) -> Result<Vec<usize>> {
    let mut chosen: Vec<usize> = Vec::with_capacity(count.min(relevance.len()));
    let mut left: Vec<usize> = (0..relevance.len()).collect();
    let mut nearest = vec![f64::NEG_INFINITY; relevance.len()];
    while chosen.len() < count && !left.is_empty() {
        go_on(stopped)?;
        let value = |item: usize| {
            let near = if chosen.is_empty() || diversity <= 0.0 { 0.0 } else { nearest[item] };
            (1.0 - diversity) * relevance[item] - diversity * near
        };
        let mut best = 0;
        let mut most = value(left[0]);
        for (at, item) in left.iter().enumerate().skip(1) {
            let value = value(*item);
            if value > most {
                (best, most) = (at, value);
            }
        }
        // Keeps the order of the rest, which decides between equal ones.
        let item = left.remove(best);
        chosen.push(item);
        if diversity > 0.0 {
            for other in &left {
                nearest[*other] = nearest[*other].max(like(item, *other));
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_what_was_chosen_comes_last() {
        let (relevance, kinds) = ([0.9, 0.9, 0.5], [0, 0, 1]);
        let like = |a: usize, b: usize| if kinds[a] == kinds[b] { 1.0 } else { 0.0 };
        let chosen = |diversity, count| order(&relevance, like, diversity, count, &|| false).unwrap();
        assert_eq!(chosen(0.0, 10), [0, 1, 2]);
        assert_eq!(chosen(0.5, 10), [0, 2, 1]);
        assert_eq!(chosen(1.0, 2), [0, 2]);
        assert_eq!(chosen(0.5, 0), [0; 0]);
        assert!(order(&relevance, like, 0.5, 3, &|| true).is_err());
    }
}
