//! What is told about the models in memory.

use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::{KeepAlive, Lease, Model, Pool, Resident};
use crate::{device::ProviderReport, embed::metrics::Histogram, models::ModelKind};

/// Where a model is on its way through memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// It is being loaded.
    Loading,
    /// It serves.
    Ready,
    /// It admits nobody new, and leaves when its last request has ended.
    Leaving,
}

/// A model in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedModel {
    /// Id.
    pub id: String,
    /// What it does.
    pub kind: ModelKind,
    /// Where it is.
    pub state: ModelState,
    /// Name of the variant.
    pub variant: String,
    /// What it runs on, once it is ready.
    pub device: Option<String>,
    /// Execution providers that were passed over on the way to that, with the reason.
    pub refused: Vec<ProviderReport>,
    /// Most tokens of one input, or of one sequence with its answer; `None` where there is no limit, or none is known yet.
    pub context: Option<usize>,
    /// Bytes that it takes: by estimate, and of keys and values those that it has, where they are more.
    pub bytes: u64,
    /// Bytes of its weights, by estimate.
    pub weights: u64,
    /// Bytes of keys and values that it has.
    pub cache: u64,
    /// Requests that hold it.
    pub busy: usize,
    /// Whether it stays until it is unloaded by name.
    pub pinned: bool,
    /// How long it stays when nobody uses it.
    pub keep_alive: KeepAlive,
    /// When it was used last.
    pub last_used: SystemTime,
    /// When it leaves if nobody uses it until then.
    pub expires: Option<SystemTime>,
    /// Seconds that loading took, once it is ready.
    pub load_seconds: Option<f64>,
    /// Whether each of its texts runs alone, because its graph quantises its activations.
    pub alone: bool,
    /// Texts or answers admitted that have not begun to run.
    pub waiting: usize,
    /// Seconds that the batch or step under way has taken so far.
    pub running_seconds: Option<f64>,
}

/// What the pool did.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolMetrics {
    /// Models that were loaded.
    pub loads: u64,
    /// Models that were not, since loading failed.
    pub failed_loads: u64,
    /// Models that left to make room.
    pub evicted: u64,
    /// Models that left since nobody used them.
    pub expired: u64,
    /// Times of loads.
    pub load_seconds: Histogram,
    /// Bytes of each model in memory, by id.
    pub bytes: Vec<(String, u64)>,
}

impl Pool {
    /// All models in memory or on their way, sorted by id.
    pub(crate) fn list(&self) -> Vec<LoadedModel> {
        let state = self.lock();
        state.residents.iter().map(|(id, resident)| resident.report(id)).collect()
    }

    /// The model that somebody holds who only looks, which is not counted as a use.
    pub(crate) fn report(&self, lease: &Lease) -> Option<LoadedModel> {
        let mut state = self.lock();
        let mut report = state.of(&lease.id, lease.serial)?.report(&lease.id);
        report.busy = report.busy.saturating_sub(1);
        Some(report)
    }

    /// What the pool did.
    pub(crate) fn metrics(&self) -> PoolMetrics {
        let state = self.lock();
        PoolMetrics {
            loads: state.loads,
            failed_loads: state.failed_loads,
            evicted: state.evicted,
            expired: state.expired,
            load_seconds: self.load_seconds.snapshot(),
            bytes: state.residents.iter().map(|(id, resident)| (id.to_string(), resident.bytes())).collect(),
        }
    }

    /// Every model that serves, by id.
    pub(crate) fn serving(&self) -> Vec<(String, Model)> {
        let state = self.lock();
        state
            .residents
            .iter()
            .filter_map(|(id, resident)| Some((id.to_string(), resident.slot.ready()?)))
            .collect()
    }
}

impl Resident {
    fn report(&self, id: &str) -> LoadedModel {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let before = |at: Instant| clock.checked_sub(now.saturating_duration_since(at)).unwrap_or(clock);
        let model = self.slot.ready();
        let (device, refused, context, load_time, alone, cache) = match &model {
            Some(Model::Encoder(model)) => (
                Some(model.device),
                model.refused.clone(),
                model.description.max_length,
                Some(model.load_time),
                model.alone,
                0,
            ),
            Some(Model::Decoder(model)) => (
                Some(model.device),
                model.refused.clone(),
                Some(model.context),
                Some(model.load_time),
                false,
                model.counters.cache_bytes(),
            ),
            None => (None, Vec::new(), None, None, false, 0),
        };
        let state = match model {
            _ if !self.admits() => ModelState::Leaving,
            Some(_) => ModelState::Ready,
            None => ModelState::Loading,
        };
        LoadedModel {
            id: id.to_owned(),
            kind: self.kind,
            state,
            variant: self.spec.variant.clone(),
            device: device.map(|device| device.to_string()),
            refused,
            context,
            bytes: self.estimate.with_cache(cache),
            weights: self.estimate.weights,
            cache,
            busy: self.busy,
            pinned: self.pinned,
            keep_alive: self.keep_alive,
            last_used: before(self.last),
            expires: self.expires().and_then(|at| clock.checked_add(at.saturating_duration_since(now))),
            load_seconds: load_time.as_ref().map(Duration::as_secs_f64),
            alone,
            waiting: self.slot.queue.waiting(),
            running_seconds: self.slot.queue.running_for().as_ref().map(Duration::as_secs_f64),
        }
    }
}
