//! What the models did since the process began: counters outlive the models, which come and go.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{embed, generate};

/// The counters of every model that was ever in memory, by id. There are as many as the models folder has models.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    encoders: Mutex<Entries<embed::metrics::Counters>>,
    decoders: Mutex<Entries<generate::metrics::Counters>>,
}

type Entries<C> = BTreeMap<String, Arc<C>>;

impl Ledger {
    /// Those of an encoder.
    pub(super) fn encoder(&self, id: &str) -> Arc<embed::metrics::Counters> {
        Arc::clone(lock(&self.encoders).entry(id.to_owned()).or_default())
    }

    /// Those of a decoder.
    pub(super) fn decoder(&self, id: &str) -> Arc<generate::metrics::Counters> {
        Arc::clone(lock(&self.decoders).entry(id.to_owned()).or_default())
    }

    /// All of encoders, sorted by id.
    pub(super) fn encoders(&self) -> Entries<embed::metrics::Counters> {
        lock(&self.encoders).clone()
    }

    /// All of decoders, sorted by id.
    pub(super) fn decoders(&self) -> Entries<generate::metrics::Counters> {
        lock(&self.decoders).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
