//! What to recommend: items that are like what is wanted, and on request unlike each other.

use std::time::Duration;

use super::{
    Stopped, diversity, go_on,
    space::{Space, dot, normalize},
};
use crate::{
    error::{BackendError, Result},
    rerank::Ranked,
};

/// How much what is disliked weighs against what is liked.
const AGAINST: f64 = 0.5;

/// A request for recommendations.
#[derive(Debug, Clone, Default)]
pub struct RecommendRequest {
    /// Id of the embedding model; the default one where there is none.
    pub model: Option<String>,
    /// What is wanted, in words. It may be missing where something is liked.
    pub query: Option<String>,
    /// Texts that are like what is wanted.
    pub liked: Vec<String>,
    /// Texts that are unlike what is wanted.
    pub disliked: Vec<String>,
    /// What can be recommended.
    pub candidates: Vec<String>,
    /// How many to recommend; all where there is none, and never more than there are.
    pub top_n: Option<usize>,
    /// How much results are to differ from each other, 0 to 1.
    pub diversity: f64,
    /// Length to which the vectors are cut before.
    pub dimensions: Option<usize>,
    /// Whether a text longer than the model takes is cut.
    pub truncate: bool,
    /// When to give up.
    pub deadline: Option<Duration>,
}

impl RecommendRequest {
    /// What is wrong with the request before any text is read.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`].
    pub(crate) fn check(&self) -> Result<()> {
        if self.query.is_none() && self.liked.is_empty() {
            let reason = "is missing: say what is wanted by `query`, by `liked` items, or by both";
            return Err(BackendError::invalid("query", reason));
        }
        if self.candidates.is_empty() {
            return Err(BackendError::invalid("candidates", "is empty; give at least one"));
        }
        if !(0.0..=1.0).contains(&self.diversity) {
            return Err(BackendError::invalid("diversity", format!("is {}; it is 0 to 1", self.diversity)));
        }
        Ok(())
    }
}

/// Ranks candidates, in the order of [`diversity::order`]. Their score is the cosine with what is wanted, -1 to 1.
///
/// What is wanted is the mean of the liked vectors less half the mean of the disliked ones, all at unit length (Rocchio 1971).
///
/// # Errors
/// Where nobody waits any more.
pub fn recommend(
    liked: &[&Space],
    disliked: Option<&Space>,
    candidates: &Space,
    diversity: f64,
    top_n: Option<usize>,
    stopped: Stopped<'_>,
) -> Result<Vec<Ranked>> {
    let mut wanted = vec![0.0; candidates.dimensions()];
    let mut add = |rows: &[&[f64]], weight: f64| {
        for row in rows {
            let share = weight / rows.len() as f64;
            wanted.iter_mut().zip(*row).for_each(|(sum, value)| *sum += share * value);
        }
    };
    add(&liked.iter().flat_map(|space| space.rows()).collect::<Vec<_>>(), 1.0);
    add(&disliked.iter().flat_map(|space| space.rows()).collect::<Vec<_>>(), -AGAINST);
    normalize(&mut wanted);
    go_on(stopped)?;
    let cosine = |a: &[f64], b: &[f64]| dot(a, b).clamp(-1.0, 1.0);
    let scores: Vec<f64> = candidates.rows().map(|row| cosine(row, &wanted)).collect();
    let like = |a, b| cosine(candidates.row(a), candidates.row(b));
    let count = top_n.unwrap_or(usize::MAX).min(scores.len());
    let order = diversity::order(&scores, like, diversity, count, stopped)?;
    Ok(order.into_iter().map(|index| Ranked { index, score: scores[index] }).collect())
}
