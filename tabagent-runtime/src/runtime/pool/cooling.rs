//! Models that were not loaded: for a while they are not tried again, so that a damaged file costs one load and not one a
//! request.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::LoadSpec;
use crate::{
    error::{BackendError, Result},
    models::Entry,
};

/// Time between a load that failed and the next try.
const TIME: Duration = Duration::from_secs(10);
/// Models that are remembered; beyond it the oldest is forgotten.
const MOST: usize = 256;

/// What failed, by model.
#[derive(Default)]
pub(super) struct Cooling(HashMap<String, Failure>);

struct Failure {
    /// As its files were.
    entry: Arc<Entry>,
    spec: LoadSpec,
    error: BackendError,
    until: Instant,
}

impl Cooling {
    /// Remembers that a load failed, where another try would fail the same way.
    pub(super) fn note(&mut self, entry: &Arc<Entry>, spec: &LoadSpec, error: BackendError) {
        if matches!(
            error,
            BackendError::InvalidInput { .. }
                | BackendError::ModelNotFound { .. }
                | BackendError::ModelNotLoaded { .. }
        ) {
            return;
        }
        let now = Instant::now();
        self.0.retain(|_, failure| failure.until > now);
        if self.0.len() >= MOST
            && let Some(oldest) =
                self.0.iter().min_by_key(|(_, failure)| failure.until).map(|(id, _)| id.clone())
        {
            self.0.remove(&oldest);
        }
        let failure = Failure { entry: Arc::clone(entry), spec: spec.clone(), error, until: now + TIME };
        self.0.insert(entry.id.clone(), failure);
    }

    /// Whether a model may be tried now. It may as soon as its files have changed.
    ///
    /// # Errors
    /// What it failed with, with the time of the next try.
    pub(super) fn check(&self, entry: &Arc<Entry>, spec: &LoadSpec, now: Instant) -> Result<()> {
        match self.0.get(&entry.id) {
            Some(failure)
                if failure.until > now && failure.spec == *spec && failure.entry.list == entry.list =>
            {
                Err(again_in(failure.error.clone(), failure.until - now))
            }
            _ => Ok(()),
        }
    }
}

/// The error, saying when the next try is.
fn again_in(error: BackendError, time: Duration) -> BackendError {
    let seconds = time.as_secs() + 1;
    let told = |text: String| {
        format!(
            "{text}; it was tried a moment ago, and is again in {seconds} s or once its files have changed"
        )
    };
    match error {
        BackendError::ModelCorrupted { model, reason } => {
            BackendError::ModelCorrupted { model, reason: told(reason) }
        }
        BackendError::CudaError { provider, code, message } => {
            BackendError::CudaError { provider, code, message: told(message) }
        }
        BackendError::InternalError { context } => BackendError::InternalError { context: told(context) },
        BackendError::ConfigurationError { setting, reason } => {
            BackendError::ConfigurationError { setting, reason: told(reason) }
        }
        BackendError::NotImplemented { feature } => BackendError::NotImplemented {
            feature: format!(
                "{feature}, as its load found a moment ago (it is tried again in {seconds} s or once its files have changed),"
            ),
        },
        // It has a time of its own on the way out.
        other => other,
    }
}
