//! The models that were chosen to serve where a request names none.

use std::collections::BTreeMap;

use super::StoreFuture;

/// Keeps which models were chosen. Failures are those of [`super::Store`].
pub trait SelectionStore: Send + Sync {
    /// The models that were chosen to serve where a request names none, by kind, as they were when the store was opened.
    fn selected_at_start(&self) -> &BTreeMap<String, String>;

    /// Keeps which model serves where a request of a kind names none; nothing is kept of it where there is none.
    fn put_selected(&self, kind: &str, model: Option<&str>) -> StoreFuture<'_, ()>;
}
