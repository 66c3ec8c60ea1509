//! What a runtime says of itself: whether it can serve, and what its engines did.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use serde::Serialize;

use super::{
    Runtime,
    pool::{LoadedModel, Model, ModelState, PoolMetrics, slot::EngineQueue as _},
};
use crate::{
    device::ProviderReport,
    embed::{self, metrics::ModelMetrics},
    generate::{self, metrics::GenerationMetrics},
    models::ModelKind,
};

/// Whether the runtime can serve, and what it is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// Whether requests are served.
    pub usable: bool,
    /// Why not, or what does not work beside it.
    pub problems: Vec<String>,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Texts admitted that have not begun to run, over all models.
    pub waiting: usize,
    /// Models in memory or on their way there, sorted by id.
    pub models: Vec<ModelHealth>,
}

/// One model in memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelHealth {
    /// Id.
    pub id: String,
    /// Whether it is ready; else it is being loaded.
    pub ready: bool,
    /// What it runs on, once it is ready.
    pub device: Option<String>,
    /// Execution providers that were passed over on the way to that, with the reason.
    pub refused: Vec<ProviderReport>,
    /// Seconds that loading took, once it is ready.
    pub load_seconds: Option<f64>,
    /// Whether each of its texts runs alone, because its graph quantises its activations.
    pub alone: bool,
    /// Texts admitted that have not begun to run.
    pub waiting: usize,
    /// Seconds that the batch under way has taken so far.
    pub running_seconds: Option<f64>,
}

/// What all engines did.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeMetrics {
    /// One for each encoder that was ever in memory, sorted by id.
    pub models: Vec<ModelMetrics>,
    /// One for each decoder that was ever in memory, sorted by id.
    pub generation: Vec<GenerationMetrics>,
    /// What came into memory and left it.
    pub pool: PoolMetrics,
}

impl Runtime {
    /// Whether it can serve. Reads files only where the default model lies in the models folder and is not in memory.
    pub fn health(&self) -> Health {
        let mut problems = Vec::new();
        let closed = self.inner.closed.load(Relaxed);
        if closed {
            problems.push("the runtime is shutting down".to_owned());
        }
        let default = &self.default_model(ModelKind::Embedding);
        let broken = match self.inner.pool.ready(default) {
            Some(_) => None,
            None => self.inner.catalog.get(default).map_or_else(Some, |entry| entry.problem()),
        };
        if let Some(error) = &broken {
            problems.push(format!(
                "the default model cannot be used: {error}; POST /v1/models/select chooses another one"
            ));
        }
        let models: Vec<ModelHealth> = self.loaded().into_iter().map(ModelHealth::from).collect();
        // A batch is bounded by its budget: one that outlasts every request's deadline hangs.
        let limit = self.inner.options.deadline.as_secs_f64();
        let mut hangs = false;
        for model in
            models.iter().filter(|model| model.running_seconds.is_some_and(|seconds| seconds > limit))
        {
            hangs = true;
            problems.push(format!("the engine of `{}` has run one batch for over {limit} seconds", model.id));
        }
        Health {
            usable: !closed && broken.is_none() && !hangs,
            problems,
            onnxruntime: self.inner.library.version.clone(),
            waiting: models.iter().map(|model| model.waiting).sum(),
            models,
        }
    }

    /// Counters of all models that were ever in memory; what waits and runs is of those that are.
    pub fn metrics(&self) -> RuntimeMetrics {
        let here: BTreeMap<String, Model> = self.inner.pool.serving().into_iter().collect();
        let encoder = |(id, counters): (String, Arc<embed::metrics::Counters>)| {
            let waiting = match here.get(&id) {
                Some(Model::Encoder(model)) => model.queue.waiting(),
                _ => 0,
            };
            counters.snapshot(&id, waiting)
        };
        let decoder = |(id, counters): (String, Arc<generate::metrics::Counters>)| {
            let (waiting, running) = match here.get(&id) {
                Some(Model::Decoder(model)) => (model.queue.waiting(), model.queue.running()),
                _ => (0, 0),
            };
            counters.snapshot(&id, waiting, running)
        };
        RuntimeMetrics {
            models: self.inner.ledger.encoders().into_iter().map(encoder).collect(),
            generation: self.inner.ledger.decoders().into_iter().map(decoder).collect(),
            pool: self.inner.pool.metrics(),
        }
    }
}

impl From<LoadedModel> for ModelHealth {
    fn from(model: LoadedModel) -> Self {
        Self {
            id: model.id,
            ready: model.state != ModelState::Loading,
            device: model.device,
            refused: model.refused,
            load_seconds: model.load_seconds,
            alone: model.alone,
            waiting: model.waiting,
            running_seconds: model.running_seconds,
        }
    }
}
