//! What can be said of many texts or vectors at once: how well a model ranks, which belong together, which to recommend.

pub mod evaluate;
mod relevance;
mod texts;

pub use evaluate::{EvaluateEmbeddingsRequest, EvaluateEmbeddingsResponse};
pub use relevance::{DocumentReference, Grades, Relevance};
pub use texts::{TextItem, TextWithId};
