//! What keeps a model in memory while a request uses it.

use std::{ops::Deref, sync::Arc};

use super::Pool;

/// A request's hold on a model. While there is one the model stays, unless somebody unloads it by force.
pub(crate) struct Lease {
    pub(super) pool: Arc<Pool>,
    pub(super) id: Arc<str>,
    /// Which load of the model it is of.
    pub(super) serial: u64,
    /// Whether it counts as use: a model that is kept for no time leaves after its first use, not after its load.
    pub(super) uses: bool,
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.pool.hold_again(self);
        Self { pool: Arc::clone(&self.pool), id: Arc::clone(&self.id), ..*self }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.release(self);
    }
}

/// A model with the hold on it.
pub(crate) struct Leased<M> {
    // Dropped in this order: the model is let go before the pool may think that it is.
    pub(crate) model: Arc<M>,
    pub(crate) lease: Lease,
}

impl<M> Deref for Leased<M> {
    type Target = Arc<M>;

    fn deref(&self) -> &Arc<M> {
        &self.model
    }
}

/// The wish of a waiting load that a busy model gives way: it admits nobody new. Taken back when dropped.
pub(crate) struct GiveWay {
    pub(super) pool: Arc<Pool>,
    pub(super) id: Arc<str>,
    pub(super) serial: u64,
    /// Whether the load is of the same model.
    pub(super) anew: bool,
}

impl GiveWay {
    /// Whether the model has left: what came free may be somebody else's by now.
    pub(crate) fn is_over(&self) -> bool {
        !self.pool.is_here(self)
    }
}

impl Drop for GiveWay {
    fn drop(&mut self) {
        self.pool.take_back(self);
    }
}
