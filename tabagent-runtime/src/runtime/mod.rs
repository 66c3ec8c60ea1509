//! The front of the runtime: one typed method a capability, over models that load on first use.

mod analytics;
mod documents;
mod encoders;
mod generation;
mod health;
mod ledger;
mod load_plan;
mod loading;
mod options;
pub(crate) mod pool;
mod pull;
mod resources;
mod selection;
mod sessions;
mod storage;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

pub use documents::{
    AnswerRequest, DocumentContent, DocumentIndexState, DocumentIndexes, IndexReport, IngestProgress,
    IngestRequest, IngestStage, Ingested, Passage, PassageAnswer, PassageScores, Rerank, Retrieval,
    RetrievalMode, RetrievalRequest, cited,
};
pub use generation::Generating;
pub use health::{Health, ModelHealth, RuntimeMetrics};
pub use loading::{LoadOutcome, LoadRequest, UnloadOutcome, VariantEstimate};
pub use options::RuntimeOptions;
use pool::{Engine, Leased, Model, Pool, PoolLimits, Wish};
pub use pool::{KeepAlive, LoadedModel, ModelState, PoolMetrics};
pub use pull::{RegisteredModel, registered_models};
pub use resources::{Fit, Resources, VariantFit};
pub use selection::DefaultModels;
pub use storage::ParamsInForce;

use crate::{
    device::{self, Device, DeviceOptions, Recipe},
    embed::{loaded::Loaded, shutting_down},
    error::{BackendError, Result},
    generate::loaded::SHORTEST,
    hardware::{self, SystemInfo},
    hub::{Hub, Presence},
    library::{self, Library},
    models::{Catalog, EmbeddingModelInfo, Entry, ModelDetails, ModelInfo, ModelKind},
    session::{SessionOptions, ThreadBudget},
    store::Store,
};

/// Models on ONNX Runtime, and the store beside them. Clones share everything.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    options: RuntimeOptions,
    library: &'static Library,
    catalog: Catalog,
    pool: Arc<Pool>,
    ledger: ledger::Ledger,
    hub: Hub,
    /// Keeps commands from deleting models under it.
    presence: Presence,
    /// What is being generated, by request.
    generating: generation::Register,
    store: Arc<dyn Store>,
    params: storage::KnownParams,
    selected: selection::Selected,
    documents: documents::Documents,
    /// Permits of the tokenising jobs: as many as there are threads.
    workers: Arc<Semaphore>,
    closed: AtomicBool,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Finds or installs ONNX Runtime, opens the store and looks at the models folder. Blocks; models are loaded on first use.
    ///
    /// # Errors
    /// Those of [`library::ensure`]; [`BackendError::ConfigurationError`] for options that cannot be, a device that is
    /// asked for by name and does not work here among them.
    pub fn start(options: RuntimeOptions) -> Result<Self> {
        if options.queue == 0 {
            return Err(BackendError::configuration("queue", "is 0; at least one text must be able to wait"));
        }
        if options.max_loaded == Some(0) {
            return Err(BackendError::configuration("max-loaded", "is 0; at least one model must fit"));
        }
        if options.threads == Some(0) {
            return Err(BackendError::configuration("threads", "is 0; at least one is needed"));
        }
        // Threads of one operator wait for each other: far more of them than processors stand still.
        let most = MOST_THREADS * available_parallelism().map_or(1, NonZeroUsize::get);
        if let Some(threads) = options.threads.filter(|threads| *threads > most) {
            let reason =
                format!("is {threads}, and on this machine more than {most} would only wait for each other");
            return Err(BackendError::configuration("threads", reason));
        }
        if let Some(context) = options.context.filter(|context| *context < SHORTEST) {
            let reason = format!(
                "is {context}, and a prompt with its answer has {SHORTEST} tokens or more; raise it with --context"
            );
            return Err(BackendError::configuration("context", reason));
        }
        let library = library::ensure(&options.library)?;
        // Told now, not by the first request.
        device::check(options.device, &options.device_options)?;
        let (store, params) = storage::open(options.data_dir.as_deref(), options.sessions_limit)?;
        let workers = options.threads.unwrap_or_else(|| ThreadBudget::default().intra_op).max(1);
        // Before the folder is looked at: it puts right what a pull left that was killed.
        let hub = Hub::new(options.models_dir.clone(), options.device, options.hub.clone());
        let presence = hub.attend();
        let catalog = Catalog::new(options.models_dir.clone());
        let runtime = Self {
            inner: Arc::new(Inner {
                catalog,
                hub,
                presence,
                ledger: ledger::Ledger::default(),
                library,
                pool: Pool::new(PoolLimits {
                    most: options.max_loaded,
                    bytes: options.memory_limit,
                    keep_alive: options.keep_alive,
                }),
                generating: generation::Register::default(),
                selected: selection::known(&store),
                store,
                params,
                documents: documents::Documents::default(),
                workers: Arc::new(Semaphore::new(workers)),
                closed: AtomicBool::new(false),
                options,
            }),
        };
        for entry in runtime.inner.catalog.scan() {
            match entry.problem() {
                None => tracing::debug!(model = entry.id, kind = ?entry.kind(), "model found"),
                Some(error) => tracing::warn!(model = entry.id, %error, "model found, and it cannot be used"),
            }
        }
        Ok(runtime)
    }

    /// The library that models run on.
    pub fn library(&self) -> &'static Library {
        self.inner.library
    }

    /// The options that it was started with.
    pub fn options(&self) -> &RuntimeOptions {
        &self.inner.options
    }

    /// All models that are here, sorted by id, those that cannot be used with the reason.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.inner.catalog.scan().iter().map(|entry| self.info(entry)).collect()
    }

    /// One model with everything that its files tell.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`].
    pub fn model(&self, id: &str) -> Result<ModelDetails> {
        let entry = self.inner.catalog.get(id)?;
        let (loaded, dimensions) = self.state(&entry);
        Ok(ModelDetails {
            info: self.info(&entry),
            files: entry.list.clone(),
            variants: entry.variants.clone(),
            // A file that is no JSON is already told by `info.problem`.
            config: entry.files.json(id, "config.json").ok().flatten(),
            architecture: entry.description.as_ref().ok().and_then(|found| found.architecture.clone()),
            embedding: EmbeddingModelInfo::new(&entry, loaded, dimensions),
            memory: entry.variants.first().map_or(0, |variant| {
                let estimate =
                    crate::resources::estimate(&entry, variant, &self.inner.estimate_request(None));
                estimate.map_or(variant.size, |estimate| estimate.total())
            }),
        })
    }

    /// The models that embed and can be used, sorted by id.
    pub fn embedding_models(&self) -> Vec<EmbeddingModelInfo> {
        let scan = self.inner.catalog.scan();
        scan.iter()
            .filter_map(|entry| {
                let (loaded, dimensions) = self.state(entry);
                EmbeddingModelInfo::new(entry, loaded, dimensions)
            })
            .collect()
    }

    /// The machine, its execution providers and the disk with the models. May block for a second the first time.
    pub fn system(&self) -> SystemInfo {
        hardware::system(&self.inner.options.models_dir)
    }

    /// Which form of a model runs on which execution provider. May block for a second the first time.
    pub fn recipes(&self) -> Vec<Recipe> {
        device::recipes(hardware::execution_providers())
    }

    /// Admits nothing more, lets what runs finish until `deadline`, ends the rest, and waits for the engines to leave.
    pub async fn shutdown(&self, deadline: Duration) {
        self.inner.closed.store(true, Relaxed);
        self.inner.hub.close();
        let engines = self.inner.engines();
        let end = Instant::now() + deadline;
        for engine in &engines {
            engine.queue.close();
        }
        while Instant::now() < end && !engines.iter().all(|engine| engine.queue.idle()) {
            sleep(POLL).await;
        }
        for Engine { id, queue, .. } in &engines {
            if !queue.idle() {
                tracing::warn!(
                    model = &**id,
                    waiting = queue.waiting(),
                    "requests were cut off by the shutdown"
                );
                queue.abort(&shutting_down(id));
            }
        }
        // A run that was told to stop ends within one operator, a generation within one step; a load in progress is not
        // waited for.
        let end = Instant::now() + GRACE;
        while Instant::now() < end && !engines.iter().all(|engine| engine.outcome.has_changed().is_err()) {
            sleep(POLL).await;
        }
    }

    /// The model that is named, or the one that serves where none is.
    fn id(&self, model: Option<&str>, kind: ModelKind) -> String {
        model.map_or_else(|| self.default_model(kind), str::to_owned)
    }

    fn info(&self, entry: &Entry) -> ModelInfo {
        let (loaded, dimensions) = self.state(entry);
        ModelInfo::new(entry, loaded, dimensions)
    }

    /// Whether a model is in memory, and the length of its vectors where it makes some.
    fn state(&self, entry: &Entry) -> (bool, Option<usize>) {
        match self.inner.pool.ready(&entry.id) {
            Some(Model::Encoder(model)) => {
                (true, (model.description.kind == ModelKind::Embedding).then_some(model.dimensions))
            }
            found => (found.is_some(), None),
        }
    }

    /// An encoder of a kind that `accepts` takes, held.
    async fn encoder(
        &self,
        id: &str,
        accepts: impl Fn(ModelKind) -> Result<()> + Sync,
    ) -> Result<Leased<Loaded>> {
        let resident = self.resident(id, &accepts, &Wish::default(), true).await?;
        match resident.model {
            Model::Encoder(model) => Ok(Leased { model, lease: resident.lease }),
            Model::Decoder(_) => Err(BackendError::internal(format!("model `{id}` is no encoder"))),
        }
    }

    /// Runs `work` until the deadline of the request, or the runtime's where that is shorter.
    async fn within<T>(
        &self,
        id: &str,
        deadline: Option<Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let limit =
            deadline.map_or(self.inner.options.deadline, |asked| asked.min(self.inner.options.deadline));
        match timeout(limit, work).await {
            Ok(answer) => answer,
            Err(_) => {
                if let Some(Model::Encoder(model)) = self.inner.pool.ready(id) {
                    model.timed_out();
                }
                Err(BackendError::GenerationTimeout { seconds: limit.as_secs_f64() })
            }
        }
    }
}

/// Most threads of one operator for each processor.
const MOST_THREADS: usize = 8;
/// How often a wait looks again.
const POLL: Duration = Duration::from_millis(5);
/// How long engines may take to leave once they were told to.
const GRACE: Duration = Duration::from_secs(5);

impl Inner {
    fn session(&self, device: Device) -> SessionOptions {
        SessionOptions {
            device,
            device_options: self.device_options(device),
            threads: self.threads(),
            // Every batch has a shape of its own: a plan for each would be kept and not used again.
            memory_pattern: false,
            ..SessionOptions::default()
        }
    }

    fn threads(&self) -> ThreadBudget {
        self.options.threads.map_or_else(ThreadBudget::default, ThreadBudget::of)
    }

    /// What a device is told: the operator's options are for the operator's device.
    fn device_options(&self, device: Device) -> DeviceOptions {
        if device == self.options.device { self.options.device_options } else { DeviceOptions::default() }
    }

    /// Takes all engines off their list.
    fn engines(&self) -> Vec<Engine> {
        self.pool.close()
    }
}

impl Drop for Inner {
    /// The engines leave when nobody is left who could ask them.
    fn drop(&mut self) {
        self.hub.close();
        for engine in self.engines() {
            engine.queue.close();
        }
    }
}
