//! What can be said of many texts or vectors at once: how well a model ranks, which belong together, which to recommend.

pub mod cluster;
pub mod evaluate;
pub mod recommend;
mod relevance;
pub mod search;
mod texts;

pub use relevance::{DocumentReference, Grades, Relevance};
pub use texts::{RankedDocument, TextItem, TextWithId};
